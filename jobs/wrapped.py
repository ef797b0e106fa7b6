"""Calls what a tracer has put around RQ's enqueue_job, with our enqueue inside of it."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from holdfast.jobs.rq_surface import Queue as RQQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs.rq_surface import Job

_RQS = vars(sys.modules[RQQueue.__module__])


def is_wrapped() -> bool:
    """Tell whether RQ's enqueue_job is not RQ's any more."""
    method: Any = RQQueue.enqueue_job
    return type(method) is not FunctionType or method.__globals__ is not _RQS


class Inside:
    """Stands where RQ's enqueue_job has a pipeline: nothing is sent on it, and it comes to who enqueues in the end."""

    #: So that RQ begins no transaction.
    explicit_transaction = True

    def __init__(self, enter: Callable[..., Job]) -> None:
        self._enter = enter
        self._was_reached = self._was_entered = False

    def sadd(self, *_: object) -> None:
        """Take note that RQ's own code is at work: our script lists the queue."""
        self._was_reached = True

    def enter(self, job: Job, *, at_front: bool, unique: bool) -> Job:
        """Put a job in line, in one trip."""
        self._was_entered = True
        return self._enter(job, at_front=at_front, unique=unique)

    def go(self, queue: Any, job: Job, *, at_front: bool, unique: bool) -> Job:
        """Call what stands in the place of RQ's enqueue_job. It may see to it that nothing is enqueued."""
        told: Any = RQQueue.enqueue_job(queue, job, pipeline=self, at_front=at_front, unique=unique)  # type: ignore[arg-type]
        if self._was_reached and not self._was_entered:
            # RQ leaves a job alone whose object says that it waits for others.
            return self.enter(job, at_front=at_front, unique=unique)
        return told  # type: ignore[no-any-return]
