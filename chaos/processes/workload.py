"""What is asked for in a run: every job, when it is enqueued, and what its code will do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

QUEUES = ("high", "default")

#: Of every hundred jobs, so many have an effect whose doubt is probed, and so many one whose doubt ends the job.
_PROBED, _UNPROBED = 18, 17
#: Fails once or twice and is retried; fails every time; is scheduled; may run at most once; works longer than a lease.
_FLAKY, _HOPELESS, _LATER, _ONCE, _LONG = 10, 2, 8, 4, 4
#: One job in so many takes its process down each time it runs; there are never fewer than three.
_POISON_EVERY = 250
POISONS = ("exits", "segfaults", "out of memory")
#: About how many come at once where they come in bursts.
_BURST = 100
#: A retry's wait.
_INTERVAL_S = 1


@dataclass(frozen=True)
class Order:
    """One job: when it is enqueued, and how."""

    job_id: str
    queue: str
    #: From the start of the run.
    at_ms: int
    #: What its code does: see `tasks.perform`.
    wishes: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    interval_s: int = 0
    in_s: float | None = None
    crashes: int | None = None
    timeout_s: int = 60
    #: Enqueued by stock RQ, in a run that has both producers.
    is_plain: bool = False

    @property
    def must_fail(self) -> bool:
        """Whether its own code, and no fault, keeps it from ever succeeding."""
        return "dies" in self.wishes or "hangs" in self.wishes or self.wishes.get("fails", 0) > self.retries


def draw_orders(seed: int, jobs: int, storm_ms: int, *, are_small: bool = False) -> list[Order]:
    """Draw the jobs of a run, in the order of their enqueue, spread over the storm.

    `are_small`: most are over in some ms, and they come in bursts, so that there are several for a worker to take.
    """
    rng = random.Random(f"{seed}/orders")
    kinds = _deal(rng, jobs)
    bursts = [rng.randrange(storm_ms) for _ in range(1 + jobs // _BURST)] if are_small else []
    moments = sorted(rng.choice(bursts) if bursts else rng.randrange(storm_ms) for _ in range(jobs))
    width = len(str(jobs))
    orders = [
        _order(rng, f"J{number:0{width}}", at_ms, kind, storm_ms)
        for number, (at_ms, kind) in enumerate(zip(moments, kinds, strict=True), 1)
    ]
    return [_made_small(order) for order in orders] if are_small else orders


def _made_small(order: Order) -> Order:
    # One in ten of those that work for long still does: a worker that has met one takes the next jobs one by one.
    if order.wishes["work_s"] > 1 and order.job_id.endswith("0"):
        return order
    shorter = {name: order.wishes[name] / 100 for name in ("work_s", "lingers_s") if name in order.wishes}
    return replace(order, wishes=order.wishes | shorter)


def _deal(rng: random.Random, jobs: int) -> list[str]:
    """Give each job its kind. Counted out and shuffled: a small run has some of each, too."""
    shares = {
        "probed": _PROBED, "unprobed": _UNPROBED, "flaky": _FLAKY, "hopeless": _HOPELESS,
        "later": _LATER, "once": _ONCE, "long": _LONG,
    }  # fmt: skip
    deck = [kind for kind, share in shares.items() for _ in range(max(1, jobs * share // 100))]
    deck += [POISONS[number % len(POISONS)] for number in range(max(len(POISONS), jobs // _POISON_EVERY))]
    deck.append("hangs")
    deck = deck[:jobs] + ["plain"] * (jobs - len(deck))
    rng.shuffle(deck)
    return deck


def _order(rng: random.Random, job_id: str, at_ms: int, kind: str, storm_ms: int) -> Order:
    wishes: dict[str, Any] = {"work_s": round(0.005 + 0.295 * rng.random() ** 2, 3)}
    more: dict[str, Any] = {}
    match kind:
        case "probed" | "unprobed":
            wishes["effect"] = "probe" if kind == "probed" else "fail"
            wishes["lingers_s"] = rng.choice((0.0, 0.05, 0.4))
        case "flaky":
            wishes["fails"] = rng.randint(1, 2)
            more = {"retries": 3, "interval_s": _INTERVAL_S}
        case "hopeless":
            wishes["fails"] = 99
            more = {"retries": 1, "interval_s": _INTERVAL_S}
        case "later":
            more = {"in_s": round(rng.uniform(0.5, min(20.0, storm_ms / 4_000)), 2)}
        case "once":
            more = {"crashes": 0}
        case "long":
            wishes["work_s"] = round(rng.uniform(1.5, 5.0), 2)
        case "hangs":
            wishes["hangs"] = True
            more = {"timeout_s": 2}
        case "plain":
            pass
        case poison:
            wishes["dies"] = poison
    return Order(job_id, rng.choice(QUEUES), at_ms, wishes, **more)
