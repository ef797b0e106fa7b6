"""What a horse brings to every job: whose connection, which classes, which handlers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import LeaseEnded
from holdfast.jobs.rq_surface import DEFAULT_RESULT_TTL

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from holdfast.jobs.rq_surface import Job

logger = logging.getLogger("rq.worker")


@dataclass(frozen=True, kw_only=True)
class Trade:
    """The same for all jobs of a worker."""

    #: The user's own connection, for the job's own code.
    connection: Redis
    job_class: type[Job]
    serializer: Any
    death_penalty: type[Any]
    default_result_ttl: int = DEFAULT_RESULT_TTL
    #: Whether a failure is on record among the failed: not so with RQ's --disable-default-exception-handler.
    lists_failures: bool = True
    #: RQ's exception handlers and log of the exception: (job, kind, error, trace).
    on_exception: Callable[..., None] = lambda *_: None

    def new_job(self, job_id: str) -> Job:
        """Make the job object that the app's code sees."""
        return self.job_class(job_id, connection=self.connection, serializer=self.serializer)

    def hand_over(self, job: Job, *info: Any) -> None:
        """Call the app's exception handlers. One that breaks must not turn a failure into a death."""
        try:
            self.on_exception(job, *info)
        except LeaseEnded:
            raise
        except BaseException:  # sys.exit() in one is no death either
            logger.exception("An exception handler raised for job %s; its failure is settled all the same", job.id)
