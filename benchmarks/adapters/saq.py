"""SAQ: ten jobs at a time in one event loop, on heartbeats that the job itself sends."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from saq import Queue

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from saq import Job

#: A job that has not said for so long that it lives is stuck, and is found at the next sweep.
SILENT_S, SWEEP_S = 10, 5

logging.getLogger("saq").setLevel(logging.ERROR)
queue = Queue.from_url(URL)


async def noop(_: Any) -> None:
    work.noop()


async def hold(context: dict[str, Any]) -> None:
    work.stamp(held=True)
    job: Job = context["job"]
    while True:
        await asyncio.sleep(1)
        await job.update()


settings = {"queue": queue, "functions": [noop, hold], "concurrency": 10, "timers": {"sweep": SWEEP_S}}


class Adapted(Adapter):
    """Each job is kept as a record until its worker says that it is done."""

    def worker(self) -> list[str]:
        return [sys.executable, "-m", "saq", "--quiet", f"{__name__}.settings"]

    async def open(self, stack: AsyncExitStack) -> None:
        await queue.connect()
        stack.push_async_callback(queue.disconnect)

    async def enqueue(self) -> None:
        await queue.enqueue("noop")

    async def enqueue_held(self) -> None:
        await queue.enqueue("hold", timeout=work.HELD_S, heartbeat=SILENT_S, retries=3)

    async def unfinished(self) -> int:
        return int(await queue.count("incomplete"))
