"""The process that enqueues, in the environment of one system: a line of JSON asks, a line of JSON answers.

    python -m benchmarks.client ADAPTER

It measures its own enqueues, so that what asks it for them costs nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.adapters.protocol import Adapter


def load(name: str) -> Adapter:
    """Make the adapter of that file, on the core that was given."""
    if core := os.environ.get("BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    adapted: Adapter = importlib.import_module(f"benchmarks.adapters.{name}").Adapted()
    return adapted


async def answer(adapter: Adapter, asked: str, count: int) -> Any:
    """Do what is asked: give seconds for enqueues, the moment before it for `now`, a number for a question."""
    begun = time.monotonic()
    match asked:
        case "one":
            for _ in range(count):
                await adapter.enqueue()
        case "many":
            try:
                await adapter.enqueue_many(count)
            except NotImplementedError:
                return None
        case "now":
            await adapter.enqueue()
            return begun
        case "held":
            await adapter.enqueue_held()
        case "unfinished":
            return await adapter.unfinished()
        case "idle":
            return await adapter.idle()
        case _:
            raise ValueError(f"{asked!r} is nothing that a client of a benchmark is asked")
    return time.monotonic() - begun


async def serve(adapter: Adapter) -> None:
    """Answer until there are no more lines."""
    async with AsyncExitStack() as stack:
        await adapter.open(stack)
        # In a thread: some clients keep tasks of their own going, which must not stand still meanwhile.
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked, count = json.loads(line)
            print(json.dumps(await answer(adapter, asked, count)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(load(sys.argv[1])))
