"""A rolling deploy: workers whose scripts differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-032", "From its next life on a worker brings scripts of another version")
@dataclass(frozen=True)
class OtherVersion:
    worker: int
    count = 0.7

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8))

    def harm(self, stage: Stage) -> None:
        worker = stage.workers[self.worker % len(stage.workers)]
        stage.deployed.add(worker.name)
        worker.terminate()
