"""streaQ: sixteen jobs at a time in one event loop, on a stream whose entries are renewed while they are worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaq import Worker

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter, program

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

#: A job whose worker has not renewed its hold for so long is taken over.
IDLE_S = 2

worker = Worker(redis_url=URL, concurrency=16, idle_timeout=IDLE_S)


noop = worker.task(work.noop_async)
hold = worker.task(work.hold_async)


class Adapted(Adapter):
    """Enqueues go through the worker object, opened and not run."""

    def worker(self) -> list[str]:
        return [program("streaq"), "run", f"{__name__}:worker"]

    async def open(self, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(worker)

    async def enqueue(self) -> None:
        await noop.enqueue()

    async def enqueue_many(self, count: int) -> None:
        await worker.enqueue_many([noop.enqueue() for _ in range(count)])

    async def enqueue_held(self) -> None:
        await hold.enqueue()

    async def unfinished(self) -> int:
        return int(await worker.redis.xlen(worker.stream_key + "normal"))
