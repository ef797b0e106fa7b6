"""How many round trips a job takes, counted by a relay before the server, and what is kept of it there in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import drain
from benchmarks.enqueue import used_bytes
from benchmarks.relay import Relay

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: The first enqueues of a client connect and load scripts, the first jobs leave what is there once for all jobs.
WARM_UP, ENQUEUES, JOBS = 5, 50, 100


@dataclass(frozen=True)
class Run:
    """What one job takes to be run."""

    trips: float
    bytes_kept: float


def of_enqueue(stage: Stage) -> float:
    """Count the trips of single enqueues. Raises NotRun."""
    with Relay(stage.server.port) as relay:
        stage.start_client(relay.url)
        stage.ask("one", WARM_UP)
        before = len(relay.trips)
        stage.ask("one", ENQUEUES)
        return (len(relay.trips) - before) / ENQUEUES


def of_run(stage: Stage, jobs: int) -> Run:
    """Count the trips of a worker while it drains, those of its heartbeats and chores too. Raises NotRun."""
    drain.run(stage, JOBS, 1)
    before = used_bytes(stage)
    with Relay(stage.server.port) as relay:
        window = drain.measure(stage, jobs, 1, relay.url).window
        trips = sum(map(window.holds, relay.trips)) / window.jobs
    # Of a system that keeps nothing, what is left is the noise of tables that shrink.
    return Run(trips, max(0.0, (used_bytes(stage) - before) / jobs))
