"""The Job that a running function sees: its writes go through while the lease stands, and not after."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store.records import fields_of

if TYPE_CHECKING:
    from redis.client import Pipeline

    from holdfast.jobs.running import Running
    from holdfast.workers.trade import Trade

_DATES = (b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat")
#: How long a moment is as RQ writes it.
_DATE_LENGTH = len("2026-11-21T11:57:05.310887Z")


def fenced(job_class: type[Job]) -> type[Job]:
    """Give `job_class` with fenced writes, for objects that `Blanks` has given their execution. Reads stay RQ's.

    A worker that slept past its lease could otherwise spoil the record of a job that has moved on.
    """

    class FencedJob(job_class):  # type: ignore[misc, valid-type]  # which class is the user's choice
        _execution: Running

        def save_meta(self) -> None:
            """Write meta. Raises LeaseEnded once the job is no longer ours."""
            self._write(["meta", self.serializer.dumps(self.meta)])

        def save(
            self,
            pipeline: Pipeline | None = None,
            include_meta: bool = True,  # noqa: FBT001, FBT002 - RQ's signature
            include_result: bool = True,  # noqa: FBT001, FBT002
        ) -> None:
            """Write the record, but for the words that only moves may write. Raises LeaseEnded as save_meta()."""
            if pipeline is not None:
                super().save(pipeline, include_meta, include_result)
            else:
                self._write(fields_of(self))

        def _write(self, fields: list[Any]) -> None:
            execution = self._execution
            execution.ask(lambda: execution.moves.annotate(execution.lease, fields))

    if job_class.restore is Job.restore:
        FencedJob.restore = _restore
    FencedJob.__name__ = job_class.__name__
    FencedJob.__qualname__ = job_class.__qualname__
    FencedJob.__module__ = job_class.__module__
    return FencedJob


def _restore(job: Job, raw_data: dict[bytes, bytes]) -> None:
    """Read a record as RQ does. Its way to read dates takes longer than all the rest."""
    rest, moments = dict(raw_data), {}
    for name in _DATES:
        if (moment := _moment(rest.get(name, b""))) is not None:
            moments[name.decode()] = moment
            del rest[name]
    Job.restore(job, rest)
    vars(job).update(moments)


def _moment(text: bytes) -> datetime | None:
    """Read a moment as RQ writes it; None for anything else, which is RQ's to read or to refuse."""
    if len(text) != _DATE_LENGTH or not text.endswith(b"Z"):
        return None
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:
        return None


class Blanks:
    """Makes the job objects of one horse. Where the app's class begins as RQ's does, that is done once."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._class = fenced(trade.job_class)
        self._blank = trade.new_job("blank", self._class) if self._class.__init__ is Job.__init__ else None
        state = {} if self._blank is None else vars(self._blank)
        self._changeable = [name for name, value in state.items() if isinstance(value, (list, dict, set))]

    def job(self, job_id: str, execution: Running) -> Job:
        """Make a job object whose writes go under this lease, for as long as it lives."""
        if self._blank is None:
            job = self._trade.new_job(job_id, self._class)
        else:
            job = object.__new__(self._class)
            state = vars(job)
            state.update(vars(self._blank))
            for name in self._changeable:
                state[name] = copy(state[name])
            job.id = job_id
        job._execution = execution  # type: ignore[attr-defined]  # FencedJob's own
        return job
