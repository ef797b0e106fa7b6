"""Policies: what becomes of a failure. Pure: (what was used up, error, chance) -> Postpone or Bury."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import DeadLetter, InDoubt
from holdfast.jobs.rq_surface import RQRetry

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

#: A cap that no policy needs to exceed, and the doublings after which every wait has reached it.
_LONGEST_S = 86_400 * 30
_DOUBLINGS = 22


@dataclass(frozen=True)
class Postpone:
    """Try again in `delay_ms`."""

    delay_ms: int
    at_front: bool
    #: What it uses up of the budget: how many retries are left.
    retries_left: int


@dataclass(frozen=True)
class Bury:
    """No further attempt."""

    #: failures: the budget ran out; rejected: the error says so; in_doubt: an effect may or may not have happened.
    cause: str


class Retry(RQRetry):
    """Up to `max` further attempts, `interval` seconds apart. RQ's own Retry, and the base of ours.

    `interval` is one number, or a list; of a list shorter than `max` the first number repeats, as in RQ. A stock
    worker reads ours as intervals without jitter.
    """

    #: What RQ's fields cannot say.
    jitter: bool = False

    def to_fields(self) -> dict[str, str | int | float | bytes]:
        """Give the fields of ours that go on the job's record beside RQ's."""
        return {"hf_jitter": 1} if self.jitter else {}


class Fixed(Retry):
    """Up to `max` further attempts, always `seconds` apart."""

    def __init__(self, max: int, seconds: int, *, at_front: bool = False) -> None:  # noqa: A002 - RQ's word
        super().__init__(max=max, interval=seconds, enqueue_at_front=at_front)


class Exponential(Retry):
    """Up to `max` further attempts, after `base`, 2 x `base`, 4 x `base` ... seconds, never above `cap`.

    With `jitter`, the default, each wait is drawn evenly between 0 and that ("full jitter", Marc Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): of many jobs that failed together, no two come
    back together.

    Raises ValueError for a base or cap below 1 s, or a cap below the base.
    """

    def __init__(
        self,
        max: int,  # noqa: A002 - RQ's word
        base: int = 1,
        cap: int = 3_600,
        *,
        jitter: bool = True,
        at_front: bool = False,
    ) -> None:
        if not 1 <= base <= cap <= _LONGEST_S:
            raise ValueError(
                f"Exponential(base={base}, cap={cap}): seconds, with 1 <= base <= cap <= {_LONGEST_S} (30 days)"
            )
        waits = [min(base * 2 ** min(attempt, _DOUBLINGS), cap) for attempt in range(max)]
        super().__init__(max=max, interval=waits, enqueue_at_front=at_front)
        self.jitter = jitter


@dataclass(frozen=True)
class Budget:
    """What a job's record says of its retries."""

    retries_left: int
    intervals: tuple[float, ...]
    at_front: bool
    jitter: bool

    @classmethod
    def of(cls, record: dict[bytes, bytes]) -> Budget:
        """Read RQ's fields, and ours beside them. What cannot be read leaves no retries."""
        try:
            left = int(record.get(b"retries_left") or 0)
            intervals = [_seconds(each) for each in _as_list(json.loads(record.get(b"retry_intervals") or b"[]"))]
        except (ValueError, TypeError):
            left, intervals = 0, []
        return cls(
            retries_left=left,
            intervals=tuple(intervals),
            at_front=record.get(b"enqueue_at_front_on_retry") == b"1",
            jitter=record.get(b"hf_jitter") == b"1",
        )

    def decide(self, error: BaseException, rng: random.Random) -> Postpone | Bury:
        """Decide what becomes of this failure."""
        if isinstance(error, InDoubt):
            return Bury("in_doubt")
        if isinstance(error, DeadLetter):
            return Bury("rejected")
        if self.retries_left <= 0:
            return Bury("failures")
        wait_s = self._wait_s()
        if self.jitter:
            wait_s = rng.uniform(0, wait_s)
        return Postpone(int(wait_s * 1000), self.at_front, self.retries_left - 1)

    def _wait_s(self) -> float:
        if not self.intervals:
            return 0.0
        return self.intervals[max(len(self.intervals) - self.retries_left, 0)]


def _seconds(interval: Any) -> float:
    seconds = float(interval)
    if not math.isfinite(seconds):
        raise ValueError(f"{interval} is no wait")
    return seconds


def _as_list(intervals: Any) -> Iterable[float]:
    return intervals if isinstance(intervals, list) else [intervals]
