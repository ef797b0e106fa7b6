"""A worker that cannot reach Redis while everyone else can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-042", "A worker and its horse lose Redis, and their code goes on")
@dataclass(frozen=True)
class Partition:
    worker: int
    for_ms: int
    count = 0.7

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8), rng.choice((500, 3_000, 9_000, 30_000)))

    def harm(self, stage: Stage) -> None:
        """Let no request of the worker arrive for a while."""
        name = stage.workers[self.worker % len(stage.workers)].name
        stage.cut_off[name] = stage.world.now_us + self.for_ms * 1_000
