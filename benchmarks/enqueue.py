"""How fast jobs come in, one by one and in bulk, and what they take while they wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: The first enqueues of a client connect and load scripts.
WARM_UP = 20
#: How long the connections of the dead are waited for.
LEAVES_S = 2.0
#: How long it may take to fill a line, where jobs go in one by one.
PUT_S = 120.0


@dataclass(frozen=True)
class Enqueued:
    """What it took, measured by the client itself."""

    one_per_s: float
    #: None where the system has no bulk call.
    many_per_s: float | None
    bytes_a_job: float


def measure(stage: Stage, ones: int, many: int) -> Enqueued:
    """Enqueue so many singly and so many in one bulk call, with no worker about. Raises NotRun."""
    before = used_bytes(stage)
    stage.ask("one", WARM_UP)
    one_s = stage.ask("one", ones)
    many_s = stage.ask("many", many)
    if many_s is None:
        # So that the bytes are those of as many jobs.
        stage.ask("one", many)
    a_job = (used_bytes(stage) - before) / (WARM_UP + ones + many)
    return Enqueued(ones / one_s, many / many_s if many_s else None, a_job)


def put(stage: Stage, jobs: int) -> None:
    """Put jobs in line for another measurement, in bulk where the system can."""
    if stage.ask("many", jobs, within_s=PUT_S) is None:
        stage.ask("one", jobs, within_s=PUT_S)


def used_bytes(stage: Stage) -> int:
    """Give what the server keeps, without scripts and buffers: the client is ended for that."""
    stage.end_client()
    until = time.monotonic() + LEAVES_S
    while stage.redis.info("clients")["connected_clients"] > 1 and time.monotonic() < until:
        time.sleep(0.01)
    found = stage.redis.info("memory")
    passing = ("mem_aof_buffer", "used_memory_scripts_eval")
    return int(found["used_memory"]) - sum(int(found.get(name, 0)) for name in passing)
