"""Every worker dies at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-035", "Every worker and every horse dies at one moment, and a second later all are back")
@dataclass(frozen=True)
class FleetDeath:
    count = 0.3

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def harm(self, stage: Stage) -> None:
        for worker in stage.workers:
            if worker.process is not None:
                stage.world.kill_family(worker.process)
