"""A job's moves, by its generations: where the last one begins, what it died of, and whether none was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chaos.terms import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.chaos.history import Move, Place

#: The statuses of what has ended.
OVER = ("finished", "failed", "stopped")


def last_life(moves: list[Move]) -> list[Move]:
    """Give the moves of a job's last generation: one begins with the first claim after an enqueue or a success."""
    begun, is_over = 0, False
    for at, move in enumerate(moves):
        if move.move == "claim" and is_over:
            begun, is_over = at, False
        is_over = is_over or move.move in {"enqueue", "complete"}
    return moves[begun:]


def deaths(moves: list[Move]) -> int:
    """Count the executions of a job that ended by a death, since it last began anew."""
    count = 0
    for before, move in zip([None, *moves], moves, strict=False):
        if move.move in {"crash", "reclaim"}:
            count += 1
        elif move.move == "claim" and before is not None and before.to in OVER:
            count = 0
    return count


def lost_of(job: str, moves: list[Move], place: Place, repeats: int | None) -> Iterator[Violation]:
    """Find what was enqueued and not attempted since, and what was not repeated as often as it was to be."""
    words = [move.move for move in moves]
    if words.count("enqueue") > 1:  # a first one that was not attempted is still in line; or a stock worker had it
        last = len(words) - 1 - words[::-1].index("enqueue")
        if "claim" not in words[last:]:
            yield Violation("INV-01", job, f"enqueued, and not attempted since: {words[last:]}")
    if repeats is not None and place.status == "finished":
        done = words.count("complete")
        if done != repeats + 1:
            yield Violation("INV-01", job, f"to be repeated {repeats} times, and done {done} times in all")
