"""Speaks for jobs that died without a word: calls what they want called, in a horse of its own."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.rq_surface import AbandonedJobError, JobStatus
from holdfast.workers.fenced_job import named

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock
    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.store import outcomes as out
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.trade import Trade

logger = logging.getLogger("rq.worker")

#: For how long it tries to say that it is done.
_LAST_WORD_MS = 10_000


class Speaker:
    """Runs in a child, as a horse does, and holds no lease: its parent watches its time."""

    def __init__(self, trade: Trade, moves: Moves, courier: Courier, clock: Clock, tell: events.Events) -> None:
        self._trade = trade
        self._moves = moves
        self._courier = courier
        self._clock = clock
        self._tell = tell

    def speak_for(self, left: out.Aftermath) -> None:
        """Call the callbacks of a job whose own horse could not."""
        try:
            job = named(left.job_id, self._trade.new_job)
            job.restore(left.record)
            if left.status == "stopped":
                job.execute_stopped_callback(self._trade.death_penalty)
            else:
                self._tell_of_death(job, left.record)
        except Exception:
            logger.exception("A callback of job %s raised; it will not be called again", left.job_id)
        with suppress(RedisAwayError):  # then it is told once more
            self._courier.send(lambda: self._moves.end_aftermath(left), until_ms=self._clock.boot_ms() + _LAST_WORD_MS)
            self._tell.tell(events.Spoken(left))

    def _tell_of_death(self, job: Job, record: dict[bytes, bytes]) -> None:
        """Tell, as RQ does of a job that was abandoned: on_failure, exception handlers, webhooks."""
        # One that crashed earlier may have died of something else.
        is_crashed = record.get(b"hf_dead") in {b"crashes", b"interrupted"}
        cause = record.get(b"hf_last_crash" if is_crashed else b"hf_error") or b""
        error = AbandonedJobError(cause.decode(errors="replace"))
        try:
            job.execute_failure_callback(self._trade.death_penalty, AbandonedJobError, error, None)
        finally:
            self._trade.hand_over(job, AbandonedJobError, error, None)
            job.send_webhooks(JobStatus.FAILED, exc_string=str(error))
