"""What a horse has said since its parent listened last: most of it is over by then, and is not even read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.store.answers import read_claimed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.jobs.store import outcomes as out
    from holdfast.workers.reins import Message

#: Where a `turn` has the numbers of the jobs it ends.
_ENDS = 5


def over_in(messages: Sequence[Message]) -> set[int]:
    """Give the numbers of the jobs that turns have ended whose answers are there, too."""
    answered = {message[1] for message in messages if message[0] == "took"}
    turns = (message for message in messages if message[0] == "turn" and message[1] in answered)
    return {number for turn in turns for number in turn[_ENDS]}


def known_of(first: int, given: list[Any], over: set[int]) -> Iterator[tuple[int, out.Claimed]]:
    """Read what a turn has given, numbered from `first`, but for what is over."""
    for number, row in enumerate(given[1:], first):
        if number not in over:
            yield number, read_claimed(row)
