"""One attempt at a job: its function, its callbacks, and what is to become of it."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import LeaseEnded
from holdfast.jobs.retry import Budget, Bury, Postpone
from holdfast.jobs.rq_surface import JobStatus, JobTimeoutException, Queue, RQRepeat, RQRetry
from holdfast.jobs.store.records import return_value
from holdfast.jobs.store.sizes import lasting
from holdfast.jobs.store.work import Stint
from holdfast.workers.calls import execute, write_result
from holdfast.workers.ends import End
from holdfast.workers.fenced_job import look_at, unread_record

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.running import Running
    from holdfast.workers.trade import Trade


#: Where a record has one of these, how the job ends is read from its object.
_ENDS_WITH = (b"success_callback_name", b"repeats_left", b"webhooks")


class Attempt:
    """Runs in a horse, under a lease. Settles nothing: the parent does, as the end says."""

    def __init__(
        self,
        execution: Running,
        record: dict[bytes, bytes],
        job: Job,
        trade: Trade,
        clock: Clock,
        rng: random.Random,
        before_call: Callable[[], None],
        stack: list[Any],
    ) -> None:
        self.execution = execution
        self._record = record
        self._job = job
        self._trade = trade
        self._clock = clock
        self._rng = rng
        self._before_call = before_call
        self._stack = stack
        self._started_s = clock.wall_s()
        self._ended_s = 0.0
        #: What webhooks are told of it, once its settle has gone through.
        self._status = JobStatus.FINISHED
        self._error: str | None = None

    def run(self) -> End:
        """Run it. Raises LeaseEnded."""
        job = self._job
        try:
            if unread_record(job) is None:
                job.restore(self._record)
            elif self._is_looked_at_in_the_end():
                # A record that RQ cannot read must be noticed before anything is done in its name.
                look_at(job)
            value = self._call()
            self._note_end()
            return self._try_again(value) if isinstance(value, RQRetry) else self._succeed(value)
        except LeaseEnded:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a job is its failure, as in RQ
            with suppress(Exception):  # of a broken record, what could be read is there
                look_at(job)
            self._note_end()
            return self._fail(error)

    def tell_outside(self) -> None:
        """Send the webhooks of a job whose settle has gone through."""
        if self._status is JobStatus.FAILED:
            self._job.send_webhooks(self._status, exc_string=self._error)
        else:
            self._job.send_webhooks(self._status)

    def _note_end(self) -> None:
        """Note when its function was over: on the job too, where callbacks and handlers look for it."""
        self._ended_s = self._clock.wall_s()
        if unread_record(self._job) is None:
            self._job.ended_at = datetime.fromtimestamp(self._ended_s, tz=UTC)

    def _is_looked_at_in_the_end(self) -> bool:
        """Tell whether ending this job takes more than its record's plain words, if nobody looks at it before."""
        told = self._record.get(b"result_ttl")
        return any(map(self._record.get, _ENDS_WITH)) or bool(told and not _is_whole(told))

    def _call(self) -> Any:
        job = self._job
        told = self._record.get(b"timeout", b"")
        timeout = int(told) if told.isdigit() else job.timeout
        timeout = timeout or Queue.DEFAULT_TIMEOUT
        self._stack.append(job)
        try:
            if timeout <= 0:
                return execute(job, self._before_call)
            with self._trade.death_penalty(timeout, JobTimeoutException, job_id=job.id):
                return execute(job, self._before_call)
        finally:
            del self._stack[1:]  # with what the job may have left there

    def _call_back(self, callback: Callable[..., Any], timeout: int, *given: Any) -> None:
        # A callback acts on the world too: not for a job that is no longer ours.
        execution = self.execution
        execution.ask(lambda: execution.moves.renew(execution.lease, worked_s=0))
        with self._trade.death_penalty(timeout, JobTimeoutException, job_id=self._job.id):
            callback(self._job, self._trade.connection, *given)

    def _end(self, kind: str, **words: Any) -> End:
        awaits_word = kind != "postpone" and unread_record(self._job) is None and bool(self._job.webhooks)
        return End(kind, words, Stint(self._started_s, self._ended_s), awaits_word)

    def _succeed(self, value: object) -> End:
        job, data = self._job, write_result(self.execution, value)
        result_ttl, repeat_ms, repeats_left = self._trade.default_result_ttl, None, 0
        if unread_record(job) is not None:
            # Nobody has looked at it, and its record has no more to say.
            result_ttl = int(self._record.get(b"result_ttl") or result_ttl)
        else:
            if job.success_callback is not None:
                job._result = value  # noqa: SLF001 - where RQ's callbacks look for it
                job._status = JobStatus.FINISHED  # noqa: SLF001
                self._call_back(job.success_callback, job.success_callback_timeout, value)
            result_ttl = lasting(job.get_result_ttl(result_ttl))
            repeat_ms, repeats_left = _next_repeat(job)
        return self._end("complete", value=data, result_ttl=result_ttl, repeat_ms=repeat_ms, repeats_left=repeats_left)

    def _try_again(self, retry: Any) -> End:
        """Serve a job that returned rq.Retry: tried again without having raised."""
        done = self._job.number_of_retries or 0
        retried = return_value(self._trade.serializer, retry)
        if done >= retry.max:
            return self._bury("failures", f"returned Retry more than {retry.max} times", told="", retried=retried)
        wait_s = retry.get_interval(done, retry.intervals)
        return self._end(
            "postpone",
            delay_ms=int(wait_s * 1000),
            at_front=False,
            error="returned Retry",
            retried=retried,
            used=["number_of_retries", done + 1],
        )

    def _fail(self, error: BaseException) -> End:
        job = self._job
        job._status = JobStatus.FAILED  # noqa: SLF001 - what RQ's failure callbacks see
        info = (type(error), error, error.__traceback__)
        try:
            if job.failure_callback is not None:
                self._call_back(job.failure_callback, job.failure_callback_timeout, *info)
        except LeaseEnded:
            raise
        except BaseException:  # noqa: BLE001 - RQ records the callback's error in place of the job's
            kind, raised, trace = sys.exc_info()
            assert kind is not None
            assert raised is not None
            info = (kind, raised, trace)
        text = "".join(traceback.format_exception(*info))
        self._trade.hand_over(job, *info)
        changed = self._changed_retries()
        match Budget.of(self._record | changed).decide(error, self._rng):
            case Bury(cause):
                return self._bury(cause, text, told=text)
            case Postpone(delay_ms, at_front, retries_left):
                used = ["retries_left", retries_left]
                if intervals := changed.get(b"retry_intervals"):
                    used += ["retry_intervals", intervals]
                return self._end("postpone", delay_ms=delay_ms, at_front=at_front, error=text, used=used)

    def _changed_retries(self) -> dict[bytes, bytes]:
        """Give what the job's own code has made of its retries, as a record has it: in RQ it counts, saved or not."""
        job, said = self._job, {}
        if isinstance(job.retries_left, int):
            said[b"retries_left"] = b"%d" % job.retries_left
        if isinstance(job.retry_intervals, list):
            with suppress(TypeError, ValueError):
                said[b"retry_intervals"] = json.dumps(job.retry_intervals).encode()
        return {name: value for name, value in said.items() if value != self._record.get(name)}

    def _bury(self, cause: str, error: str, *, told: str, retried: str = "") -> End:
        self._status, self._error = JobStatus.FAILED, told
        is_listed = self._trade.lists_failures or bool(retried)
        return self._end("bury", cause=cause, error=error, retried=retried, is_listed=is_listed)


def _is_whole(told: bytes) -> bool:
    return told.isdigit() or (told.startswith(b"-") and told[1:].isdigit())


def _next_repeat(job: Job) -> tuple[int | None, int]:
    """Give the ms until RQ would repeat the job, and how many repeats remain after that."""
    left = job.repeats_left or 0
    if left <= 0:
        return None, 0
    wait_s = RQRepeat.get_interval(left - 1, job.repeat_intervals) if job.repeat_intervals else 0
    return int(wait_s * 1000), left - 1
