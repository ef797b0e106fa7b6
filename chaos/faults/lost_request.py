"""A request that never arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate


@fault("FM-007", "A request is lost before the server applies it")
@dataclass(frozen=True)
class LostRequest:
    rate = 0.01

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        fate.drop_request = True
