"""Faults that strike the server, and so everybody: restarted, killed, replaced, frozen, full, forgetful of scripts."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from redis.exceptions import RedisError

from holdfast.chaos.processes.nemesis import Cast, Heal, Missed, Pool, fault, is_healed

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class _OnServer:
    for_ms: int = 0
    target = "redis"

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:  # noqa: ARG003 - there is one server
        return cls()


@fault("FM-023", "the server is restarted on its append-only file", is_shared=True)
@dataclass(frozen=True)
class Restart(_OnServer):
    def harm(self, pool: Pool) -> Heal:
        pool.server.restart()
        return is_healed


@fault("FM-019", "the server is killed, and started again on its append-only file after a while", is_shared=True)
@dataclass(frozen=True)
class KillServer(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.randrange(200, cast.lease_ms * 2))

    def harm(self, pool: Pool) -> Heal:
        pool.server.kill()
        return pool.server.restart


@dataclass(frozen=True)
class _PauseServer(_OnServer):
    def harm(self, pool: Pool) -> Heal:
        pool.server.pause()
        return pool.server.resume


@fault("FM-023", "the server freezes for less than a lease", is_shared=True)
@dataclass(frozen=True)
class ServerDozes(_PauseServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.randrange(500, cast.lease_ms - 500))


@fault("FM-023", "the server freezes for longer than a lease", is_shared=True)
@dataclass(frozen=True)
class ServerSleeps(_PauseServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(cast.lease_ms + rng.randrange(1_000, 3_000))


@fault(
    "FM-019",
    "the server is killed and forgets what it has acknowledged since the fault began: the tail of its file is cut",
    is_shared=True,
    is_lossy=True,
)
@dataclass(frozen=True)
class CutTail(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:  # noqa: ARG003 - what an fsync each second may lose
        return cls(rng.randrange(200, 2_000))

    def harm(self, pool: Pool) -> Heal:
        # The server writes to it before it answers, whole commands at a time.
        (tail,) = (pool.server.data / "appendonlydir").glob("*.incr.aof")
        size = tail.stat().st_size

        def heal() -> None:
            pool.server.kill()
            os.truncate(tail, size)
            pool.server.restart()

        return heal


@fault(
    "FM-022",
    "a replica that has heard everything takes over, and the old server answers READONLY until clients are moved",
    is_shared=True,
)
@dataclass(frozen=True)
class HandOver(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.randrange(300, cast.lease_ms + 1_000))

    def harm(self, pool: Pool) -> Heal:
        replica = pool.seat.start_replica()
        try:
            pool.seat.hand_over(replica)
        except (Missed, RedisError):
            replica.stop()
            raise
        return lambda: pool.seat.give_to(replica)


@fault(
    "FM-020",
    "the link to the replica is cut, and after a while the server dies and the replica takes its place",
    is_shared=True,
    is_lossy=True,
)
@dataclass(frozen=True)
class LosePrimary(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:  # noqa: ARG003 - as far as a replica may well lag behind
        return cls(rng.randrange(200, 2_000))

    def harm(self, pool: Pool) -> Heal:
        primary, replica = pool.server, pool.seat.start_replica()
        pool.seat.cut(replica)

        def heal() -> None:
            if pool.server is primary:
                primary.kill()
            pool.seat.give_to(replica)

        return heal


@fault(
    "FM-021",
    "a replica is promoted, and until it is over clients with a wire write to it, and all others to the old server",
    is_shared=True,
    is_lossy=True,
)
@dataclass(frozen=True)
class TwoPrimaries(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:  # noqa: ARG003 - what sentinels take to agree
        return cls(rng.randrange(500, 3_000))

    def harm(self, pool: Pool) -> Heal:
        replica = pool.seat.start_replica()
        pool.seat.promote(replica)
        _lead(pool, replica.port)

        def heal() -> None:
            pool.seat.give_to(replica)
            _lead(pool, pool.seat.port)

        return heal


def _lead(pool: Pool, port: int) -> None:
    for wire in pool.wires.values():
        wire.proxy.target = ("127.0.0.1", port)
        wire.proxy.cut()


@fault("FM-025", "the server's disk is full: its file cannot grow, and it refuses what would write", is_shared=True)
@dataclass(frozen=True)
class FillDisk(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.randrange(1_000, cast.lease_ms + 2_000))

    def harm(self, pool: Pool) -> Heal:
        server = pool.server
        server.disk.fill()

        def heal() -> None:
            server.disk.free()
            # As the runbook asks of an operator: what it writes now it may not be able to read again.
            server.rewrite_log()

        return heal


@fault("FM-030", "the server forgets its scripts", is_shared=True)
@dataclass(frozen=True)
class FlushScripts(_OnServer):
    def harm(self, pool: Pool) -> Heal:
        pool.redis.script_flush()
        return is_healed


@fault("FM-007", "the server hangs up on everybody", is_shared=True)
@dataclass(frozen=True)
class HangUp(_OnServer):
    def harm(self, pool: Pool) -> Heal:
        # One of those it hangs up on may be we.
        with suppress(RedisError):
            pool.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with suppress(RedisError):
            pool.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        return is_healed


@fault("FM-024", "the server's memory is full: it refuses what would write", is_shared=True)
@dataclass(frozen=True)
class FillMemory(_OnServer):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.randrange(1_000, cast.lease_ms + 2_000))

    def harm(self, pool: Pool) -> Heal:
        pool.redis.config_set("maxmemory", "1mb")

        def heal() -> None:
            pool.redis.config_set("maxmemory", "0")

        return heal
