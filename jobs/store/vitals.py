"""For how long those that must live have been silent: what a health check asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import server_ms
from holdfast.jobs.store.registry import BEAT, FALSE_STARTS, silence_ms

if TYPE_CHECKING:
    from redis import Redis


def silence_of_worker_ms(redis: Redis, name: str) -> int | None:
    """Count the milliseconds, by the server's clock, since this worker said that it lives; None for one that is not in.

    It has been silent for at least so long. Stock workers do not say that they live, and are not in.
    """
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.worker(name), BEAT, "death")
        pipeline.time()
        answers: list[Any] = pipeline.execute()
    (beat, death), told = answers
    return None if beat is None or death is not None else silence_ms(beat, server_ms(told))


def false_starts_of(redis: Redis, name: str) -> int:
    """Count the horses in a row that ended before they began a job, as their worker last said."""
    return int(redis.hget(keys.worker(name), FALSE_STARTS) or 0)


def silence_of_reapers_ms(redis: Redis) -> int | None:
    """Count the milliseconds, by the server's clock, since any reaper of the fleet passed; None if none ever did."""
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.hget(keys.reaper(), "pass_ms")
        pipeline.time()
        answers: list[Any] = pipeline.execute()
    passed_ms, told = answers
    return None if passed_ms is None else server_ms(told) - int(passed_ms)
