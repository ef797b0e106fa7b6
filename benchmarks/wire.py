"""How many round trips a job takes, counted between client or worker and server by a relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import drain
from benchmarks.relay import Relay

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: The first enqueues of a client connect and load scripts.
WARM_UP, ENQUEUES = 5, 50


@dataclass(frozen=True)
class Trips:
    """Round trips for one job."""

    enqueue: float
    run: float


def of_enqueue(stage: Stage) -> float:
    """Count the trips of single enqueues. Raises NotRun."""
    with Relay(stage.server.port) as relay:
        stage.start_client(relay.url)
        stage.ask("one", WARM_UP)
        before = len(relay.trips)
        stage.ask("one", ENQUEUES)
        return (len(relay.trips) - before) / ENQUEUES


def of_run(stage: Stage, jobs: int) -> float:
    """Count the trips of a worker while it drains, those of its heartbeats and chores too. Raises NotRun."""
    with Relay(stage.server.port) as relay:
        window = drain.measure(stage, jobs, 1, relay.url).window
        return sum(map(window.holds, relay.trips)) / window.jobs
