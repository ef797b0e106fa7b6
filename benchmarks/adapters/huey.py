"""Huey, on Redis: one thread. A job is taken off the list before it is run, and nobody knows of it then."""

from __future__ import annotations

import huey as huey_package

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter, program

huey = huey_package.RedisHuey("bench", url=URL)
noop = huey.task()(work.noop)
hold = huey.task(retries=3)(work.hold)


class Adapted(Adapter):
    """It keeps no count of what is in hand."""

    def worker(self) -> list[str]:
        kind = ("--worker-type", "thread", "--workers", "1", "--quiet")
        return [program("huey_consumer"), *kind, "benchmarks.adapters.huey.huey"]

    async def enqueue(self) -> None:
        noop()

    async def enqueue_held(self) -> None:
        hold()

    async def unfinished(self) -> int:
        return int(huey.storage.queue_size())
