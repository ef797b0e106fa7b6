"""Taskiq, on Redis: a stream that is acknowledged, with results, or a list that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks import work
from benchmarks.adapters.protocol import MODE, URL, Adapter, program

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from taskiq import AsyncBroker

QUEUE = "bench"
#: What was not acknowledged for so long is taken over by the next who looks, though it may still be run.
IDLE_MS, LOCK_S = 5_000, 5


def _broker() -> AsyncBroker:
    if MODE == "list":
        return ListQueueBroker(URL, queue_name=QUEUE)
    stream = RedisStreamBroker(URL, queue_name=QUEUE, idle_timeout=IDLE_MS, unacknowledged_lock_timeout=LOCK_S)
    return stream.with_result_backend(RedisAsyncResultBackend(URL))


broker = _broker()
noop = broker.register_task(work.noop_async, "noop")
hold = broker.register_task(work.hold_async, "hold")


class Adapted(Adapter):
    """One worker process, which runs up to a hundred jobs at a time, as its defaults are."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(URL)

    def worker(self) -> list[str]:
        return [program("taskiq"), "worker", f"{__name__}:broker", "--workers", "1", "--log-level", "ERROR"]

    async def open(self, stack: AsyncExitStack) -> None:
        await broker.startup()
        stack.push_async_callback(broker.shutdown)
        stack.push_async_callback(self._redis.aclose)

    async def enqueue(self) -> None:
        await noop.kiq()

    async def enqueue_held(self) -> None:
        await hold.kiq()

    async def unfinished(self) -> int:
        if MODE == "list":
            return int(await self._redis.llen(QUEUE))
        (group,) = await self._redis.xinfo_groups(QUEUE)
        return int(group["pending"]) + int(group["lag"] or 0)
