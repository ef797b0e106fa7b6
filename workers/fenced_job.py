"""The Job that a running function sees: its writes go through while the lease stands, and not after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.store.records import fields_of

if TYPE_CHECKING:
    from redis.client import Pipeline

    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.running import Running


def fenced(job_class: type[Job]) -> type[Job]:
    """Give `job_class` with fenced writes, for objects that `bind` has given their execution. Reads stay RQ's.

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

    FencedJob.__name__ = job_class.__name__
    FencedJob.__qualname__ = job_class.__qualname__
    FencedJob.__module__ = job_class.__module__
    return FencedJob


def bind(job: Job, execution: Running) -> Job:
    """Let the writes of a fenced job go under this lease, for as long as the object lives."""
    job._execution = execution  # type: ignore[attr-defined]  # noqa: SLF001 - FencedJob's own
    return job
