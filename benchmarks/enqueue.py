"""How fast jobs come in, one by one and in bulk, and what they take while they wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: The first enqueues of a client connect and load scripts.
WARM_UP = 20


@dataclass(frozen=True)
class Enqueued:
    """What it took, measured by the client itself."""

    one_per_s: float
    #: None where the system has no bulk call.
    many_per_s: float | None
    bytes_a_job: float


def measure(stage: Stage, ones: int, many: int) -> Enqueued:
    """Enqueue so many singly and so many in one bulk call, with no worker about. Raises NotRun."""
    stage.ask("one", WARM_UP)
    before = used_bytes(stage)
    one_s = stage.ask("one", ones)
    a_job = (used_bytes(stage) - before) / ones
    many_s = stage.ask("many", many)
    return Enqueued(ones / one_s, many / many_s if many_s else None, a_job)


def put(stage: Stage, jobs: int) -> None:
    """Put jobs in line for another measurement, in bulk where the system can."""
    if stage.ask("many", jobs) is None:
        stage.ask("one", jobs)


def used_bytes(stage: Stage) -> int:
    """Give what the server keeps, without scripts and the buffers of connections and of the log."""
    found = stage.redis.info("memory")
    passing = ("mem_clients_normal", "mem_aof_buffer", "used_memory_scripts_eval")
    return int(found["used_memory"]) - sum(int(found.get(name, 0)) for name in passing)
