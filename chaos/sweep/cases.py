"""What is done to a worker, where: the cases of the sweep, and how they are spelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Fault(StrEnum):
    """What befalls the worker at a boundary."""

    KILL_PARENT = "kill-parent"
    KILL_HORSE = "kill-horse"
    KILL_TREE = "kill-tree"
    SIGTERM = "sigterm"
    REPLY_EATEN = "reply-eaten"
    REPLY_LATE = "reply-late"
    REQUEST_LOST = "request-lost"


class Side(StrEnum):
    """Whether the server has applied the request by then."""

    BEFORE = "before"
    AFTER = "after"


_BOTH = (Side.BEFORE, Side.AFTER)
#: A reply can only be lost after the request was applied, and a lost request never is.
SIDES: dict[Fault, tuple[Side, ...]] = {
    Fault.KILL_PARENT: _BOTH,
    Fault.KILL_HORSE: _BOTH,
    Fault.KILL_TREE: _BOTH,
    Fault.SIGTERM: _BOTH,
    Fault.REPLY_EATEN: (Side.AFTER,),
    Fault.REPLY_LATE: (Side.AFTER,),
    Fault.REQUEST_LOST: (Side.BEFORE,),
}
#: Who of them takes the parent's life.
DEADLY = {Fault.KILL_PARENT, Fault.KILL_TREE}


@dataclass(frozen=True)
class Boundary:
    """A request of the worker's, by name and occurrence, and whether there was a horse when it was made."""

    name: str
    has_horse: bool


@dataclass(frozen=True)
class Setting:
    """What is run: on how many queues, and which kind of work."""

    queues: int
    work: str

    def __str__(self) -> str:
        return f"{self.queues}q/{self.work}"


@dataclass(frozen=True)
class Case:
    """One fault at one side of one boundary in one setting."""

    boundary: str
    side: Side
    fault: Fault
    setting: Setting

    def __str__(self) -> str:
        return f"{self.boundary}/{self.side}/{self.fault}/{self.setting}"


def cases_at(
    boundaries: Sequence[Boundary], setting: Setting, faults: Mapping[Fault, tuple[Side, ...]]
) -> Iterator[Case]:
    """Give every case of a setting, in the order of the requests."""
    for boundary in boundaries:
        for fault, sides in faults.items():
            if fault != Fault.KILL_HORSE or boundary.has_horse:
                yield from (Case(boundary.name, side, fault, setting) for side in sides)


_PARTS = "boundary/side/fault/queues/work"


@dataclass(frozen=True)
class Slice:
    """Which of the cases are run: `only` has five parts, each may hold `*`; `part` is (3, 8) for the third of eight.

    Raises ValueError for an `only` or a `part` that cannot be meant.
    """

    only: str = "*/*/*/*/*"
    part: tuple[int, int] = (1, 1)
    _patterns: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        patterns = tuple(self.only.split("/"))
        if len(patterns) != len(_PARTS.split("/")):
            raise ValueError(
                f"{self.only!r} is not {_PARTS}, such as claim#1/after/kill-tree/2q/plain; * stands for any"
            )
        number, of = self.part
        if not 1 <= number <= of:
            raise ValueError(f"there is no part {number} of {of}")
        object.__setattr__(self, "_patterns", patterns)

    def may_hold(self, setting: Setting) -> bool:
        """Tell whether any case of that setting can be meant."""
        return self._fits(str(setting), self._patterns[3:])

    def of(self, cases: Sequence[Case]) -> list[Case]:
        """Give those of the cases that are meant. A part takes every so many, so that parts are alike."""
        number, of = self.part
        return [case for case in cases if self._fits(str(case), self._patterns)][number - 1 :: of]

    @staticmethod
    def _fits(name: str, patterns: Sequence[str]) -> bool:
        return all(fnmatchcase(part, each) for part, each in zip(name.split("/"), patterns, strict=True))
