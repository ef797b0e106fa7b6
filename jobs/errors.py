"""What can go wrong, each with what was seen, of whom, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from redis import exceptions as of_redis

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease

__all__ = [
    "DeadLetter",
    "EffectMisused",
    "HoldfastError",
    "InDoubt",
    "KeyTaken",
    "LeaseEnded",
    "NameTaken",
    "NoHorses",
    "NoSuchCall",
    "NotDone",
    "NotInAJob",
    "RedisAwayError",
    "SettingsError",
    "TooBig",
    "Unreachable",
    "UnsupportedServer",
]


_Error = TypeVar("_Error", bound=BaseException)


def _made_again(kind: type[_Error], *said: object) -> _Error:
    return kind.__new__(kind, *said)


def _reduced(error: BaseException) -> tuple[Any, ...]:
    # Pickle would make it by its class, of what was said in the end: that takes other things than a sentence.
    return _made_again, (type(error), *error.args), vars(error)


class HoldfastError(Exception):
    """The base of our errors, but for the loss of a lease. Each may be pickled: apps send errors between processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was said, not what it was made of."""
        return _reduced(self)


class SettingsError(HoldfastError, ValueError):
    """A setting that cannot be meant, alone or beside another."""


class LeaseEnded(BaseException):
    """The lease on a job ended before its work did.

    Not an Exception: a job's own `except Exception` must not swallow it and go on.
    """

    def __init__(self, lease: Lease, ended: object) -> None:
        super().__init__(
            f"{lease} is no longer ours ({ended}). Its result is void; the job is safe with its new holder, in "
            f"line, or ended by a person. If this recurs, HOLDFAST_LEASE_MS is shorter than the job's pauses."
        )
        self.lease = lease

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was said, not what it was made of."""
        return _reduced(self)


class RedisAwayError(HoldfastError, of_redis.ConnectionError):
    """Redis did not answer until the moment by which an answer was needed, or answered only that it cannot now.

    What was not answered may have been done. It is an error of redis-py too: apps catch those to do without Redis.
    """


class UnsupportedServer(HoldfastError):
    """A Redis on which our promises cannot be kept."""


class Unreachable(HoldfastError):
    """A Redis that did not answer when work was to begin, or would not let us in."""


class NameTaken(HoldfastError, ValueError):
    """A worker's name that a living worker has: they would hear each other's commands."""


class KeyTaken(HoldfastError, ValueError):
    """The key of an enqueue was used for another function: the job that it made is not the one that is wanted."""

    def __init__(self, key: str, queue: str, job_id: str, made_by: str, wanted_by: str) -> None:
        super().__init__(
            f"key={key!r} was used in queue {queue} for {made_by} (job {job_id}), and now for {wanted_by}: nothing "
            f"was enqueued. Give each function keys of its own, as in key={f'{wanted_by}:{key}'!r}. If `key` is an "
            f"argument of the function, pass it in kwargs={{'key': ...}}: key= is an option of holdfast.jobs.Queue."
        )


class NoHorses(HoldfastError):
    """Several horses in a row ended before they began a job, and there is nobody to wait for the next."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen}. A burst worker does not wait for better times: what is in line stays there. Mend what ends them, "
            f"and start it again."
        )


class NoSuchCall(HoldfastError, ValueError):
    """A job whose data cannot be read here, or whose function cannot be imported: code and jobs do not fit."""


class DeadLetter(HoldfastError):
    """A failure that no further attempt can mend: the job is buried at once."""


class TooBig(DeadLetter, ValueError):
    """A value longer than Redis takes: it would hang up in the middle of it, as in an outage."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(
            f"{what} has {size} bytes, and this Redis takes {limit} in one value (proto-max-bulk-len). Nothing was "
            f"sent. Put it in a file or an object store, and its address in the job."
        )


class InDoubt(DeadLetter):
    """An earlier attempt meant to change the world and did not say whether it did."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__(
            f"effect {name!r} (key {key}) was begun by an earlier attempt that did not end, so it may or may not "
            f"have taken place. The job is stopped and kept. Find out, say so with `holdfast dead resolve JOB {name} "
            f"--happened` or `--did-not-happen`, and requeue it; or give effect() an on_doubt= that asks the outside, "
            f"or on_doubt='retry' if twice does no harm."
        )


class NotDone(HoldfastError):
    """Raised in the body of an effect: it is known not to have taken place, so another attempt may make it."""


class EffectMisused(HoldfastError):
    """An effect used in a way that could not keep its promise."""


class NotInAJob(HoldfastError):
    """Something that only a running job has was asked for outside of one."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was called outside a job. It works in functions run by `rq worker -w holdfast.workers.Worker`; "
            f"a stock RQ worker or a direct call has no lease it could hold on to. To test an app: "
            f"enqueue to a holdfast.jobs.Queue with is_async=False."
        )
