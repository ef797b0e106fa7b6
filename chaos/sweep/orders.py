"""What is put in line for each kind of work, as an application would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rq

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.tasks import CHILD, FORGIVING, JOB, SEVERAL
from holdfast.jobs import Queue
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


@dataclass(frozen=True)
class Counter:
    """Where an order is placed: a queue, and where the job is to write what it does."""

    redis: Redis
    queue: str
    folder: str
    ledger: str

    def order(self, function: Callable[..., Any], *more: str, job_id: str = JOB, **options: Any) -> None:
        """Put a call in line, as plain RQ does it."""
        rq.Queue(self.queue, connection=self.redis).enqueue(function, self.folder, *more, job_id=job_id, **options)


def child(at: Counter) -> None:
    """Let a job wait for one that succeeds."""
    at.order(tasks.plain)
    at.order(tasks.at_once, CHILD, job_id=CHILD, depends_on=JOB)


def children_of_a_failure(at: Counter) -> None:
    """Let two jobs wait for one that fails: one minds, the other does not."""
    at.order(tasks.fail)
    at.order(tasks.at_once, CHILD, job_id=CHILD, depends_on=JOB)
    at.order(tasks.at_once, FORGIVING, job_id=FORGIVING, depends_on=rq.job.Dependency(JOB, allow_failure=True))


def several(at: Counter, slow: str) -> None:
    """Put jobs in line that are over in a blink, but for one."""
    for job in SEVERAL:
        at.order(tasks.plain if job == slow else tasks.at_once, job, job_id=job)


def with_deaths(at: Counter, function: Callable[..., Any], crashes: int, on_failure: Callable[..., Any]) -> None:
    """Put a job in line that may cause so many deaths, and wants to be told of its failure."""
    Queue(at.queue, connection=at.redis).enqueue(
        function, at.folder, job_id=JOB, crashes=crashes, on_failure=rq.Callback(on_failure)
    )


def buried(at: Counter) -> None:
    """Leave a job as a parent does whose horse died once too often: buried, and nobody told."""
    with_deaths(at, tasks.at_once, 0, tasks.failed_and_wait)
    moves = Moves(Scripts(at.redis, record=True), SystemClock(), Settings(), Caller("undertaker", "undertaker"))
    claimed = moves.claim(1, [at.queue], seen_fence=0)
    if not isinstance(claimed, tuple):
        raise TypeError(f"the job that is to be buried could not be claimed: {claimed}")
    moves.crash(claimed[0].lease, 2, cause="signal 9 (SIGKILL)")
