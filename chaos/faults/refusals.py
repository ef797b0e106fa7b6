"""Replies that say "not now"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from redis import exceptions

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate


def _befall(fate: Fate, error: Exception) -> None:
    fate.refuse = error


@fault("FM-022", "After a failover the old primary answers READONLY")
@dataclass(frozen=True)
class ReadOnly:
    rate = 0.003

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        _befall(fate, exceptions.ReadOnlyError("You can't write against a read only replica."))


@fault("FM-023", "The server answers LOADING or BUSY")
@dataclass(frozen=True)
class NotReady:
    busy: bool
    rate = 0.003

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.random() < 0.5)  # noqa: PLR2004 - a fair coin

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        busy = exceptions.ResponseError("BUSY Redis is busy running a script.")
        _befall(fate, busy if self.busy else exceptions.BusyLoadingError("Redis is loading the dataset in memory"))


@fault("FM-024", "The server has no memory left and answers OOM")
@dataclass(frozen=True)
class OutOfMemory:
    rate = 0.002

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        _befall(fate, exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."))


@fault("FM-025", "The server cannot write its disk and answers MISCONF")
@dataclass(frozen=True)
class Misconfigured:
    rate = 0.002

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        _befall(fate, exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"))
