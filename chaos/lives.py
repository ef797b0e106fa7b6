"""A job's moves, by its generations: where the last one begins, what it died of, and whether none was lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.chaos.terms import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.chaos.history import History, Move, Place

#: The statuses of what has ended.
OVER = ("finished", "failed", "stopped")
#: In which structures a job of each RQ status is.
PLACES = {
    "queued": ("line",),
    "scheduled": ("scheduled",),
    "started": ("leases", "wip"),
    "finished": ("finished",),
    "failed": ("failed",),
    "stopped": ("failed",),
    "canceled": ("canceled",),
    "deferred": ("deferred",),
}
#: An id's moves begin afresh with these: with the second an app has saved an object of a record that was gone, and of
#: which nothing was left.
BEGINNINGS = ("enqueue", "anew")


def last_life(moves: list[Move]) -> list[Move]:
    """Give the moves of a job's last generation: one begins with the first claim after an enqueue or a success."""
    begun, is_over = 0, False
    for at, move in enumerate(moves):
        if move.move == "claim" and is_over:
            begun, is_over = at, False
        is_over = is_over or move.move in {*BEGINNINGS, "complete"}
    return moves[begun:]


def by_job(history: History) -> dict[str, list[Move]]:
    """Give the moves of each job, in the server's order."""
    moves: dict[str, list[Move]] = defaultdict(list)
    for move in history.moves:
        moves[move.job].append(move)
    return moves


def over_and_gone(history: History, unkept: frozenset[str]) -> set[str]:
    """Give the jobs that left nothing when they were over, but for what an app saved of one: that is in no place."""
    moves = by_job(history)
    nowhere = {job for job in unkept if job not in history.final or not history.final[job].places}
    return {job for job in nowhere if is_over(moves[job])}


def is_over(moves: list[Move]) -> bool:
    """Tell whether the last that was done to a job ended it."""
    done = [move.to for move in moves if move.move not in {"lost", "ghost"}]
    return bool(done) and done[-1] in OVER


def at_last(history: History) -> dict[str, Place]:
    """Give where each job is. A status that an app saved over it moves nothing: then the place says it."""
    saved = {line.job: line.detail for line in history.of("saved")}
    overruled = {move.job for move in history.moves if move.move == "overruled"}
    by_place = {places: status for status, places in reversed(PLACES.items())}
    found = {}
    for job, place in history.final.items():
        places = place.places
        if job in overruled and len(places) > 1:  # the list of the canceled names it still
            places = tuple(each for each in places if each != "canceled")
        status = by_place.get(places, place.status) if saved.get(job) == place.status else place.status
        found[job] = replace(place, status=status, places=places)
    return found


def deaths(moves: list[Move]) -> int:
    """Count the executions of a job that ended by a death, since it last began anew."""
    count = 0
    for before, move in zip([None, *moves], moves, strict=False):
        if move.move in {"crash", "reclaim"}:
            count += 1
        elif move.move == "claim" and before is not None and before.to in OVER:
            count = 0
    return count


def lost_of(job: str, moves: list[Move], place: Place, repeats: int | None, *, was_saved: bool) -> Iterator[Violation]:
    """Find what was enqueued and not attempted since, and what was not repeated as often as it was to be.

    How often it still is stands on RQ's record, and an app that saves an old object writes what it was then.
    """
    words = [move.move for move in moves]
    if words.count("enqueue") > 1:  # a first one that was not attempted is still in line; or a stock worker had it
        last = len(words) - 1 - words[::-1].index("enqueue")
        if "claim" not in words[last:]:
            yield Violation("INV-01", job, f"enqueued, and not attempted since: {words[last:]}")
    if repeats is not None and place.status == "finished":
        done = words.count("complete")
        if done < repeats + 1 or (done > repeats + 1 and not was_saved):
            yield Violation("INV-01", job, f"to be repeated {repeats} times, and done {done} times in all")


def rescued(job: str, moves: list[Move]) -> Iterator[Violation]:
    """Find what was put back that our own moves had lost: only what an app made anew is in no place."""
    is_anew = False
    for move in moves:
        is_anew = move.move == "anew" or (is_anew and move.move != "enqueue")
        if move.move == "rescue" and not is_anew:
            yield Violation("INV-01", job, f"it was in no place, missed from {move.who}, and put back")
