"""How fast jobs that are in line get done, and what that costs the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.enqueue import put
from benchmarks.stage import NotRun
from benchmarks.stamps import COLD, steady

if TYPE_CHECKING:
    from benchmarks.stage import Stage
    from benchmarks.stamps import Window

LOOK_S = 0.02
SILENT_S = 15.0


class TooFew(NotRun):
    """All jobs were done before all workers had begun."""


@dataclass(frozen=True)
class Drained:
    """What it took to get jobs done."""

    window: Window
    #: Processor time of the server, in its main thread and its helpers, for one job.
    server_us: float


def measure(stage: Stage, jobs: int, workers: int, url: str | None = None) -> Drained:
    """Put jobs in line, then start workers on them, by that address if another is given. Raises NotRun, TooFew.

    The rate is that of the time in which all workers serve: see `stamps.steady`.
    """
    server_us = run(stage, jobs, workers, url)
    window = steady(stage.stamps.read(), workers)
    if window is None:
        raise TooFew(f"{jobs} jobs were done before {workers} workers had begun: they were too few")
    return Drained(window, server_us)


def run(stage: Stage, jobs: int, workers: int, url: str | None = None) -> float:
    """Have it all done, and the workers ended; give the server's time for a job in µs. Raises NotRun."""
    stage.forget_stamps()
    put(stage, jobs)
    stage.start_workers(workers, url)
    server_us = _watch(stage, jobs)
    stage.wait_until_done(SILENT_S)
    stage.end_workers()
    return server_us


def _watch(stage: Stage, jobs: int) -> float:
    """Return when all jobs have begun: with the server's time for a job, without those of the cold start."""
    seen, cold = 0, (0, 0.0)
    last_news = time.monotonic()
    while seen < jobs:
        time.sleep(LOOK_S)
        stage.check_workers()
        now_seen = stage.stamps.count()
        if now_seen > seen:
            last_news, seen = time.monotonic(), now_seen
            if not cold[0] and seen > jobs * COLD:
                cold = seen, _cpu_s(stage)
        elif time.monotonic() > last_news + SILENT_S:
            raise NotRun(f"{seen} of {jobs} jobs were begun, and then none for {SILENT_S:.0f} s")
    # Too quick to be seen under way: then the cold start is part of it.
    begun, begun_s = cold if cold[0] < jobs else (0, 0.0)
    return (_cpu_s(stage) - begun_s) / (seen - begun) * 1e6


def _cpu_s(stage: Stage) -> float:
    found = stage.redis.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
