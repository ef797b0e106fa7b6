"""The floor: what a lease and a settle cost at the least, one small script a trip and nothing else around it."""

from __future__ import annotations

import sys
import uuid

import redis

from benchmarks.adapters.protocol import MODE, URL, Adapter
from benchmarks.work import hold, noop

QUEUE, LEASES, JOB = "floor:queue", "floor:leases", "floor:job:"
LEASE_MS = 10_000
BULK = 500
#: The mode is how many jobs go in one trip.
BATCH = int(MODE or 1)

#: Settle the jobs of the last trip and claim the next ones, each under a lease by the server's clock.
TRADE = """
local queue, leases = KEYS[1], KEYS[2]
local now = redis.call('TIME')
local deadline = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[1]
for i = 4, #ARGV do
  if redis.call('ZREM', leases, ARGV[i]) == 1 then
    redis.call('HSET', ARGV[3] .. ARGV[i], 'status', 'finished', 'ended_ms', deadline - ARGV[1])
  end
end
local claimed = {}
for _, id in ipairs(redis.call('LPOP', queue, ARGV[2]) or {}) do
  redis.call('ZADD', leases, deadline, id)
  redis.call('HSET', ARGV[3] .. id, 'status', 'started')
  claimed[#claimed + 1] = id
  claimed[#claimed + 1] = redis.call('HGET', ARGV[3] .. id, 'call')
end
return claimed
"""


class Adapted(Adapter):
    """Jobs are a hash and a list entry; nothing is logged, watched, retried or kept apart."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(URL)

    def worker(self) -> list[str]:
        return [sys.executable, "-m", __name__]

    async def enqueue(self) -> None:
        self._put(1, "noop")

    async def enqueue_many(self, count: int) -> None:
        for begun in range(0, count, BULK):
            self._put(min(BULK, count - begun), "noop")

    async def enqueue_held(self) -> None:
        self._put(1, "hold")

    async def unfinished(self) -> int:
        return int(self._redis.llen(QUEUE)) + int(self._redis.zcard(LEASES))

    def _put(self, count: int, call: str) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for _ in range(count):
            job = uuid.uuid4().hex
            pipe.hset(JOB + job, mapping={"call": call, "status": "queued"})
            pipe.rpush(QUEUE, job)
        pipe.execute()


def serve(client: redis.Redis) -> None:
    """Run jobs until killed. While there are none it waits for the list without taking from it."""
    trade = client.register_script(TRADE)
    calls = {b"noop": noop, b"hold": hold}
    done: list[bytes] = []
    while True:
        answer = trade(keys=[QUEUE, LEASES], args=[LEASE_MS, BATCH, JOB, *done])
        done = answer[::2]
        for call in answer[1::2]:
            calls[call]()
        if not done:
            client.blmove(QUEUE, QUEUE, 1, "LEFT", "LEFT")


if __name__ == "__main__":
    serve(redis.Redis.from_url(URL))
