"""What is longer than one value of Redis may be, found before it is sent: Redis itself hangs up in its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from holdfast.jobs.errors import TooBig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

    from holdfast.jobs.store.scripts import Word

#: The lowest limit that a server can be given. What is shorter is sent without a question.
_LOWEST = 1024 * 1024
#: What servers have unless told, and what is taken for granted where CONFIG is forbidden.
_DEFAULT = 512 * 1024 * 1024


def check_size(redis: Redis, what: str, value: object) -> None:
    """Refuse a value that this server would not take. Asks it only about values above 1 MB.

    Raises TooBig, and whatever redis-py raises.
    """
    if not isinstance(value, (str, bytes)) or len(value) <= _LOWEST:
        return
    size = len(value if isinstance(value, bytes) else value.encode(errors="surrogateescape"))
    limit = _limit_of(redis)
    if size > limit:
        raise TooBig(what, size, limit)


def size_of(values: Iterable[Word]) -> int:
    """Add up how long values are, but for numbers: in letters, where they are texts."""
    size = 0
    for value in values:
        if isinstance(value, (str, bytes)):
            size += len(value)
    return size


def may_be_too_big(size: int) -> bool:
    """Tell whether values of that size together need the look that asks the server."""
    return size > _LOWEST


def check_fields(redis: Redis, job_id: str, fields: Sequence[Word]) -> None:
    """Refuse a job with a field that this server would not take. Raises TooBig, and whatever redis-py raises."""
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        check_size(redis, f"the {'call' if name == 'data' else str(name)} of job {job_id}", value)


def _limit_of(redis: Redis) -> int:
    try:
        told = redis.config_get("proto-max-bulk-len")
    except ResponseError:  # forbidden, or renamed by who runs it
        return _DEFAULT
    return int(told.get("proto-max-bulk-len") or _DEFAULT)
