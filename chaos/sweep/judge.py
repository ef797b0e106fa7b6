"""Says of a case that was played whether it went well, and in which of the ways that are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.chaos.sweep.cases import DEADLY, Fault
from holdfast.jobs.state import MOVES, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.chaos.history import Move, Place
    from holdfast.chaos.sweep.cases import Case
    from holdfast.chaos.sweep.stage import Played

#: Moves that end an execution.
_ENDS = {move for move, (before, after) in MOVES.items() if before == ("started",) and "started" not in after}
#: Faults that cost a request, a reply or some patience, and nobody's life.
_HARMLESS = {Fault.SIGTERM, Fault.REPLY_EATEN, Fault.REPLY_LATE, Fault.REQUEST_LOST}


@dataclass(frozen=True)
class Verdict:
    """What became of the job, in a word or two, and what is wrong with that, if anything is."""

    outcome: str
    wrongs: tuple[str, ...] = ()
    #: The fault never happened, so nothing was seen.
    is_unknown: bool = False

    @property
    def is_good(self) -> bool:
        """Whether the case was played and went well."""
        return not self.wrongs and not self.is_unknown


def judge(case: Case | None, work: str, played: Played) -> Verdict:
    """Judge a case, or a run without a fault when there is none."""
    place = played.place
    if place is None:
        return Verdict("lost", ("the job's record is gone",))
    outcome, wrong = _plain(place, played) if work == "plain" else _effect(work, place, played)
    wrongs = (
        *(["it was not over when patience was"] if played.is_stuck else []),
        *_wrongs_of_place(place),
        *_wrongs_of_history(place, played.moves),
        *_wrongs_of_worker(case, place, played),
        *wrong,
    )
    if not wrongs and case is not None and (not played.has_struck or played.has_missed):
        return Verdict("unknown", is_unknown=True)
    return Verdict(outcome, wrongs)


def _plain(place: Place, played: Played) -> tuple[str, list[str]]:
    if place.status != Status.FINISHED:
        return f"{place.status} ({place.dead or 'no cause'})", [f"it ended {place.status}, not finished"]
    return _runs(played.claims), []


def _effect(work: str, place: Place, played: Played) -> tuple[str, list[str]]:
    """Allow an effect once, or at most once and a job that stopped and says so."""
    charged = f"charged {played.charges} times"
    if place.status == Status.FINISHED:
        return _runs(played.claims), [] if played.charges == 1 else [f"finished, and {charged}"]
    if place.status == Status.FAILED and place.dead == "in_doubt" and work == "effect":
        wrong = [] if played.charges <= 1 else [f"in doubt, and {charged}"]
        return f"in doubt, {'charged' if played.charges else 'not charged'}", wrong
    return f"{place.status} ({place.dead or 'no cause'})", [f"it ended {place.status} ({place.dead}), {charged}"]


def _runs(claims: int) -> str:
    return "1 run" if claims == 1 else f"{claims} runs"


def _wrongs_of_place(place: Place) -> Iterator[str]:
    """Look for the job where its status says, and nowhere else."""
    home = {Status.FINISHED: ("finished",), Status.FAILED: ("failed",)}.get(Status(place.status))
    if place.places != home:
        yield f"it is {place.status} and stands in {', '.join(place.places) or 'no structure'}"


def _wrongs_of_history(place: Place, moves: tuple[Move, ...]) -> Iterator[str]:
    """See that each execution began and ended once, one after the other, under fences that grew."""
    told = " ".join(move.move for move in moves)
    holder, fence, status = "", 0, "queued"
    for move in moves:
        if move.move not in MOVES:
            continue
        if status not in MOVES[move.move][0]:
            yield f"{move.move} of a job that was {status}: {told}"
        status = move.to
        if move.move == "claim":
            if move.fence <= fence:
                yield f"fence {move.fence} came after {fence}"
            holder, fence = move.execution, move.fence
        elif move.move in _ENDS and move.execution != holder:
            yield f"{move.move} by execution {move.execution} while {holder or 'nobody'} held the job"
    claims = sum(move.move == "claim" for move in moves)
    ends = sum(move.move in _ENDS for move in moves)
    completes = sum(move.move == "complete" for move in moves)
    if claims != ends:
        yield f"{claims} claims and {ends} ends: {told}"
    if completes != (place.status == Status.FINISHED):
        yield f"{place.status} with {completes} completes: {told}"
    if place.executions != claims:
        yield f"{claims} claims, and the record counts {place.executions} executions"


def _wrongs_of_worker(case: Case | None, place: Place, played: Played) -> Iterator[str]:
    """See that the worker outlived what nobody died of, and charged nobody for it."""
    fault = case.fault if case else None
    if fault is Fault.SIGTERM and played.exit_code:
        yield f"asked to stop, the worker ended with {played.exit_code}"
    if fault not in {*DEADLY, Fault.SIGTERM} and played.exit_code is not None:
        yield f"the worker ended by itself with {played.exit_code}"
    if (fault is None or fault in _HARMLESS) and place.crashes:
        yield f"nobody died, and the job was charged {place.crashes} crashes"
    if "Traceback" in played.logs and place.dead != "in_doubt":
        yield "a worker logged a traceback"
