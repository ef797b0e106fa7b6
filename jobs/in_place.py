"""A job that is run where it is enqueued, as is_async=False asks: for the tests of an app."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holdfast.jobs.lease import Lease
from holdfast.jobs.running import Running, here
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.records import rq_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.jobs.rq_surface import Job


class _NoRecord:
    """Answers each move at once, and writes nothing: the job is run this one time."""

    def begin_effect(self, *_: object, **__: object) -> out.First:
        return out.First()

    def commit_effect(self, _: Lease, __: str, value: bytes) -> out.Done:
        return out.Done(value)

    def withdraw_effect(self, _: Lease, __: str) -> out.Withdrawn:
        return out.Withdrawn()

    def check_size(self, what: str, value: str | bytes) -> None:
        pass

    def send(self, move: Callable[[], Any], **_: object) -> Any:
        return move()


@contextmanager
def in_place(job: Job, *, wall_s: float) -> Iterator[None]:
    """Let the code inside be a job's: its effects act, each for the first time, and its fence is the moment."""
    stand_in: Any = _NoRecord()
    lease = Lease(job.origin, job.id, execution="", fence=int(wall_s * 1e6), deadline_ms=0, generation="1")
    execution = Running(
        lease=lease,
        moves=stand_in,
        courier=stand_in,
        serializer=job.serializer,
        born=rq_moment(job.created_at),
        is_out_of_time=lambda: False,
    )
    token = here.set(execution)
    try:
        yield
    finally:
        here.reset(token)
