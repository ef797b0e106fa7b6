"""Dramatiq, on its Redis broker: one process of eight threads, no results, as its defaults are."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import work
from benchmarks.adapters.protocol import URL, Adapter, program

#: A silent worker's jobs are put back after this, by whoever next does maintenance: so many of a million requests.
SILENT_MS, MAINTENANCE = 10_000, 50_000

broker = RedisBroker(url=URL, heartbeat_timeout=SILENT_MS, maintenance_chance=MAINTENANCE)
dramatiq.set_broker(broker)
noop = dramatiq.actor(work.noop)
hold = dramatiq.actor(work.hold)


class Adapted(Adapter):
    """Acknowledged after the job, always."""

    def worker(self) -> list[str]:
        return [program("dramatiq"), "--processes", "1", "--threads", "8", "--skip-logging", __name__]

    async def enqueue(self) -> None:
        noop.send()

    async def enqueue_held(self) -> None:
        hold.send()

    async def unfinished(self) -> int:
        redis = broker.client
        in_hand = sum(redis.scard(key) for key in redis.scan_iter("dramatiq:__acks__.*", count=1000))
        return int(redis.llen("dramatiq:default")) + int(in_hand)
