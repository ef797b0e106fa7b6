"""How the jobs of each kind of work may end, and what must have been called by then."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from holdfast.chaos.sweep.tasks import CHILD, FORGIVING, JOB
from holdfast.jobs.state import MOVES, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from holdfast.chaos.history import Move, Place
    from holdfast.chaos.sweep.stage import Played

#: How often, at the most, a death is told of: the aftermath's own small budget.
_TELLINGS = 3
_REPEATS = 2
#: After as many ms in hand a job that has begun may be given back: on a busy machine its worker ran out of time.
_LATE_MS = 600
#: What a worker logs whose reaper found that nobody had looked for a while.
OUTAGE = "after an outage"
#: Moves that end an execution.
ENDINGS = {move for move, (before, after) in MOVES.items() if before == ("started",) and "started" not in after}


class End(NamedTuple):
    """The outcome in a word or two, and what is wrong with it."""

    outcome: str
    wrongs: tuple[str, ...] = ()


def plain(played: Played) -> End:
    """End finished."""
    return End(_outcome(played), tuple(_not_finished(played)))


def effect(played: Played) -> End:
    """Allow an effect once, or at most once and a job that stopped and says so."""
    if played.place is not None and played.place.dead == "in_doubt":
        wrongs = (f"in doubt, and charged {played.charges} times",) if played.charges > 1 else ()
        return End(f"in doubt, {'charged' if played.charges else 'not charged'}", wrongs)
    return probe(played)


def probe(played: Played) -> End:
    """End finished, and charged once."""
    wrongs = [*_not_finished(played)]
    if played.charges != 1:
        wrongs.append(f"{_word(played.place)}, and charged {played.charges} times")
    return End(_outcome(played), tuple(wrongs))


def child(played: Played) -> End:
    """Run the one that waited once, after the other."""
    return End(_outcome(played), (*_not_finished(played), *_wrongs_of_child(played, CHILD, after="complete")))


def failing_parent(played: Played) -> End:
    """Run only the one that does not mind."""
    wrongs = [*_not_failed(played, "failures"), *_wrongs_of_child(played, FORGIVING, after="bury")]
    waiting = played.places[CHILD]
    if _word(waiting) != Status.DEFERRED or played.calls("body", CHILD):
        wrongs.append(f"{CHILD} of a job that failed is {_word(waiting)}, and ran {played.calls('body', CHILD)} times")
    return End(_outcome(played), tuple(wrongs))


def several(played: Played) -> End:
    """Finish each once. A death costs a run of those that had begun, and charges at most one, that was alone in hand.

    How often code ran is the outcome. What only waited in hand does not run twice, whoever died. What had ended does
    where the word of that died with its worker's parent: else no lease of a parent that lives runs out.
    """
    wrongs = [
        wrong for job in played.places for wrong in (*_not_finished(played, job=job), *_ran_too_often(played, job))
    ]
    wrongs += [*_wrongs_of_charges(played), *_suspects_in_company(played.moves)]
    if not is_parent_dead(played) and (left := [job for job in played.places if played.count("reclaim", job)]):
        wrongs.append(f"left to run out by a parent that lived: the lease of {', '.join(left)}")
    return End(f"{sum(played.calls('body', job) for job in played.places)} runs", tuple(wrongs))


def repeat(played: Played) -> End:
    """Finish each repeat once."""
    return End(_runs(played), tuple(_not_finished(played, 1 + _REPEATS)))


def unkept(played: Played) -> End:
    """Finish, and leave no record."""
    kept = () if played.place is None else (f"its record is kept: {_word(played.place)}",)
    completes = played.count("complete")
    return End(_runs(played), (*kept, *([] if completes == 1 else [f"it ended with {completes} completes"])))


def on_success(played: Played) -> End:
    """Hear of the success, once for each attempt at the most."""
    calls = _wrongs_of_calls(played, {"success"}, played.count("claim"))
    return End(_outcome(played), (*_not_finished(played), *calls))


def on_failure(played: Played) -> End:
    """Hear of the failure, once for each attempt at the most."""
    calls = _wrongs_of_calls(played, {"failure"}, played.count("claim"))
    return End(_outcome(played), (*_not_failed(played, "failures"), *calls))


def raising_callbacks(played: Played) -> End:
    """Fail of the callback of a success, and hear of that, too."""
    calls = _wrongs_of_calls(played, {"success", "failure"}, played.count("claim"))
    return End(_outcome(played), (*_not_failed(played, "failures"), *calls))


def last_crash(played: Played) -> End:
    """Finish unheard of, or die of the only crash there was, and have that told."""
    return _told_of_death(played, "interrupted", 0)


def second_crash(played: Played) -> End:
    """Do the same with the second crash, where one is allowed."""
    return _told_of_death(played, "crashes", 1)


def aftermath(played: Played) -> End:
    """Have a death told that nobody was left to tell of, and leave the job as it is."""
    calls = played.calls("failure")
    wrongs = (*_not_failed(played, "interrupted"), *_wrongs_of_calls(played, {"failure"}, _TELLINGS))
    return End(f"told {calls}x", wrongs)


def _told_of_death(played: Played, cause: str, allowed: int) -> End:
    if _word(played.place) == Status.FINISHED:
        return End(_outcome(played), (*_not_finished(played), *_wrongs_of_calls(played, set(), 0)))
    wrongs = [*_not_failed(played, cause), *_wrongs_of_calls(played, {"failure"}, _TELLINGS)]
    # Given back by a parent that found the end of its time and the end of its horse together: begun, and no crash.
    given_back = played.count("give_back") > 0
    # The second worker came up so late that its reaper took the silence for an outage, which is nobody's crash.
    spared = played.count("reclaim") > 0 and OUTAGE in played.logs
    may_be_less = cause == "interrupted" and (given_back or spared)
    if played.place is not None and played.place.crashes not in {allowed + 1, allowed + (not may_be_less)}:
        wrongs.append(f"buried after {played.place.crashes} crashes, and {allowed} were allowed")
    return End(f"buried, told {played.calls('failure')}x", tuple(wrongs))


def _word(place: Place | None) -> str:
    return "gone" if place is None else place.status


def _runs(played: Played) -> str:
    claims = played.count("claim")
    return "1 run" if claims == 1 else f"{claims} runs"


def _outcome(played: Played) -> str:
    place = played.place
    if place is None:
        return "lost"
    if place.status == Status.FINISHED:
        return _runs(played)
    return f"{place.status} ({place.dead or 'no cause'})"


def _not_finished(played: Played, completes: int = 1, job: str = JOB) -> Iterator[str]:
    place = played.places[job]
    if place is None:
        yield "the job's record is gone" if job == JOB else f"{job}: its record is gone"
    elif place.status != Status.FINISHED:
        yield f"it ended {place.status}, not finished" if job == JOB else f"{job} ended {place.status}, not finished"
    elif played.count("complete", job) != completes:
        yield f"finished with {played.count('complete', job)} completes, not {completes}"


def _not_failed(played: Played, cause: str) -> Iterator[str]:
    place = played.place
    if place is None:
        yield "the job's record is gone"
    elif (place.status, place.dead) != (Status.FAILED, cause):
        yield f"it ended {place.status} ({place.dead or 'no cause'}), not failed ({cause})"
    elif played.count("complete"):
        yield f"failed with {played.count('complete')} completes"


def _wrongs_of_child(played: Played, job: str, *, after: str) -> Iterator[str]:
    """See that it was released once and run, after the end of the other.

    Who ends the other one takes it in the same trip, and may be hurt with it in hand: then it runs once more.
    """
    yield from _not_finished(played, job=job)
    told = [move.move if move.job == job else f"{move.move} of {move.job}" for move in played.moves]
    if told.count("released") != 1:
        yield f"{job} was released {told.count('released')} times"
    if not played.calls("body", job):
        yield f"{job} ran 0 times"
    if "claim" in told and f"{after} of {JOB}" not in told[: told.index("claim")]:
        yield f"{job} did not wait for the {after} of {JOB}"


def is_parent_dead(played: Played) -> bool:
    """Tell whether the hurt worker's parent was killed."""
    return played.exit_code is not None and played.exit_code < 0


