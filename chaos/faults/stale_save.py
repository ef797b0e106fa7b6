"""An app that saves an object which it fetched from RQ a while ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rq.utils import utcformat

from holdfast.chaos.faults import fault
from holdfast.chaos.faults.people import among_moves, some_job
from holdfast.jobs.rq_surface import Job, NoSuchJobError
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-050", "An app saves an object that it fetched a while ago, with the status of then")
@dataclass(frozen=True)
class StaleSave:
    number: int
    after_ms: int
    count = 4.0
    #: In which part of all seeds, drawn apart: there some jobs leave no record, and what is in no place is put back.
    share = 0.25

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(100), rng.choice((5, 300, 1_500, 6_000, 20_000)))

    def harm(self, stage: Stage) -> None:
        """Fetch one now, and save it later, wherever it is then."""
        try:
            job = Job.fetch(some_job(self.number, stage), connection=stage.judge)
        except NoSuchJobError:
            return
        stage.world.at(stage.world.now_us + self.after_ms * 1_000, lambda: _save(job, stage))


def _save(job: Job, stage: Stage) -> None:
    judge: Any = stage.judge  # redis-py's types know nothing of decode_responses
    was = judge.hget(keys.job(job.id), "status")
    # Its end leaves that; what a person deletes, or a server forgets, leaves nothing to know the object by.
    is_known = utcformat(job.created_at).encode() in (judge.get(keys.FAMILIES["tombstone"](job.id)) or b"").split()
    is_lost = stage.amnesias or any(line.job == job.id for line in stage.history.of("deleted"))
    is_under_lease = judge.hexists(keys.FAMILIES["held"](), job.id)
    job.meta["seen_us"] = stage.world.now_us
    job.save()
    stage.history.note(stage.world.now_us, "app", "saved", job.id, detail=job.get_status(refresh=False).value)
    if was is None and is_lost and not is_known:
        among_moves("anew", job, stage)
    elif was == b"canceled" and is_under_lease:
        # Whose holder has not heard of it yet: nobody can tell who was right.
        among_moves("overruled", job, stage)
