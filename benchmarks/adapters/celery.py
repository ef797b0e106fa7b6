"""Celery, on Redis as broker and result backend: acknowledged after the job, prefork pool of one."""

from __future__ import annotations

import celery
import redis

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter, program

#: After which a job that was not acknowledged is handed out again: it must exceed the longest job there is.
VISIBLE_S = 5
#: How often somebody looks for such jobs; by default each 10th time, each 10 s.
LOOK = {"unacked_restore_interval": 2, "unacked_restore_throttle": 1}

app = celery.Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_transport_options={"visibility_timeout": VISIBLE_S, **LOOK},
    broker_connection_retry_on_startup=True,
)
noop = app.task(work.noop, name="noop")
hold = app.task(work.hold, name="hold")


class Adapted(Adapter):
    """Without gossip, mingle and heartbeat, as its guide to many messages advises."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(URL)

    def worker(self) -> list[str]:
        quiet = ("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat")
        return [program("celery"), "-A", "benchmarks.adapters.celery", "worker", "--concurrency", "1", *quiet]

    async def enqueue(self) -> None:
        noop.delay()

    async def enqueue_held(self) -> None:
        hold.delay()

    async def unfinished(self) -> int:
        return int(self._redis.llen("celery")) + int(self._redis.hlen("unacked"))
