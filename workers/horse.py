"""The child that runs a job's function, its callbacks, and settles it."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast.jobs import events
from holdfast.jobs.errors import LeaseEnded, RedisAwayError
from holdfast.jobs.retry import Budget, Bury, Postpone
from holdfast.jobs.rq_surface import (
    Job,
    JobStatus,
    JobTimeoutException,
    Queue,
    RQRepeat,
    RQRetry,
    job_stack,
)
from holdfast.jobs.running import Running, running
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.moves import Moves, Spell
from holdfast.jobs.store.records import return_value
from holdfast.workers.calls import execute, write_result
from holdfast.workers.fenced_job import fenced
from holdfast.workers.runtime import LEASE_ENDED

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.connections import Courier
    from holdfast.workers.shared_memory import Board
    from holdfast.workers.trade import Trade

logger = logging.getLogger("rq.worker")


class Horse:
    """Runs one job under its lease."""

    def __init__(
        self,
        trade: Trade,
        moves: Moves,
        courier: Courier,
        clock: Clock,
        board: Board,
        tell: events.Events,
        rng: random.Random,
    ) -> None:
        self._trade = trade
        self._moves = moves
        self._courier = courier
        self._clock = clock
        self._board = board
        self._tell = tell
        self._rng = rng

    def run(self, lease: Lease, record: dict[bytes, bytes]) -> int:
        """Run the job and settle it; give the exit code of this process."""
        execution = Running(
            lease=lease,
            moves=self._moves,
            courier=self._courier,
            serializer=self._trade.serializer,
            born=record.get(b"created_at", b"").decode(),
            is_out_of_time=self.is_out_of_time,
        )
        started_s = self._clock.wall_s()
        try:
            with running(execution):
                self._attempt(execution, record, started_s)
        except LeaseEnded as ended:
            logger.warning("%s", ended)
            return LEASE_ENDED
        return 0

    def is_out_of_time(self) -> bool:
        """Tell whether the stop-by moment has come."""
        return self._clock.boot_ms() >= self._board.stop_by_ms

    def _new_job(self, execution: Running) -> Job:
        return self._trade.new_job(execution.lease.job_id, fenced(self._trade.job_class, execution))

    def _attempt(self, execution: Running, record: dict[bytes, bytes], started_s: float) -> None:
        job = self._new_job(execution)
        try:
            job.restore(record)
            self._board.begun = True
            value = self._call(job)
            spell = Spell(started_s, self._clock.wall_s())
            if not isinstance(value, RQRetry):
                data = write_result(execution, value)
                job._result = value  # noqa: SLF001 - where RQ's callbacks look for it
                job._status = JobStatus.FINISHED  # noqa: SLF001
                self._call_back(execution, job.success_callback, job.success_callback_timeout, job, value)
        except LeaseEnded:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a job is its failure, as in RQ
            self._fail(execution, job, record, error, Spell(started_s, self._clock.wall_s()))
        else:
            if isinstance(value, RQRetry):
                self._try_again(execution.lease, job, value, spell)
            else:
                self._succeed(execution.lease, job, data, spell)

    def _call(self, job: Job) -> Any:
        timeout = job.timeout or Queue.DEFAULT_TIMEOUT
        job_stack.push(job)
        try:
            if timeout <= 0:
                return execute(job)
            with self._trade.death_penalty(timeout, JobTimeoutException, job_id=job.id):
                return execute(job)
        finally:
            job_stack.pop()

    def _call_back(
        self, execution: Running, callback: Callable[..., Any] | None, timeout: int, job: Job, *given: Any
    ) -> None:
        if callback is None:
            return
        # A callback acts on the world too: not for a job that is no longer ours.
        execution.ask(lambda: self._moves.renew(execution.lease, worked_s=0))
        with self._trade.death_penalty(timeout, JobTimeoutException, job_id=job.id):
            callback(job, self._trade.connection, *given)

    def _succeed(self, lease: Lease, job: Job, data: str, spell: Spell) -> None:
        op = self._board.next_op()
        repeat_ms, repeats_left = _next_repeat(job)
        result_ttl = job.get_result_ttl(self._trade.default_result_ttl)
        self._settle(
            lease,
            lambda: self._moves.complete(
                lease,
                op,
                spell,
                value=data,
                result_ttl=result_ttl,
                repeat_ms=repeat_ms,
                repeats_left=repeats_left,
            ),
            "completed",
            f"in {spell.worked_s:.3f} s",
        )
        _end(job, spell)
        job.send_webhooks(JobStatus.FINISHED)

    def _try_again(self, lease: Lease, job: Job, retry: Any, spell: Spell) -> None:
        """Serve a job that returned rq.Retry: tried again without having raised."""
        done = job.number_of_retries or 0
        if done >= retry.max:
            retried = return_value(self._trade.serializer, retry)
            self._bury(lease, "failures", f"returned Retry more than {retry.max} times", spell, retried=retried)
            _end(job, spell)
            job.send_webhooks(JobStatus.FAILED, exc_string="")
            return
        wait_s = retry.get_interval(done, retry.intervals)
        retried = return_value(self._trade.serializer, retry)
        self._postpone(
            lease,
            Postpone(int(wait_s * 1000), at_front=False, retries_left=0),
            "returned Retry",
            spell,
            retried=retried,
            used=["number_of_retries", done + 1],
        )

    def _fail(
        self, execution: Running, job: Job, record: dict[bytes, bytes], error: BaseException, spell: Spell
    ) -> None:
        job._status = JobStatus.FAILED  # noqa: SLF001 - what RQ's failure callbacks see
        info = (type(error), error, error.__traceback__)
        try:
            failure_callback = job.failure_callback
            self._call_back(execution, failure_callback, job.failure_callback_timeout, job, *info)
        except LeaseEnded:
            raise
        except BaseException:  # noqa: BLE001 - RQ records the callback's error in place of the job's
            kind, raised, trace = sys.exc_info()
            assert kind is not None
            assert raised is not None
            info = (kind, raised, trace)
        text = "".join(traceback.format_exception(*info))
        self._trade.hand_over(job, *info)
        match Budget.of(record).decide(error, self._rng):
            case Bury(cause):
                self._bury(execution.lease, cause, text, spell)
                _end(job, spell)
                job.send_webhooks(JobStatus.FAILED, exc_string=text)
            case Postpone() as again:
                self._postpone(execution.lease, again, text, spell, used=["retries_left", again.retries_left])

    def _bury(self, lease: Lease, cause: str, error: str, spell: Spell, *, retried: str = "") -> None:
        op = self._board.next_op()
        is_listed = self._trade.lists_failures or bool(retried)
        self._settle(
            lease,
            lambda: self._moves.bury(lease, op, spell, cause=cause, error=error, retried=retried, is_listed=is_listed),
            "buried",
            cause,
        )

    def _postpone(
        self,
        lease: Lease,
        again: Postpone,
        error: str,
        spell: Spell,
        *,
        retried: str = "",
        used: Sequence[str | int],
    ) -> None:
        op = self._board.next_op()
        self._settle(
            lease,
            lambda: self._moves.postpone(
                lease,
                op,
                spell,
                delay_ms=again.delay_ms,
                at_front=again.at_front,
                error=error,
                retried=retried,
                used=used,
            ),
            "postponed",
            f"{again.delay_ms} ms",
        )

    def _settle(self, lease: Lease, move: Callable[[], Any], word: str, detail: str) -> None:
        """End the lease. The board says so only once Redis has: a death in between is asked about again."""
        self._board.settling = True
        try:
            answer = self._courier.send(move, gives_up=self.is_out_of_time)
        except RedisAwayError as away:
            raise LeaseEnded(lease, away) from away
        if isinstance(answer, (out.Fenced, out.Lost, out.Closed)):
            self._tell.tell(events.Refused(lease, answer))
            raise LeaseEnded(lease, answer)
        self._board.execution = 0
        self._tell.tell(events.Settled(lease, word, detail))


def _end(job: Job, spell: Spell) -> None:
    """Date a job object as its record is dated, for what is told of it outside."""
    job.ended_at = datetime.fromtimestamp(spell.ended_s, tz=UTC)


def _next_repeat(job: Job) -> tuple[int | None, int]:
    """Give the ms until RQ would repeat the job, and how many repeats remain after that."""
    left = job.repeats_left or 0
    if left <= 0:
        return None, 0
    wait_s = RQRepeat.get_interval(left - 1, job.repeat_intervals) if job.repeat_intervals else 0
    return int(wait_s * 1000), left - 1
