"""A reply that never arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate


@fault("FM-008", "A request is applied, and its reply is lost")
@dataclass(frozen=True)
class LostReply:
    rate = 0.02

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        fate.drop_reply = True
