"""A worker whose link to the server is slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-043", "All that a worker and its horse ask takes long, and is answered")
@dataclass(frozen=True)
class SlowLink:
    worker: int
    for_ms: int
    delay_ms: int
    count = 0.7

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8), rng.choice((3_000, 9_000, 30_000)), rng.choice((20, 150, 400)))

    def harm(self, stage: Stage) -> None:
        name = stage.workers[self.worker % len(stage.workers)].name
        stage.slow[name] = (stage.world.now_us + self.for_ms * 1_000, self.delay_ms * 1_000)
