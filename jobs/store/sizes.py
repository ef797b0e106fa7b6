"""What is more than Redis takes, found before it is sent: it hangs up on a value, and refuses a time in mid-script."""

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
#: Redis counts an expiry in ms, and up to 292 million years. `_endings.lua` has the same number.
_LONGEST_S = 10_000 * 365 * 86_400


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


def lasting(seconds: float) -> int:
    """Give a time to keep something as Redis takes it: -1, for ever, for less than 0 s or more than 10,000 years."""
    return int(seconds) if 0 <= seconds <= _LONGEST_S else -1


def expiry_of(ttl: float | None) -> int | str:
    """Spell how many seconds a job may wait in line; empty for ever."""
    seconds = -1 if ttl is None else lasting(ttl)
    return "" if seconds < 0 else seconds


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
