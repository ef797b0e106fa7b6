"""A process that freezes and wakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate


@fault("FM-012", "A process, or its whole family, freezes past its deadline, then wakes")
@dataclass(frozen=True)
class Pause:
    for_ms: int
    whole_family: bool
    #: With its next request made up and not sent, or else with a reply in the socket that it has not read.
    before: bool
    rate = 0.025

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice((1_000, 4_300, 6_000, 12_000, 20_000)), rng.random() < 0.6, rng.random() < 0.5)  # noqa: PLR2004 - coins

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:
        world = stage.world

        def freeze() -> None:
            root = (call.process.parent or call.process) if self.whole_family else call.process
            members = root.family() if self.whole_family else [root]
            for member in members:
                world.freeze(member, world.now_us + self.for_ms * 1_000)

        if self.before:
            fate.pause_before = freeze
        else:
            fate.pause_after = freeze
