"""What people do while jobs run: stop one, kill a horse, cancel."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from holdfast.chaos.faults import fault
from holdfast.chaos.simulation.servers import server_us
from holdfast.jobs.rq_surface import InvalidJobOperation, Job, NoSuchJobError
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


def some_job(number: int, stage: Stage) -> str:
    """Choose a job that was accepted."""
    accepted = sorted({line.job for line in stage.history.of("accepted")})
    return accepted[number % len(accepted)] if accepted else ""


def among_moves(word: str, job: Job, stage: Stage) -> None:
    """Put what was done to a job among the server's moves: the judge must know what was before it, and what after."""
    told: dict[Any, Any] = {
        "move": word,
        "job": job.id,
        "queue": job.origin,
        "execution": "",
        "fence": "",
        "to": "",
        "who": "person",
    }
    stage.judge.xadd(keys.moves(), told | {"ms": server_us(stage.world) // 1_000})


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
        job = held[-1] if held and self.number % 3 else some_job(self.number, stage)
        if worker.ears is not None:
            worker.ears.order({"command": self.command, "job_id": job})


def _is_to_run(job: Job, stage: Stage) -> bool:
    """Go by where the job stands: an app may have saved an old status over it, and RQ's cancel believes that."""
    judge: Any = stage.judge  # redis-py's types know nothing of decode_responses
    waits = any(judge.zscore(keys.scheduled(queue), job.id) is not None for queue in stage.queues)
    in_line = any(judge.lpos(keys.queue(queue), job.id) is not None for queue in stage.queues)
    return waits or in_line or judge.hexists(keys.FAMILIES["held"](), job.id)


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
        job_id = some_job(self.number, stage)
        with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
            job = Job.fetch(job_id, connection=stage.judge)
            if _is_to_run(job, stage) and job.get_status(refresh=False) in {"queued", "scheduled", "started"}:
                job.cancel()
                among_moves("cancel", job, stage)
                stage.history.note(stage.world.now_us, "person", "canceled", job_id)
