"""Ways to break production code for the length of a `with`, in memory only, so that the checker can show that it sees.

Production code knows nothing of this: no switch, no hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

from holdfast.jobs.store import scripts

if TYPE_CHECKING:
    from redis import Redis

    from holdfast.jobs.store.connections import Line
    from holdfast.jobs.store.scripts import Script, Scripts, Word

#: What a move does by hand: given the scripts, the move's named arguments, and the move itself.
ByHand = Callable[["Scripts", dict[str, Any], Callable[[], list[Any]]], list[Any]]

EVERY_MOVE = "*"


class NoLongerThere(Exception):
    """The code that a seeded defect breaks has changed: the defect must be seeded anew."""


@dataclass(frozen=True)
class Edit:
    """A piece of Lua that stands in place of another. `move` EVERY_MOVE edits all moves that share the old one."""

    move: str
    old: str
    new: str

    def of(self, moves: dict[str, Script]) -> dict[str, Script]:
        """Edit the scripts that are meant.

        Raises NoLongerThere when none of them has the old piece, or one has it twice.
        """
        meant = moves if self.move == EVERY_MOVE else {self.move: moves[self.move]}
        times = max(script.text.count(self.old) for script in meant.values())
        if times != 1:
            raise NoLongerThere(
                f"{self.move}.lua has {times} times, not once, what a seeded defect replaces:\n{self.old}\n"
                "Look at what the move says now, and mend the defect in seeded_defects.py."
            )
        edited = {name: replace(script, text=script.text.replace(self.old, self.new)) for name, script in meant.items()}
        return moves | edited


@contextmanager
def altered(*edits: Edit) -> Iterator[None]:
    """Let all Scripts that are made meanwhile hold edited moves.

    Raises NoLongerThere.
    """
    original = scripts.load

    @cache
    def load(*, record: bool = False) -> dict[str, Script]:
        moves = original(record=record)
        for edit in edits:
            moves = edit.of(moves)
        return moves

    moves = [script for record in (False, True) for script in load(record=record).values()]
    names = {script.sha: script.header.move for each in moves for script in (each, next_version(each))}
    with (
        mock.patch.object(scripts, "load", load),
        mock.patch.dict("holdfast.chaos.simulation.wire._NAMES", names),
    ):
        yield


class NextVersion(scripts.Scripts):
    """The same moves in another text, as a worker has them that was deployed later."""

    def __init__(self, redis: Redis, *, record: bool = False, line: Line | None = None) -> None:
        super().__init__(redis, record=record, line=line)
        self._scripts = {name: next_version(script) for name, script in self._scripts.items()}


def next_version(script: Script) -> Script:
    """Give a script that does the same under another hash."""
    return replace(script, text=script.text + "\n-- Another version.\n")


@contextmanager
def by_hand(move: str, act: ByHand, *edits: Edit) -> Iterator[None]:
    """Let a move be made of several commands, `act`, with edited scripts or without any."""
    original = scripts.Scripts.call

    def call(self: Scripts, asked: str, /, **named: Word) -> list[Any]:
        def itself() -> list[Any]:
            return original(self, asked, **named)

        return act(self, named, itself) if asked == move else itself()

    with altered(*edits), mock.patch.object(scripts.Scripts, "call", call):
        yield
