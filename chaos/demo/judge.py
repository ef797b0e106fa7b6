"""Decides from what was seen whether the demo's promises held, and knows nothing of how it was seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.chaos.history import Move


@dataclass(frozen=True)
class Harm:
    """A worker was hurt while it held a job. Moments in ms by the server's clock."""

    worker: str
    job: str
    execution: str
    #: Before the first signal.
    at_ms: int
    #: When it was woken again, if it was.
    woken_ms: int | None = None


@dataclass(frozen=True)
class Farewell:
    """A worker was asked to stop, and ended."""

    worker: str
    exit_code: int
    #: The jobs it held a lease on when it was gone.
    left_leased: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the judge is told."""

    #: What was enqueued: order id -> job id.
    jobs: Mapping[str, str]
    #: Ids of the jobs whose record says finished.
    finished: frozenset[str]
    #: Rows in the bank's ledger by order id.
    charges: Mapping[str, int]
    moves: tuple[Move, ...]
    killed: Harm | None
    slept: Harm | None
    stopped: Farewell | None
    #: Executions whose worker was told that what it held is no longer its own. From the workers' logs: a move that
    #: is refused leaves no trace in Redis.
    refused: frozenset[str]
    #: Workers that ended without being asked to.
    fallen: tuple[str, ...]
    #: Within how many ms a dead worker's job must have been reclaimed.
    bound_ms: int

    def count(self, word: str) -> int:
        """Count the moves with this word."""
        return sum(move.move == word for move in self.moves)

    def completes_of(self, job: str) -> list[Move]:
        """Give every `complete` of a job."""
        return [move for move in self.moves if move.move == "complete" and move.job == job]

    def reclaim_of(self, harm: Harm) -> Move | None:
        """Find when what a worker held was taken back from it."""
        reclaims = (move for move in self.moves if move.move == "reclaim" and move.execution == harm.execution)
        return next(reclaims, None)


@dataclass(frozen=True)
class Finding:
    """What became of one promise."""

    promise: str
    #: What was seen, and what had to be, in a few words.
    seen: str
    required: str
    #: What broke it; empty when it held.
    trouble: str = ""


def judge(evidence: Evidence) -> list[Finding]:
    """Judge each promise. All held if no finding tells of trouble."""
    return [promise(evidence) for promise in _PROMISES]


def _no_order_is_lost(evidence: Evidence) -> Finding:
    lost = [order for order, job in evidence.jobs.items() if job not in evidence.finished]
    trouble = ""
    if lost:
        trouble = f"{len(lost)} of {len(evidence.jobs)} orders did not finish: {_some(lost)}"
    elif not evidence.jobs:
        trouble = "no order was ever enqueued"
    return Finding("no order is lost", f"{len(lost)} lost", "0", trouble)


def _every_order_finished_once(evidence: Evidence) -> Finding:
    completes = Counter(move.job for move in evidence.moves if move.move == "complete")
    counts = [completes[job] for job in evidence.jobs.values()]
    odd = [order for order, job in evidence.jobs.items() if completes[job] != 1]
    return Finding(
        "every order finishes once",
        f"min {min(counts, default=0)}, max {max(counts, default=0)}",
        "1 and 1",
        f"not completed exactly once: {_some(odd)}" if odd else "",
    )


def _every_order_is_charged_once(evidence: Evidence) -> Finding:
    counts = [evidence.charges.get(order, 0) for order in evidence.jobs]
    odd = [
        f"{order} {evidence.charges.get(order, 0)} times"
        for order in evidence.jobs.keys() | evidence.charges.keys()
        if evidence.charges.get(order, 0) != (order in evidence.jobs)
    ]
    return Finding(
        "every order is charged once",
        f"min {min(counts, default=0)}, max {max(counts, default=0)}",
        "1 and 1",
        f"charged: {_some(sorted(odd))}" if odd else "",
    )


def _the_dead_workers_job_comes_back(evidence: Evidence) -> Finding:
    promise, required = "a dead worker's job comes back", f"<= {evidence.bound_ms / 1000:.2f} s"
    killed = evidence.killed
    if killed is None:
        return Finding(promise, "-", required, "no worker was killed while it held a job")
    reclaim = evidence.reclaim_of(killed)
    if reclaim is None:
        return Finding(promise, "never", required, f"{killed.job} was never reclaimed from {short(killed.worker)}")
    took_ms = reclaim.ms - killed.at_ms
    late = f"{killed.job} was reclaimed {took_ms} ms after the kill, not within {evidence.bound_ms} ms"
    return Finding(promise, f"{took_ms / 1000:.2f} s", required, late if took_ms > evidence.bound_ms else "")


def _the_sleeper_changes_nothing(evidence: Evidence) -> Finding:
    promise, required = "a woken sleeper changes nothing", "1, not its own"
    slept = evidence.slept
    if slept is None:
        return Finding(promise, "-", required, "no worker was stopped while it held a job")
    reclaim = evidence.reclaim_of(slept)
    if reclaim is None or slept.woken_ms is None or slept.woken_ms < reclaim.ms:
        return Finding(promise, "-", required, f"{short(slept.worker)} did not sleep until {slept.job} was reclaimed")
    completes = evidence.completes_of(slept.job)
    since = evidence.moves[evidence.moves.index(reclaim) + 1 :]
    late = [move for move in since if move.execution == slept.execution]
    trouble = ""
    if late:
        trouble = f"{short(slept.worker)} woke and its {late[0].move} of {slept.job} was let through"
    elif len(completes) != 1 or completes[0].execution == slept.execution:
        trouble = f"{slept.job}, which {short(slept.worker)} slept on, was completed {len(completes)} times"
    by = " ".join(short(move.who) for move in completes)
    seen = f"{len(completes)}, by {by or 'nobody'}"
    return Finding(promise, seen, required, trouble)


def _a_stopped_worker_leaves_well(evidence: Evidence) -> Finding:
    promise, required = "a stopped worker leaves nothing", "exit 0, 0 left"
    stopped = evidence.stopped
    if stopped is None:
        return Finding(promise, "-", required, "no worker was asked to stop and ended")
    seen = f"exit {stopped.exit_code}, {len(stopped.left_leased)} left"
    trouble = ""
    if stopped.exit_code:
        trouble = f"{short(stopped.worker)} ended with {stopped.exit_code} after SIGTERM"
    elif stopped.left_leased:
        trouble = f"{short(stopped.worker)} ended and left leased: {_some(stopped.left_leased)}"
    return Finding(promise, seen, required, trouble)


def _workers_end_only_when_told(evidence: Evidence) -> Finding:
    return Finding(
        "workers end only when told to",
        f"{len(evidence.fallen)} fell",
        "0",
        f"ended by themselves: {_some(evidence.fallen)}" if evidence.fallen else "",
    )


_PROMISES: list[Callable[[Evidence], Finding]] = [
    _no_order_is_lost,
    _every_order_finished_once,
    _every_order_is_charged_once,
    _the_dead_workers_job_comes_back,
    _the_sleeper_changes_nothing,
    _a_stopped_worker_leaves_well,
    _workers_end_only_when_told,
]


def short(worker: str) -> str:
    """Give the part of a worker's name that tells it from the others of its run."""
    return worker.partition("-")[0]


def _some(things: list[str] | tuple[str, ...]) -> str:
    return ", ".join(things[:3]) + (f" and {len(things) - 3} more" if len(things) > 3 else "")  # noqa: PLR2004 - as shown
