"""What came of a run in numbers, and the verdict: ours by every check, stock RQ's by what is seen from outside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from holdfast.chaos.amnesia import tell_apart
from holdfast.chaos.checker import CHECKS
from holdfast.chaos.verdict import Verdict, rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.chaos.history import History, Move
    from holdfast.chaos.processes.plan import Plan

_OVER = {"finished", "failed", "stopped", "canceled"}
#: What can be judged of workers that write no moves: by the producer, the files, and the records at the end.
_FROM_OUTSIDE = {"INV-01", "INV-07", "LIV-01"}
_BY_MOVES = {"INV-03", "INV-04", "INV-05", "INV-06", "INV-09", "INV-10", "INV-11", "INV-12"}


@dataclass(frozen=True)
class Losses:
    """What a run cost, counted from outside, so that any worker can be held to it. Job ids."""

    accepted: tuple[str, ...]
    finished: tuple[str, ...]
    #: Accepted, and now nowhere.
    lost: tuple[str, ...]
    #: Neither finished nor failed when patience was over.
    stuck: tuple[str, ...]
    #: Failed, and its code was never called.
    failed_unrun: tuple[str, ...]
    #: Failed, and neither by its own code nor kept for a person to settle a doubt.
    failed_by_fault: tuple[str, ...]
    #: Stopped and kept with its doubt, as its own on_doubt="fail" asks.
    in_doubt: tuple[str, ...]
    #: Its code was called again after it had come to its end.
    ran_again: tuple[str, ...]
    #: Its effect took place twice.
    acted_twice: tuple[str, ...]


def count_losses(history: History, plan: Plan) -> Losses:
    """Count them."""
    accepted = sorted({line.job for line in history.of("accepted")})
    final = history.final
    begun, ended, ran_again = set(), set(), set()
    for line in history.of("begin", "end"):
        if line.did == "end":
            ended.add(line.job)
        elif line.job in ended:
            ran_again.add(line.job)
        begun.add(line.job)
    must_fail = {order.job_id for order in plan.orders if order.must_fail}
    # One asked to run at most once is failed when its worker dies: that is what was asked for.
    may_fail = must_fail | {order.job_id for order in plan.orders if order.crashes == 0}
    failed = [job for job in accepted if job in final and final[job].status in {"failed", "stopped"}]
    acts = Counter(line.job for line in history.of("act"))
    return Losses(
        accepted=tuple(accepted),
        finished=tuple(job for job in accepted if job in final and final[job].status == "finished"),
        lost=tuple(job for job in accepted if job not in final or not final[job].places),
        stuck=tuple(job for job in accepted if job in final and final[job].places and final[job].status not in _OVER),
        failed_unrun=tuple(job for job in failed if job not in begun and job not in may_fail),
        failed_by_fault=tuple(job for job in failed if job not in may_fail and final[job].dead != "in_doubt"),
        in_doubt=tuple(job for job in failed if final[job].dead == "in_doubt"),
        ran_again=tuple(sorted(ran_again & set(accepted))),
        acted_twice=tuple(sorted(job for job, count in acts.items() if count > 1)),
    )


@dataclass(frozen=True)
class Witness:
    """What was seen beside the history."""

    #: When the last fault was healed, in us of the run.
    calm_from_us: int = 0
    #: How many moves the server says there were, where it does.
    moves_made: int | None = None
    #: The moves it knows of at the end.
    on_record: tuple[Move, ...] = ()
    #: How many workers and keepers ended although nobody had asked them to.
    unasked_ends: int = 0


def decide(history: History, plan: Plan, witness: Witness, *, is_stock: bool) -> Verdict:
    """Judge a run."""
    amnesias = {strike.name for strike in plan.strikes if strike.fault.is_lossy}
    forgotten = None
    if amnesias:
        history, forgotten = tell_apart(history, witness.on_record, amnesias)
    losses = count_losses(history, plan)
    undecided: dict[str, str] = {}
    if is_stock:
        undecided = dict.fromkeys(CHECKS.keys() - _FROM_OUTSIDE, "stock RQ has no leases, fences or moves to judge")
    elif forgotten is None:
        undecided = unheard(history, witness)
    if not losses.accepted:
        undecided = dict.fromkeys(CHECKS, "no job was accepted")
    counts = _counts(history, losses, is_stock=is_stock) | {"workers ended unasked": witness.unasked_ends}
    if forgotten is not None:
        counts |= forgotten.counts()
    return Verdict(rule(history, plan.terms(witness.calm_from_us), undecided), counts)


def unheard(history: History, witness: Witness) -> dict[str, str]:
    """Give the checks that cannot be decided because not all moves were heard of, and why."""
    if witness.moves_made in {None, len(history.moves)}:
        return {}
    why = f"{witness.moves_made} moves were made and {len(history.moves)} heard: the stream was cut short"
    return dict.fromkeys(_BY_MOVES, why)


def _counts(history: History, losses: Losses, *, is_stock: bool) -> dict[str, int]:
    moves = Counter(move.move for move in history.moves)
    counts = {each.name.replace("_", " "): len(getattr(losses, each.name)) for each in fields(losses)}
    counts |= {
        "enqueues unknown": len({line.job for line in history.of("unknown")}),
        "executions": _executions(history) if is_stock else moves["claim"],
        "acts": sum(1 for _ in history.of("act")),
    }
    if not is_stock:
        counts |= {word: moves[move] for word, move in _WORDS.items()}
        counts["renewed"] = moves["renew"]
        counts["refused"] = len({line.execution for line in history.of("refused")})
        counts["doubts asked about"] = sum(1 for _ in history.of("asked"))
        counts["moves"] = len(history.moves)
    counts["faults"] = sum(1 for _ in history.of("fault"))
    counts["faults that met nobody"] = sum(1 for _ in history.of("missed"))
    counts["faults skipped"] = sum(1 for _ in history.of("skipped"))
    return counts


_WORDS = {
    "completed": "complete",
    "postponed": "postpone",
    "buried": "bury",
    "given back": "give_back",
    "crashed": "crash",
    "reclaimed": "reclaim",
}


def _executions(history: History) -> int:
    return sum(1 for _ in history.of("begin"))


def faults_by_mode(history: History) -> dict[str, int]:
    """Count the faults that struck, by failure mode."""
    return dict(sorted(Counter(line.detail.split()[0] for line in history.of("fault")).items()))


def some(jobs: Iterable[str], most: int = 5) -> str:
    """Name a few of many."""
    named = list(jobs)
    return ", ".join(named[:most]) + (f" and {len(named) - most} more" if len(named) > most else "")
