"""RQ: `rq.Worker`, which forks for each job, and `rq.SimpleWorker`, which does not."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

import redis
import rq

from benchmarks.adapters.protocol import MODE, URL, Adapter
from benchmarks.work import hold, noop

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUES = ["bench", *(f"bench-{number}" for number in range(1, int(os.environ.get("BENCH_QUEUES", "1"))))]
#: Without these a killed worker's job waits for 13 minutes and more. Its heartbeat's minute cannot be made shorter.
PATIENCE = ("--worker-ttl", "20", "--maintenance-interval", "5", "--job-monitoring-interval", "5")


class Adapted(Adapter):
    """The mode is the class of the worker, in rq's own spelling."""

    worker_class = f"rq.{MODE}"
    queue_class = rq.Queue
    options: tuple[str, ...] = PATIENCE

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(URL)
        #: Jobs go round.
        self._queues = itertools.cycle([self.queue_class(name, connection=self._redis) for name in QUEUES])

    def worker(self) -> list[str]:
        line = [sys.executable, "-m", "rq.cli", "worker", "-u", URL, "-w", self.worker_class, "--quiet"]
        return [*line, *self.options, *QUEUES]

    async def enqueue(self) -> None:
        next(self._queues).enqueue(noop)

    async def enqueue_many(self, count: int) -> None:
        queue = next(self._queues)
        queue.enqueue_many([queue.prepare_data(noop) for _ in range(count)])

    async def enqueue_held(self) -> None:
        next(self._queues).enqueue(hold, retry=rq.Retry(max=3))

    async def unfinished(self) -> int:
        pipe = self._redis.pipeline(transaction=False)
        for name in QUEUES:
            pipe.llen(f"rq:queue:{name}")
            pipe.llen(f"rq:queue:{name}:intermediate")
            pipe.zcard(f"rq:wip:{name}")
        return sum(pipe.execute())

    async def idle(self) -> bool:
        return not await self.unfinished() and all(state == b"idle" for state in self._states())

    def _states(self) -> Iterator[Any]:
        for worker in self._redis.smembers("rq:workers"):
            yield self._redis.hget(worker, "state")
