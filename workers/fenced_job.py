"""The Job that a running function sees: its writes go through while the lease stands, and not after."""

from __future__ import annotations

import os
import threading
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.jobs.classes import overridden
from holdfast.jobs.rq_surface import MOMENTS_OF_A_JOB, READS_A_JOB, Job
from holdfast.jobs.store.records import fields_of, record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.client import Pipeline

    from holdfast.jobs.running import Running
    from holdfast.workers.trade import Trade

_DATES = tuple(name.encode() for name in MOMENTS_OF_A_JOB)
#: How long a moment is as RQ writes it.
_DATE_LENGTH = len("2026-11-21T11:57:05.310887Z")


def fenced(job_class: type[Job]) -> type[Job]:
    """Give `job_class` with fenced writes, for objects that `Blanks` has given their execution. Reads stay RQ's.

    A worker that slept past its lease could otherwise spoil the record of a job that has moved on.
    """

    class FencedJob(job_class):  # type: ignore[misc, valid-type]  # which class is the user's choice
        _execution: Running

        def __new__(cls, *given: Any, **named: Any) -> Any:
            # RQ and apps make other jobs by the class of this one, and those are not under its lease.
            return job_class(*given, **named) if given or named else object.__new__(cls)

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
                self._write(fields_of(record_of(self)))

        def _write(self, fields: list[Any]) -> None:
            execution = self._execution
            execution.ask(lambda: execution.moves.annotate(execution.lease, fields))

    if job_class.restore is Job.restore:
        FencedJob.restore = _restore
    if job_class.__eq__ is Job.__eq__:
        FencedJob.__eq__ = _same_id(job_class)  # type: ignore[method-assign]
    FencedJob.__name__ = job_class.__name__
    FencedJob.__qualname__ = job_class.__qualname__
    FencedJob.__module__ = job_class.__module__
    return FencedJob


def _same_id(job_class: type[Job]) -> Callable[[Any, object], bool]:
    """Compare as RQ does, which asks for the class of the first: no other object has ours."""
    return lambda job, other: isinstance(other, job_class) and job.id == other.id


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


_reading = threading.Lock()


def _unread(fenced_class: type[Any]) -> type[Any]:
    """Give a class of jobs that are read when somebody looks: most functions never ask which job they are."""

    class UnreadJob(fenced_class):  # type: ignore[misc]
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__") or "_record" not in vars(self):
                raise AttributeError(name)
            read(self)
            return getattr(self, name)

        def __setattr__(self, name: str, value: Any) -> None:
            read(self)
            setattr(self, name, value)

    def read(job: Any) -> None:
        with _reading:  # a job may have threads
            state = vars(job)
            if "_record" in state:
                full = object.__new__(fenced_class)
                vars(full).update(state["_blank"].anew(), **state)
                del vars(full)["_record"], vars(full)["_blank"]
                try:
                    full.restore(state["_record"])
                finally:
                    # What could be read of a broken one is what there is.
                    state.update(vars(full))
                    object.__setattr__(job, "__class__", fenced_class)
                    del state["_record"], state["_blank"]

    UnreadJob.__name__ = fenced_class.__name__
    UnreadJob.__qualname__ = fenced_class.__qualname__
    UnreadJob.__module__ = fenced_class.__module__
    return UnreadJob


class _Blank:
    """The state of a job object before it is read."""

    def __init__(self, job: Job) -> None:
        self._state = vars(job)
        self._changeable = [name for name, value in self._state.items() if isinstance(value, (list, dict, set))]
        self.connection, self.serializer = job.connection, job.serializer

    def anew(self) -> dict[str, Any]:
        """Give it for another job."""
        return self._state | {name: copy(self._state[name]) for name in self._changeable}


class Blanks:
    """Makes the job objects of one horse: read when somebody looks, where the app's class is read as RQ's is."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._class = fenced(trade.job_class)
        self._unread = _unread(self._class)
        is_rqs = not overridden(trade.job_class, Job, READS_A_JOB)
        self._blank = _Blank(trade.new_job("blank")) if is_rqs else None

    def job(self, job_id: str, record: dict[bytes, bytes], execution: Running) -> Job:
        """Make a job object whose writes go under this lease, for as long as it lives.

        It is to be restored, unless it has an `unread_record`.
        """
        blank = self._blank
        if blank is None:
            made = named(job_id, self._trade.new_job)
            object.__setattr__(made, "__class__", self._class)
            vars(made)["_execution"] = execution
            return made
        job: Job = object.__new__(self._unread)
        vars(job).update(
            _id=job_id if type(job_id) is str else os.fsdecode(job_id),
            connection=blank.connection,
            serializer=blank.serializer,
            _execution=execution,
            _blank=blank,
            _record=record,
        )
        return job


def named(job_id: str | bytes, make: Callable[[str], Job]) -> Job:
    """Make a job object for an id that is in use, even if RQ refuses it for a new job, or if it is no text."""
    name = os.fsdecode(job_id)  # RQ joins ids to other texts
    try:
        return make(name)
    except ValueError:
        job = make("blank")
        vars(job)["_id"] = name
        return job


def unread_record(job: Job) -> dict[bytes, bytes] | None:
    """Give the record of a job at which nobody has looked yet."""
    return vars(job).get("_record")


def look_at(job: Job) -> None:
    """Read a job at which nobody has looked yet. Raises what RQ raises over its record, the first time."""
    if unread_record(job) is not None:
        _ = job.origin
