"""Faults that strike a process: killed, frozen, asked to stop, under a wrong clock; alone or with its family."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.processes.nemesis import Cast, Heal, Missed, Pool, fault, is_healed
from holdfast.chaos.processes.wrong_clock import wrong_by

if TYPE_CHECKING:
    import random

    from holdfast.chaos.processes.family import Family

_STORM = 5
_STORM_S = 0.03


def find(pool: Pool, place: str) -> Family:
    """Give the process that stands in a place. Raises Missed where there is none."""
    living = pool.fleet.places[place].living if place in pool.fleet.places else None
    if living is None:
        raise Missed
    return living


def find_at_work(pool: Pool, worker: str) -> Family:
    """Give the worker of a place while it has a job: hurt between two, it has little to lose. Raises Missed."""
    family = find(pool, worker)
    if not family.horses():
        raise Missed
    return family


@dataclass(frozen=True)
class _OnWorker:
    worker: str
    for_ms: int = 0

    @property
    def target(self) -> str:
        return self.worker

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.choice(cast.workers))


@fault("FM-001", "a worker is killed with its horse, as a machine that loses its power")
@dataclass(frozen=True)
class KillTree(_OnWorker):
    def harm(self, pool: Pool) -> Heal:
        family = find_at_work(pool, self.worker)
        family.tell(signal.SIGSTOP)
        family.tell(signal.SIGKILL, whole=True)
        return is_healed


@fault("FM-004", "a worker is killed and its horse is not")
@dataclass(frozen=True)
class KillParent(_OnWorker):
    def harm(self, pool: Pool) -> Heal:
        find_at_work(pool, self.worker).tell(signal.SIGKILL)
        return is_healed


@fault("FM-003", "a horse is killed and its worker is not")
@dataclass(frozen=True)
class KillHorse(_OnWorker):
    def harm(self, pool: Pool) -> Heal:
        family = find_at_work(pool, self.worker)
        family.tell_each(family.horses(), signal.SIGKILL)
        return is_healed


@fault("FM-006", "the keeper is killed")
@dataclass(frozen=True)
class KillKeeper:
    for_ms: int = 0
    target = "keeper"

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:  # noqa: ARG003 - there is one keeper
        return cls()

    def harm(self, pool: Pool) -> Heal:
        find(pool, "keeper").tell(signal.SIGKILL)
        return is_healed


@dataclass(frozen=True)
class _Pause(_OnWorker):
    """Stop a worker with SIGSTOP and let it go on with SIGCONT."""

    def harm(self, pool: Pool) -> Heal:
        family = find_at_work(pool, self.worker)
        family.tell(signal.SIGSTOP, whole=self._is_whole)
        return lambda: family.tell(signal.SIGCONT, whole=True)

    @property
    def _is_whole(self) -> bool:
        return True


@fault("FM-012", "a worker and its horse freeze, and wake before their lease has ended")
@dataclass(frozen=True)
class Doze(_Pause):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.choice(cast.workers), rng.randrange(300, cast.lease_ms // 2))


@fault("FM-012", "a worker and its horse freeze, and wake after their lease has ended")
@dataclass(frozen=True)
class Sleep(_Pause):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.choice(cast.workers), cast.lease_ms + rng.randrange(1_500, 5_000))


@fault("FM-015", "a worker freezes, and its horse works on without renewals")
@dataclass(frozen=True)
class PauseParent(_Pause):
    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.choice(cast.workers), rng.choice((1_000, cast.lease_ms + 2_000)))

    @property
    def _is_whole(self) -> bool:
        return False


@fault("FM-016", "a worker is replaced by one whose wall clock is wrong by minutes, and later by one whose is right")
@dataclass(frozen=True)
class WrongClock(_OnWorker):
    wrong_by_ms: int = 0

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        wrong_by_ms = rng.choice((-1, 1)) * rng.randrange(60_000, 600_000)
        return cls(rng.choice(cast.workers), rng.randrange(6_000, 15_000), wrong_by_ms)

    def harm(self, pool: Pool) -> Heal:
        environment = wrong_by(self.wrong_by_ms, pool.fleet.folder)
        self._replace(pool, find(pool, self.worker), environment)

        def heal() -> None:
            self._replace(pool, pool.fleet.places[self.worker].living, {})

        return heal

    def _replace(self, pool: Pool, living: Family | None, environment: dict[str, str]) -> None:
        pool.fleet.places[self.worker].environment = environment
        if living is not None:
            living.tell(signal.SIGTERM)


@fault("FM-044", "a worker is asked to stop, as in a deploy, and replaced")
@dataclass(frozen=True)
class Deploy(_OnWorker):
    def harm(self, pool: Pool) -> Heal:
        find_at_work(pool, self.worker).tell(signal.SIGTERM)
        return is_healed


@fault("FM-044", "a worker and its horse are asked to stop five times in a tenth of a second")
@dataclass(frozen=True)
class DeployStorm(_OnWorker):
    def harm(self, pool: Pool) -> Heal:
        family = find_at_work(pool, self.worker)
        for _ in range(_STORM):
            family.tell(signal.SIGTERM, whole=True)
            time.sleep(_STORM_S)
        return is_healed


@fault("FM-044", "all workers are asked to stop within a second")
@dataclass(frozen=True)
class RollingDeploy:
    workers: tuple[str, ...]
    for_ms: int = 0
    target = "all"

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(tuple(rng.sample(cast.workers, len(cast.workers))))

    def harm(self, pool: Pool) -> Heal:
        for worker in self.workers:
            living = pool.fleet.places[worker].living
            if living is not None:
                living.tell(signal.SIGTERM)
        return is_healed
