"""Stock RQ's worker in the place of ours, for the comparison: a plain job that charges, with Retry(3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rq

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.cases import Fault, Side
from holdfast.chaos.sweep.judge import Verdict
from holdfast.chaos.sweep.works import Cast, Work
from holdfast.jobs.state import Status

if TYPE_CHECKING:
    from holdfast.chaos.sweep.cases import Case
    from holdfast.chaos.sweep.stage import Played


_TIMES = {0: "never", 1: "once", 2: "twice"}


def judge_stock(case: Case | None, _: str, played: Played) -> Verdict:
    """Judge by the world alone: finished and charged once is right."""
    if case is not None and (not played.has_struck or played.has_missed):
        return Verdict("unknown", is_unknown=True)
    place, charged = played.place, f"charged {_TIMES.get(played.charges, f'{played.charges} times')}"
    if place is None:
        return Verdict(f"gone, {charged}", ("the job's record is gone",))
    if played.is_stuck:
        where = f"{place.status}, and stands in {', '.join(place.places) or 'no structure'}"
        outcome = place.status if place.places else "lost"
        return Verdict(f"{outcome}, {charged}", (f"after {STOCK.patience_s:.0f} s it is still {where}",))
    if place.status == Status.FINISHED and played.charges == 1:
        return Verdict("once")
    return Verdict(f"{place.status}, {charged}", (f"it ended {place.status}, {charged}",))


STOCK = Cast(
    works={"charge": Work(place=lambda at: at.order(tasks.charge_as_it_comes, at.ledger, retry=rq.Retry(3)))},
    # What dies before one request dies after the one before it. A stock client waits for a late reply for ever.
    faults={
        Fault.KILL_HORSE: (Side.BEFORE,),
        Fault.KILL_TREE: (Side.BEFORE,),
        Fault.SIGTERM: (Side.BEFORE,),
        Fault.REPLY_EATEN: (Side.AFTER,),
    },
    judge=judge_stock,
    worker="rq.Worker",
    # As quick as flags make it: executions are given up 61 s after their last beat, and looked for every 5 s.
    options=("--job-monitoring-interval", "1"),
    healthy_worker="rq.Worker",
    healthy_options=("--job-monitoring-interval", "1", "--maintenance-interval", "1", "--worker-ttl", "20"),
    patience_s=100,
)
