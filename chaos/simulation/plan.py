"""What a run is made of: a seed becomes actors, jobs, and a set of faults that may strike."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.chaos.faults import load_all
from holdfast.jobs.store.upkeep import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.jobs.settings import Settings

#: For how long faults may strike: a little longer than it takes to enqueue all jobs.
STORM_US = 30_000_000
#: How much oftener faults come in hard runs.
HARDER = 2.5


class _Company(NamedTuple):
    """How many jobs a run has, and how many of them together."""

    jobs: int
    #: How its workers run jobs: so many a horse, so many in hand.
    modes: tuple[tuple[int, int], ...]
    #: Which part of the jobs are quick where workers may take several: they do so only while jobs are.
    quick: float


_FEW = _Company(16, ((1, 1), (1, 1), (1_000, 1), (1_000, 1), (3, 1), (1, 4), (3, 4), (1_000, 4)), 0.8)
#: So that much is in hand, and on its way, at the same time.
_CROWD = _Company(40, ((1_000, 8), (1_000, 16), (30, 8), (1_000, 2), (5, 8)), 0.9)

#: How many jobs a pass of a chore takes at a time. Few: with so few jobs most passes have to go on.
_BATCHES = (1, 2, BATCH)

#: What is told of a job by its only generation.
_ONE_LIFE = {"crashes", "timeout_s", "in_s"}
#: In which part of all runs a kind of fault may strike: most, never all.
_USUALLY = 0.7
_UNKEPT = 0.3


@dataclass(frozen=True)
class Strike:
    """One fault, at one call of one process or at one moment."""

    fault: str
    arguments: tuple[Any, ...]
    process: str = ""
    call: int = 0
    at_us: int = 0

    def make(self) -> Any:
        """Give the fault itself."""
        return load_all()[self.fault](*self.arguments)

    def __str__(self) -> str:
        where = f"{self.process} call {self.call}" if self.process else f"at {self.at_us / 1000:.0f} ms"
        return f"{self.fault}{self.arguments or ''} {where}"


@dataclass(frozen=True)
class Plan:
    """One run, before it is run."""

    seed: int
    hard: bool
    orders: tuple[tuple[dict[str, Any], ...], ...]
    workers: int
    queues: tuple[str, ...]
    #: For how long faults may strike, in us; then the run is left alone until all is settled.
    storm_us: int
    #: Which faults may strike; each seed leaves some out, so that rare ones get the stage to themselves.
    kinds: tuple[str, ...]
    #: The strikes themselves: None draws them from the seed, a list repeats a run or a part of it.
    strikes: tuple[Strike, ...] | None = None
    keepers: int = 1
    #: How workers run jobs: so many a horse, so many in hand.
    jobs_per_horse: int = 1
    prefetch: int = 1
    #: How many jobs a pass of a chore takes at a time.
    batch: int = BATCH
    #: Whether its jobs are a crowd.
    crowd: bool = False
    #: After the storm, how long the rest may take.
    calm_us: int = 400_000_000

    @property
    def has_stale_saves(self) -> bool:
        """Whether apps save objects that are out of date."""
        return "stale-save" in self.kinds

    def tuned(self, settings: Settings) -> Settings:
        """Give the settings of its workers."""
        settings = replace(settings, jobs_per_horse=self.jobs_per_horse, prefetch=self.prefetch)
        # What is saved of a job that is gone is in no place, and judged by what becomes of it.
        return replace(settings, orphans_ms=1_000, orphaned_ms=5_000) if self.has_stale_saves else settings

    def with_strikes(self, strikes: Iterable[Strike]) -> Plan:
        """Give the same run with these strikes only."""
        return replace(self, strikes=tuple(strikes))


def plan_for(seed: int, *, hard: bool = False, crowd: bool = False, only: str | None = None) -> Plan:
    """Make the plan of a seed. `only` leaves one failure mode to strike."""
    company = _CROWD if crowd else _FEW
    rng = random.Random(f"{seed}/plan")
    queues = ("high", "low")[: rng.randint(1, 2)]
    faults = load_all()
    kinds = tuple(
        name
        for name, kind in sorted(faults.items())
        if not hasattr(kind, "share")
        and (kind.mode == only if only else rng.random() < getattr(kind, "swarm", _USUALLY))
    ) + tuple(
        name
        for name, kind in sorted(faults.items())
        if hasattr(kind, "share")
        and (kind.mode == only if only else random.Random(f"{seed}/{name}").random() < kind.share)
    )
    producers = rng.randint(1, 2)
    orders = tuple(
        tuple(_order(rng, f"J{number}", queues) for number in range(producer, company.jobs, producers))
        for producer in range(producers)
    )
    plan = Plan(seed, hard, orders, rng.randint(2, 3), queues, STORM_US, kinds, keepers=rng.randint(0, 1), crowd=crowd)
    plan = _in_mode(_with_more_lives(plan, random.Random(f"{seed}/lives")), company, random.Random(f"{seed}/mode"))
    plan = replace(plan, batch=random.Random(f"{seed}/batch").choice(_BATCHES))
    return _leaving_nothing(plan, random.Random(f"{seed}/unkept")) if plan.has_stale_saves else plan


def _with_more_lives(plan: Plan, rng: random.Random) -> Plan:
    """Let some jobs repeat, and enqueue some again under their ids, wherever the first one may be then."""
    orders = tuple(tuple(life for order in some for life in _lives(rng, order, plan.queues)) for some in plan.orders)
    return replace(plan, orders=orders)


def _lives(rng: random.Random, order: dict[str, Any], queues: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    chance = rng.random()
    if chance > 0.25 or order["body"].get("poison") or not _ONE_LIFE.isdisjoint(order):  # noqa: PLR2004 - some of each kind
        yield order
    elif chance > 0.12:  # noqa: PLR2004
        yield order
        yield order | {"after_s": rng.choice((0.0, 0.01, 0.3, 1.0)), "queue": rng.choice(queues)}
    else:
        yield order | {"repeats": rng.randint(1, 2), "every_s": rng.choice((0, 0, 1, 4))}


def _in_mode(plan: Plan, company: _Company, rng: random.Random) -> Plan:
    """Draw how workers run jobs. Where they may take several, jobs come in crowds, and most are quick."""
    jobs_per_horse, prefetch = rng.choice(company.modes)
    orders = plan.orders
    if prefetch > 1:
        orders = tuple(tuple(_quicker(rng, order, company.quick) for order in some) for some in orders)
    return replace(plan, orders=orders, jobs_per_horse=jobs_per_horse, prefetch=prefetch)


def _quicker(rng: random.Random, order: dict[str, Any], share: float) -> dict[str, Any]:
    if "timeout_s" in order or rng.random() > share:
        return order
    body = order["body"] | {"works_s": rng.choice(((), (0.002,)))}
    if "effect" in body:
        body["lingers_s"] = 0.0
    return order | {"body": body, "after_s": rng.choice((0.0, 0.0, 0.0, 0.01, 2.5))}


def _leaving_nothing(plan: Plan, rng: random.Random) -> Plan:
    """Let some jobs leave no record when they are over: what is saved then makes it anew."""
    ids = sorted({order["job_id"] for some in plan.orders for order in some})
    unkept = {job_id for job_id in ids if rng.random() < _UNKEPT}
    kept = {job_id: {"kept_s": 0} if job_id in unkept else {} for job_id in ids}
    return replace(plan, orders=tuple(tuple(each | kept[each["job_id"]] for each in some) for some in plan.orders))


def _order(rng: random.Random, job_id: str, queues: tuple[str, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {"works_s": tuple(rng.choice((0.01, 0.1, 1.0, 3.0)) for _ in range(rng.randint(0, 3)))}
    body["leaves_s"] = rng.choice((0.0, 0.0, 0.02, 1.0))
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        body["effect"] = rng.choice(("fail", "probe", "probe"))
        body["lingers_s"] = rng.choice((0.0, 0.05, 2.0))
    order: dict[str, Any] = {
        "job_id": job_id,
        "queue": rng.choice(queues),
        "after_s": rng.choice((0.01, 0.3, 1.0, 2.5)),
        "body": body,
    }
    chance = rng.random()
    if chance < 0.15:  # noqa: PLR2004 - some of each kind
        body["fails"] = rng.randint(1, 3)
        order |= {"retries": 3, "interval_s": rng.choice((0, 1, 4))}
    elif chance < 0.2:  # noqa: PLR2004
        body["poison"] = True
    elif chance < 0.25:  # noqa: PLR2004
        order["crashes"] = 0
    elif chance < 0.28:  # noqa: PLR2004
        order["timeout_s"] = 3
        body["works_s"] = (30.0,)
    elif chance < 0.38:  # noqa: PLR2004
        order["in_s"] = rng.choice((0.5, 5.0, 12.0))
    return order
