"""A process that dies in the middle of a job's own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-003", "A horse dies while its job works, and its worker lives")
@dataclass(frozen=True)
class HorseDeath:
    worker: int
    count = 1.0

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8))

    def harm(self, stage: Stage) -> None:
        process = stage.workers[self.worker % len(stage.workers)].process
        for horse in process.family()[1:] if process is not None else ():
            stage.world.kill(horse)


@fault("FM-004", "A worker dies while its job works; its horse goes with it")
@dataclass(frozen=True)
class ParentDeath:
    worker: int
    count = 0.7

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8))

    def harm(self, stage: Stage) -> None:
        process = stage.workers[self.worker % len(stage.workers)].process
        if process is not None:
            stage.world.kill(process)
