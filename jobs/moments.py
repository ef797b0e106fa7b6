"""When a job is due, as a number that every tool can read as a date again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

#: The last second of the year 9999, in ms: no datetime is later, and one score beyond it ends RQ's tools on that set.
_LAST_MS = 253_402_300_799_000
#: How wrong a producer's clock may be beside the server's, by which a delay ends.
_A_DAY_MS = 86_400_000


def due_ms_of(moment: datetime) -> int:
    """Give a moment in ms since the epoch, rounded up. A naive one is local time."""
    return min(math.ceil(moment.timestamp() * 1000), _LAST_MS)


def delay_ms_of(time_delta: timedelta, *, now_s: float) -> int:
    """Give a wait in ms, rounded up. Raises OverflowError, as RQ does, where it ends in no year that there is."""
    datetime.fromtimestamp(now_s, tz=UTC) + time_delta
    return min(math.ceil(time_delta.total_seconds() * 1000), _LAST_MS - _A_DAY_MS - math.ceil(now_s * 1000))
