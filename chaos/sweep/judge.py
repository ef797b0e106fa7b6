"""Says of a case that was played whether it went well: what must hold for every kind of work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.chaos.sweep.cases import DEADLY, Fault
from holdfast.chaos.sweep.ends import ENDINGS, ENDS
from holdfast.chaos.sweep.tasks import JOB
from holdfast.jobs.state import MOVES, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.chaos.history import Move, Place
    from holdfast.chaos.sweep.cases import Case
    from holdfast.chaos.sweep.stage import Played

#: Faults that cost a request, a reply or some patience, and nobody's life.
_HARMLESS = {Fault.SIGTERM, Fault.REPLY_EATEN, Fault.REPLY_LATE, Fault.REQUEST_LOST}
#: Where a job stands whose worker was hurt or that waited for it, once all is over.
_HOMES = {Status.FINISHED: ("finished",), Status.FAILED: ("failed",), Status.DEFERRED: ("deferred",)}
#: Works whose job dies once without the help of the sweep.
_DIES_BY_ITSELF = {"second-crash", "aftermath"}


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
    end = ENDS[work](played)
    wrongs = (
        *(["it was not over when patience was"] if played.is_stuck else []),
        *(wrong for job in played.places for wrong in _wrongs_of_job(job, played)),
        *(f"left behind: {key}" for key in played.leftovers),
        *_wrongs_of_worker(case, work, played),
        *end.wrongs,
    )
    if not wrongs and case is not None and (not played.has_struck or played.has_missed):
        return Verdict("unknown", is_unknown=True)
    return Verdict(end.outcome, wrongs)


def _wrongs_of_job(job: str, played: Played) -> Iterator[str]:
    """Find what is wrong with one of the jobs, named unless it is the one whose worker was hurt."""
    place, moves = played.places[job], [move for move in played.moves if move.job == job]
    wrongs = [*_wrongs_of_place(place), *_wrongs_of_history(place, moves), *_wrongs_of_bodies(job, played)]
    yield from (wrong if job == JOB else f"{job}: {wrong}" for wrong in wrongs)


def _wrongs_of_place(place: Place | None) -> Iterator[str]:
    """Look for the job where its status says, and nowhere else."""
    if place is not None and place.places != _HOMES.get(Status(place.status)):
        yield f"it is {place.status} and stands in {', '.join(place.places) or 'no structure'}"


def _wrongs_of_history(place: Place | None, moves: Sequence[Move]) -> Iterator[str]:
    """See that each execution began and ended once, one after the other, under fences that grew."""
    told = " ".join(move.move for move in moves)
    holder, fence, status, executions, is_repeat = "", 0, "queued", 0, False
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
            # A repeat is a new life: its record counts anew.
            executions, is_repeat = (1, False) if is_repeat else (executions + 1, False)
        elif move.move in ENDINGS and move.execution != holder:
            yield f"{move.move} by execution {move.execution} while {holder or 'nobody'} held the job"
        is_repeat = is_repeat or (move.move == "complete" and move.to != Status.FINISHED)
    counts = Counter(move.move for move in moves)
    ends = sum(counts[move] for move in ENDINGS)
    if counts["claim"] != ends:
        yield f"{counts['claim']} claims and {ends} ends: {told}"
    if place is not None and place.executions != executions:
        yield f"{executions} claims, and the record counts {place.executions} executions"


def _wrongs_of_bodies(job: str, played: Played) -> Iterator[str]:
    """See that a body runs for each claim at the most, and never two at once."""
    if played.calls("two-at-once", job):
        yield "two bodies ran at once"
    if played.calls("body", job) > played.count("claim", job):
        yield f"{played.calls('body', job)} bodies ran under {played.count('claim', job)} claims"


def _wrongs_of_worker(case: Case | None, work: str, played: Played) -> Iterator[str]:
    """See that the worker outlived what nobody died of, and charged nobody for it."""
    fault = case.fault if case else None
    if fault is Fault.SIGTERM and played.exit_code:
        yield f"asked to stop, the worker ended with {played.exit_code}"
    if fault not in {*DEADLY, Fault.SIGTERM} and played.exit_code is not None:
        yield f"the worker ended by itself with {played.exit_code}"
    crashes = sum(place.crashes for place in played.places.values() if place) - (work in _DIES_BY_ITSELF)
    if (fault is None or fault in _HARMLESS) and crashes > 0:
        yield f"nobody died, and the job was charged {crashes} crashes"
    is_in_doubt = played.place is not None and played.place.dead == "in_doubt"
    # What is raised on purpose is told with its name, which no other traceback has.
    if played.logs.count("Traceback") > played.logs.count("sweep.tasks.Meant: ") and not is_in_doubt:
        yield "a worker logged a traceback"