def _ran_too_often(played: Played, job: str) -> Iterator[str]:
    """See that only a death makes code run again: what is given back had not begun, but where a machine is too slow."""
    deaths, since_ms = 0, 0
    for move in (each for each in played.moves if each.job == job):
        since_ms = move.ms if move.move == "claim" else since_ms
        is_late = move.move == "give_back" and move.ms - since_ms >= _LATE_MS
        deaths += is_late or move.move in {"crash", "reclaim"}
    if not 1 <= (runs := played.calls("body", job)) <= 1 + deaths:
        yield f"{job} ran {runs} times, and died {deaths} times"


def _wrongs_of_charges(played: Played) -> Iterator[str]:
    """See that of one death one job is charged at the most, and none where several leases ran out with it."""
    charges = {job: place.crashes for job, place in played.places.items() if place is not None and place.crashes}
    ran_out = [job for job in played.places if played.count("reclaim", job)]
    if sum(charges.values()) > (len(ran_out) < 2):  # noqa: PLR2004
        told = ", ".join(f"{job} {crashes}" for job, crashes in charges.items())
        yield f"one death with {len(ran_out)} leases that ran out was charged to {told}"


def _suspects_in_company(moves: Sequence[Move]) -> Iterator[str]:
    """See that what was in hand together when all of a worker died is in no company when it is next in hand."""
    reclaimed = {move.job for move in moves if move.move == "reclaim"}
    suspects: set[str] = set()
    in_hand: defaultdict[str, set[str]] = defaultdict(set)
    for move in moves:
        held = in_hand[move.who]
        if move.move == "claim":
            held.add(move.job)
            if len(held) > 1 and (met := held & suspects):
                yield f"{', '.join(sorted(met))} died in company, and was in hand again with {len(held) - 1} others"
        elif move.move == "reclaim":
            suspects |= {move.job} if len(reclaimed) > 1 else set()
        if move.move in ENDINGS:
            for each in in_hand.values():
                each.discard(move.job)


def _wrongs_of_calls(played: Played, wanted: set[str], most: int) -> Iterator[str]:
    """See that what must be called was called, and nothing else was."""
    for word in ("success", "failure"):
        calls = played.calls(word)
        if word in wanted and not 1 <= calls <= most:
            yield f"on_{word} was called {calls} times, not 1 to {most}"
        elif word not in wanted and calls:
            yield f"on_{word} was called {calls} times of a job that {_outcome(played)}"


ENDS: Mapping[str, Callable[[Played], End]] = {
    "plain": plain,
    "effect": effect,
    "probe": probe,
    "child": child,
    "failing-parent": failing_parent,
    "several": several,
    "repeat": repeat,
    "unkept": unkept,
    "on-success": on_success,
    "on-failure": on_failure,
    "raising-callbacks": raising_callbacks,
    "last-crash": last_crash,
    "second-crash": second_crash,
    "aftermath": aftermath,
}
