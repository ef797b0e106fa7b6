"""What a horse has said since its parent listened last: most of it is over by then, and is not even read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs.store.answers import read_claimed, rows_of
from holdfast.workers.messages import ENDS, OP, TOOK, TURN
from holdfast.workers.reins import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.jobs.store import outcomes as out
    from holdfast.workers.messages import FromHorse


def over_in(messages: Sequence[FromHorse]) -> set[int]:
    """Give the numbers of the jobs that were ended by turns whose answers are there, too."""
    answered = {message[OP] for message in messages if message[0] == TOOK}
    turns = (message for message in messages if message[0] == TURN and message[OP] in answered)
    return {number for turn in turns for number in turn[ENDS]}


def known_of(numbers: Sequence[int], given: bytes, over: set[int]) -> Iterator[tuple[int, out.Claimed]]:
    """Read what a turn has given under those numbers, but for what is over."""
    if over.issuperset(numbers):
        return
    for number, row in zip(numbers, rows_of(unpacked(given)), strict=True):
        if number not in over:
            yield number, read_claimed(row)
