"""What people do while jobs run: stop one, kill a horse, cancel."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault
from holdfast.jobs.rq_surface import InvalidJobOperation, Job, NoSuchJobError

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


def _some_job(number: int, stage: Stage) -> str:
    accepted = sorted({line.job for line in stage.history.of("accepted")})
    return accepted[number % len(accepted)] if accepted else ""


@fault("FM-050", "A person stops a job, or kills a horse")
@dataclass(frozen=True)
class Command:
    worker: int
    command: str
    number: int
    count = 2.0

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8), rng.choice(("stop-job", "kill-horse")), rng.randrange(100))

    def harm(self, stage: Stage) -> None:
        """Send RQ's command; a stop names the job the worker holds, or another."""
        worker = stage.workers[self.worker % len(stage.workers)]
        held = [line.job for line in stage.history.of("claimed") if line.who.startswith(worker.name + ".")]
        job = held[-1] if held and self.number % 3 else _some_job(self.number, stage)
        if worker.ears is not None:
            worker.ears.order({"command": self.command, "job_id": job})


@fault("FM-050", "A person cancels a job with RQ's own tools, wherever it is")
@dataclass(frozen=True)
class Cancel:
    number: int
    count = 0.7

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(100))

    def harm(self, stage: Stage) -> None:
        """Cancel one that has not ended."""
        job_id = _some_job(self.number, stage)
        with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
            job = Job.fetch(job_id, connection=stage.judge)
            if job.get_status(refresh=False) in {"queued", "scheduled", "started"}:
                job.cancel()
                stage.history.note(stage.world.now_us, "person", "canceled", job_id)
