"""Faults that come at a moment rather than at a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.faults import fault
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    import random

    from holdfast.chaos.simulation.actors import Stage


@fault("FM-044", "A worker gets SIGTERM, perhaps twice, as in a deploy")
@dataclass(frozen=True)
class Terminate:
    worker: int
    twice: bool
    count = 1.5

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8), rng.random() < 0.3)  # noqa: PLR2004 - now and then

    def harm(self, stage: Stage) -> None:
        worker = stage.workers[self.worker % len(stage.workers)]
        worker.terminate()
        if self.twice:
            stage.world.at(stage.world.now_us + 2_000_000, worker.terminate)


@fault("FM-017", "The server's clock jumps forward")
@dataclass(frozen=True)
class ClockForward:
    by_ms: int
    count = 0.3

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice((900, 5_000, 60_000)))

    def harm(self, stage: Stage) -> None:
        stage.world.server_skew_us += self.by_ms * 1_000


@fault("FM-018", "The server's clock jumps back, as after a failover to a slow node")
@dataclass(frozen=True)
class ClockBack:
    by_ms: int
    count = 0.3

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.choice((900, 5_000, 60_000)))

    def harm(self, stage: Stage) -> None:
        stage.world.server_skew_us -= self.by_ms * 1_000


@fault("FM-030", "The server forgets all scripts")
@dataclass(frozen=True)
class ScriptsForgotten:
    count = 1.0

    @classmethod
    def draw(cls, rng: random.Random) -> Self:  # noqa: ARG003 - nothing to draw
        return cls()

    def harm(self, stage: Stage) -> None:
        stage.judge.script_flush()


@fault("FM-033", "Something in line cannot be a job: no record, or one that says nothing")
@dataclass(frozen=True)
class DirtInLine:
    hollow: bool
    count = 0.5

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.random() < 0.5)  # noqa: PLR2004 - a fair coin

    def harm(self, stage: Stage) -> None:
        job_id = f"dirt-{stage.world.now_us}"
        if self.hollow:
            stage.judge.hset(keys.job(job_id), mapping={"status": "queued", "meta": b"\x80"})
        stage.judge.lpush(keys.queue(stage.queues[0]), job_id)


@fault("FM-016", "A process' wall clock is wrong by minutes")
@dataclass(frozen=True)
class Skew:
    worker: int
    by_ms: int
    count = 0.5

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        return cls(rng.randrange(8), rng.choice((-400_000, -20_000, 2_000, 400_000)))

    def harm(self, stage: Stage) -> None:
        process = stage.workers[self.worker % len(stage.workers)].process
        if process is not None:
            for member in process.family():
                member.skew_us = self.by_ms * 1_000
