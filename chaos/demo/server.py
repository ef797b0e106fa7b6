"""A server that somebody else runs, for the demo: entered only when nobody is in, and left tidy."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import redis

from holdfast.chaos.demo.fleet import QUEUES
from holdfast.jobs.store import keys
from holdfast.jobs.store.door import check_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.chaos.demo.scene import Scene

_REPLY_S = 5
_PAGE = 1_000


class Occupied(Exception):
    """The server has jobs or workers on the demo's queues."""


class GivenServer:
    """The server at an address. Entering it raises Occupied, UnsupportedServer or redis.RedisError."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> Self:
        with self.client() as client:
            check_server(client)
            found = [*_jobs_on(client), *_workers_on(client)]
        if found:
            raise Occupied(
                f"{spoken(self.url)} is in use: {', '.join(found[:3])}. The demo's workers serve the queues "
                f"{' and '.join(QUEUES)}: they would run what is there, and others would take its orders. Name a "
                f"server where these queues are free, or leave --redis-url out: then it starts one of its own."
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running."""

    def client(self) -> redis.Redis:
        """Make a client that re-sends nothing."""
        return redis.Redis.from_url(self.url, socket_timeout=_REPLY_S, socket_connect_timeout=_REPLY_S, retry=None)


def _jobs_on(client: redis.Redis) -> list[str]:
    counts: dict[str, Callable[[str], Any]] = {
        keys.queue.spelling: client.llen,
        keys.wip.spelling: client.zcard,
        keys.leases.spelling: client.zcard,
        keys.scheduled.spelling: client.zcard,
    }
    found = [(spelling.format(queue), count) for queue in QUEUES for spelling, count in counts.items()]
    return [f"{count(key)} jobs in {key}" for key, count in found if count(key)]


def _workers_on(client: redis.Redis) -> list[str]:
    found = []
    for name in client.scan_iter(match=keys.worker("*"), count=_PAGE):
        entry: list[Any] = client.hmget(name, "queues", "death")
        queues, death = entry
        served = (queues or b"").decode()
        if not death and not set(QUEUES).isdisjoint(served.split(",")):
            found.append(f"{name.decode()} serves {served}")
    return found


def spoken(url: str) -> str:
    """Give an address without the name and password in it, which may also stand behind a question mark."""
    return re.sub(r"//[^/]*@", "//", url).partition("?")[0]


def describe(client: redis.Redis) -> str:
    """Name the server and its version."""
    info: dict[str, Any] = client.info("server")
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}"


def finished_of(client: redis.Redis, jobs: Iterable[str]) -> frozenset[str]:
    """Tell which of these jobs are finished by their own records."""
    asked = list(jobs)
    with client.pipeline(transaction=False) as pipeline:
        for job in asked:
            pipeline.hget(keys.job(job), "status")
        return frozenset(job for job, status in zip(asked, pipeline.execute(), strict=True) if status == b"finished")


def tidy(scene: Scene) -> None:
    """Take back what a demo would leave to others: orders that are not finished, and entries of dead workers.

    Finished orders are left to expire, as any job's record does; so is a stream of moves that was there before.
    """
    with suppress(redis.RedisError), scene.redis.pipeline() as pipeline:
        open_jobs = set(scene.jobs.values()) - finished_of(scene.redis, scene.jobs.values())
        claims = [move for move in scene.story.moves if move.move == "claim" and move.job in open_jobs]
        for queue in QUEUES:
            for job in open_jobs:
                pipeline.lrem(keys.queue(queue), 0, job)
                pipeline.zrem(keys.scheduled(queue), job)
            for claim in claims:
                pipeline.zrem(keys.leases(queue), f"{claim.job}:{claim.execution}")
                pipeline.zrem(keys.wip(queue), f"{claim.job}:{claim.execution}")
        for job in open_jobs:
            pipeline.delete(keys.job(job), keys.executions(job))
        for worker in scene.fleet.all:
            pipeline.delete(keys.worker(worker.name))
        if not scene.found_moves:
            pipeline.delete(keys.moves())
        pipeline.execute()
