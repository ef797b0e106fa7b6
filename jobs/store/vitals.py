"""For how long those that must live have been silent: what a health check asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import keys
from holdfast.jobs.store.registry import BEAT, FALSE_STARTS

if TYPE_CHECKING:
    from redis import Redis


def silence_of_worker_s(redis: Redis, name: str) -> int | None:
    """Count the seconds, by the server's clock, since this worker said that it lives; None for one that is not in.

    It says so in whole seconds, so that 1 may mean next to nothing. Stock workers do not say so, and are not in.
    """
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.worker(name), BEAT, "death")
        pipeline.time()
        answers: list[Any] = pipeline.execute()
    (beat, death), (now_s, _) = answers
    return None if beat is None or death is not None else now_s - int(beat)


def false_starts_of(redis: Redis, name: str) -> int:
    """Count the horses in a row that ended before they began a job, as their worker last said."""
    return int(redis.hget(keys.worker(name), FALSE_STARTS) or 0)


def silence_of_reapers_ms(redis: Redis) -> int | None:
    """Count the milliseconds, by the server's clock, since any reaper of the fleet passed; None if none ever did."""
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.hget(keys.reaper(), "pass_ms")
        pipeline.time()
        answers: list[Any] = pipeline.execute()
    passed_ms, (now_s, now_us) = answers
    return None if passed_ms is None else now_s * 1_000 + now_us // 1_000 - int(passed_ms)
