"""What comes in with a job and goes out with it: its call and its result, or why there is none."""

from __future__ import annotations

import asyncio
import sys
import zlib
from types import FunctionType
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import NoSuchCall
from holdfast.jobs.rq_surface import DeserializationError, Job
from holdfast.jobs.store.records import return_value, spell_serializer
from holdfast.jobs.store.sizes import may_be_too_big
from holdfast.workers.fenced_job import look_at, unread_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs.running import Running

#: For how long an error tracker may take to send, in seconds.
_FLUSH_S = 2.0


def execute(job: Job, before_call: Callable[[], None] = lambda: None) -> Any:
    """Run the job's function: by its perform() where an app or a tracer has one of its own, else without RQ's write.

    `before_call` is called once the function is imported. Raises NoSuchCall where there is none for this worker, and
    whatever the function raises.
    """
    if _is_rqs_own(type(job).perform) and (call := _call_of_unread(job)) is not None:
        before_call()
        return _result_of(*call)
    look_at(job)  # what is wrong with its record is not told as something else
    try:
        function = job.func  # it reads the call, and imports
    except DeserializationError as error:
        raise NoSuchCall(
            f"the data of job {job.id} ({len(job.data)} bytes, first {job.data[:16]!r}) cannot be read with "
            f"{spell_serializer(job.serializer)}: {error.__cause__ or error}. Give the workers the serializer "
            f"(-S) and the code of whoever enqueued it, and requeue it."
        ) from error
    except (AttributeError, ImportError, ValueError) as error:
        raise NoSuchCall(
            f"job {job.id} calls {job.func_name}, and this worker cannot import it: {error}. Deploy the code that has "
            f"it, or mend the name, and requeue it."
        ) from error
    before_call()
    if _is_rqs_own(type(job).perform):
        return _result_of(function, job.args, job.kwargs)
    return job.perform()


def _call_of_unread(job: Job) -> tuple[Callable[..., Any], Any, Any] | None:
    """Read what a job calls, and with what; None where anything is unusual about it, or somebody has looked at it."""
    record = unread_record(job)
    if record is None:
        return None
    try:
        name, instance, args, kwargs = job.serializer.loads(zlib.decompress(record[b"data"]))
        module, _, function = name.rpartition(".")
        return (getattr(sys.modules[module], function), args, kwargs) if instance is None else None
    except Exception:  # noqa: BLE001 - it is read once more, and its error told then
        return None


def _result_of(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Do what RQ's perform() does, without its unfenced PERSIST."""
    value = function(*args, **kwargs)
    if not asyncio.iscoroutine(value):
        return value
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(value)
    finally:
        # RQ leaves it open, as its horse ends at once: its files and its pool of threads would live on in ours.
        try:
            _finish(loop)
        finally:
            loop.close()


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Let what the job left unfinished in its loop clean up after itself, as asyncio.run() does.

    Not its threads: asyncio.run() waits for them, and one that hangs would turn a success into a time-out.
    """
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


def _is_rqs_own(perform: Any) -> bool:
    return (
        type(perform) is FunctionType and perform.__module__ == Job.__module__ and not hasattr(perform, "__wrapped__")
    )


def flush_reports() -> None:
    """Send what an error tracker has gathered: a horse runs no exit hooks, and Sentry's own hangs on RQ's loop."""
    if sentry := sys.modules.get("sentry_sdk"):
        sentry.flush(_FLUSH_S)


def write_result(execution: Running, value: object) -> str:
    """Write a result as it is sent. Raises TooBig for one that Redis would hang up on, and LeaseEnded."""
    data = return_value(execution.serializer, value)
    if may_be_too_big(len(data)):
        execution.ask(lambda: execution.moves.check_size(f"the result of job {execution.lease.job_id}", data))
    return data
