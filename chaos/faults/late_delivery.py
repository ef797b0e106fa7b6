"""A request that arrives after its sender has given it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate


@fault("FM-010", "A request is applied after its sender gave up and moved on")
@dataclass(frozen=True)
class LateDelivery:
    late_ms: int
    rate = 0.005

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice((1, 50, 400, 3_000)))

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:  # noqa: ARG002 - the same for every call
        fate.deliver_late_us = self.late_ms * 1_000
