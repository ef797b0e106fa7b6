"""How much is measured: of whom, how often, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.cast import SYSTEMS

if TYPE_CHECKING:
    from benchmarks.cast import System

MEASURES = ("enqueue", "drain", "logged", "latency", "wire", "recovery", "growth", "reaper", "profile")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole run of about twenty minutes on two cores, unless it is told otherwise."""

    systems: tuple[System, ...] = SYSTEMS
    measures: tuple[str, ...] = MEASURES
    rounds: int = 3
    #: How long a drain should take, by what is known of a system.
    drain_s: float = 1.5
    #: Waits for an idle worker, each round.
    waits: int = 60
    idle_workers: int = 1
    idle_queues: int = 1
    #: Single enqueues and those of one bulk call, each round.
    ones: int = 500
    many: int = 2_000
    #: Jobs whose round trips are counted.
    wired: int = 300
    #: How long the next begin of a killed worker's job is waited for.
    recovery_s: float = 90.0
    depths: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    leases: int = 10_000
    #: As in "redis-server"; None for whatever there is.
    server: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out of the pages that it makes: the profile is one by itself."""
        whole = Plan(server=self.server)
        return self in (whole, replace(whole, measures=("profile",)))


#: A look in some minutes: good enough to see a factor of two.
QUICK = {
    "rounds": 1,
    "drain_s": 1.0,
    "waits": 10,
    "wired": 200,
    "recovery_s": 30.0,
    "depths": (1_000, 10_000),
    "leases": 1_000,
}
