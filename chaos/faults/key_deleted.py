"""A key that somebody deletes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from holdfast.chaos.faults import fault
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-029", "Somebody deletes a job's record, or what is only kept to help")
@dataclass(frozen=True)
class KeyDeleted:
    what: str
    number: int
    count = 0.5

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice(("job", "bells", "turns", "passes", "workers", "executions")), rng.randrange(100))

    def harm(self, stage: Stage) -> None:
        """Delete it with the judge's connection."""
        judge: Any = stage.judge  # redis-py's types know nothing of decode_responses
        if self.what == "job":
            accepted = sorted({line.job for line in stage.history.of("accepted")})
            if accepted:
                job_id = accepted[self.number % len(accepted)]
                if judge.delete(keys.job(job_id)):
                    stage.history.note(stage.world.now_us, "person", "deleted", job_id)
            return
        patterns = {
            "bells": keys.bell("*"),
            "turns": keys.turn("*"),
            "passes": keys.reaper(),
            "workers": keys.worker("*"),
            "executions": keys.execution("*", "*"),
        }
        if found := judge.keys(patterns[self.what]):
            judge.delete(*found)
