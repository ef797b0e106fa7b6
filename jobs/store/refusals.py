"""What an error of redis-py says: Redis is away for now, or it refuses what was asked for good."""

from __future__ import annotations

import re

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from holdfast.jobs.errors import RedisAwayError

#: Replies that say "not now": the server starts, is busy with a script, lost its master, or may not write. redis-py
#: has classes for some, whose text has lost the code, and leaves the others as they came.
_NOT_NOW = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    MasterDownError,
    TryAgainError,
    ClusterDownError,
)
_NOT_NOW_CODES = ("LOADING", "BUSY ", "MASTERDOWN", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "UNKILLABLE")
#: How a server says that a user has no right to what a script does: that has no code of its own there.
_FORBIDDEN_IN_A_SCRIPT = ("The user executing the script", "ACL failure in script")
#: What may stand before the code: redis-py's words about a pipeline, and Redis' own about a transaction, or, before
#: Redis 7, about the line of a script that it stopped at; there the code has a dash before it.
_BEFORE = re.compile(
    r"(?:Command # .* of pipeline caused error: )?"
    r"(?:Transaction discarded because of: )?"
    r"(?:Error running script \(call to \w+\): (?:@\w+: ?\d+: )*-)?",
    re.DOTALL,
)


def is_passing(error: Exception) -> bool:
    """Tell whether an error of redis-py says nothing of what was asked, only that Redis is away for now."""
    if isinstance(error, (AuthenticationError, RedisAwayError)):  # the one is final, the other has been waited out
        return False
    if isinstance(error, _NOT_NOW):
        return True
    return isinstance(error, ResponseError) and _code_of(error).startswith(_NOT_NOW_CODES)


def _code_of(error: ResponseError) -> str:
    """Give what the server said from where its code stands, if redis-py has left it there."""
    said = str(error)
    before = _BEFORE.match(said)
    return said[before.end() :] if before else said


def is_forbidden(error: Exception) -> bool:
    """Tell whether the user that this is asked as lacks a right: to a command, a key or a channel."""
    in_a_script = isinstance(error, ResponseError) and any(said in str(error) for said in _FORBIDDEN_IN_A_SCRIPT)
    return in_a_script or isinstance(error, NoPermissionError)


def is_answer(error: Exception) -> bool:
    """Tell whether Redis has said no, so that what it said it to is not done; else that is unknown."""
    return isinstance(error, (ResponseError, BusyLoadingError))


def is_refusal(error: Exception) -> bool:
    """Tell whether Redis answered that what was asked cannot be done, now or later."""
    return isinstance(error, ResponseError) and not is_passing(error)


def gave_up(error: Exception, *, is_unknown: bool) -> RedisAwayError:
    """Say how it ended after Redis was away for too long; `is_unknown`: some of what was asked had no answer."""
    if is_unknown:
        return RedisAwayError(f"Redis did not answer in time: {error}")
    return RedisAwayError(f"Redis refused it each time it was asked, and did nothing of what it refused: {error}")
