"""ARQ: jobs of one event loop, found by polling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from arq import connections

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter, program

if TYPE_CHECKING:
    from contextlib import AsyncExitStack


async def noop(_: Any) -> None:
    await work.noop_async()


async def hold(_: Any) -> None:
    await work.hold_async()


class WorkerSettings:
    """By default it takes at most 100 jobs each half second. A dead worker's job waits for its timeout + 10 s."""

    functions: ClassVar = [noop, hold]
    redis_settings = connections.RedisSettings.from_dsn(URL) if URL else connections.RedisSettings()
    max_jobs = 16
    queue_read_limit = 500
    poll_delay = 0.01
    job_timeout = 15


class Adapted(Adapter):
    """A job stays in line until it is done; a key that expires says that somebody works on it."""

    _pool: connections.ArqRedis

    def worker(self) -> list[str]:
        return [program("arq"), f"{__name__}.WorkerSettings", "--custom-log-dict", f"{__name__}.QUIET"]

    async def open(self, stack: AsyncExitStack) -> None:
        self._pool = await connections.create_pool(WorkerSettings.redis_settings)
        stack.push_async_callback(self._pool.aclose)

    async def enqueue(self) -> None:
        await self._pool.enqueue_job("noop")

    async def enqueue_held(self) -> None:
        await self._pool.enqueue_job("hold")

    async def unfinished(self) -> int:
        return int(await self._pool.zcard("arq:queue"))


QUIET: dict[str, Any] = {"version": 1, "disable_existing_loggers": False}
