"""A process that dies at a call: alone, with its parent, or with its whole family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate

VICTIMS = ("self", "parent", "family")


def killer(victim: str, call: Call, stage: Stage) -> Callable[[], None]:
    """Give what kills the victim of a call."""
    caller = call.process
    root = caller.parent or caller
    match victim:
        case "self":
            return lambda: stage.world.kill(caller)
        case "parent":
            return lambda: stage.world.kill(root)
        case _:
            return lambda: stage.world.kill_family(root)


@fault("FM-001", "A process is killed before its request leaves")
@dataclass(frozen=True)
class DeathBefore:
    victim: str
    rate = 0.004

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice(VICTIMS))

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:
        fate.crash_before = killer(self.victim, call, stage)


@fault("FM-002", "A process is killed after its request was applied, its reply unread")
@dataclass(frozen=True)
class DeathAfter:
    victim: str
    rate = 0.006

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice(VICTIMS))

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:
        fate.crash_after = killer(self.victim, call, stage)
