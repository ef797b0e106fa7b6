"""A server that comes back without the last second of what it had acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from holdfast.chaos.faults import fault

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-019", "The server forgets up to a second of what it had acknowledged")
@dataclass(frozen=True)
class Rollback:
    forgets_ms: int
    count = 1.0
    #: What is forgotten excuses much, so most runs are without.
    swarm = 0.15

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice((100, 400, 1_000)))

    def harm(self, stage: Stage) -> None:
        """Remember everything now, and put it back once that time has passed."""
        judge: Any = stage.judge  # redis-py's types know nothing of decode_responses
        began_us = stage.world.now_us
        name = f"rollback-{began_us}"
        stage.history.note(began_us, "nemesis", "fault", execution=name, detail="what follows will be forgotten")
        saved = [(key, judge.dump(key), max(0, judge.pexpiretime(key))) for key in sorted(judge.keys())]

        def forget() -> None:
            stage.hear()
            judge.flushall()
            seconds, us = judge.time()
            now_ms = seconds * 1_000 + us // 1_000
            for key, value, expires_ms in saved:
                judge.restore(key, max(1, expires_ms - now_ms) if expires_ms else 0, value)
            stage.history.note(stage.world.now_us, "nemesis", "healed", execution=name)

        stage.amnesias.append(name)
        stage.world.at(began_us + self.forgets_ms * 1_000, forget)
