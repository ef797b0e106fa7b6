"""How fast jobs that are in line get done, and what that costs the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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


class Effort(NamedTuple):
    """Processor time: seconds of a moment, or µs for a job."""

    #: The server's main thread and its helpers.
    server: float
    #: All workers, with all their children.
    workers: float


@dataclass(frozen=True)
class Drained:
    """What it took to get jobs done."""

    window: Window
    #: For one job, in µs. It tells systems apart where other work takes the machine's time too.
    effort: Effort


def measure(stage: Stage, jobs: int, workers: int, url: str | None = None) -> Drained:
    """Put jobs in line, then start workers on them, by that address if another is given. Raises NotRun, TooFew.

    The rate is that of the time in which all workers serve: see `stamps.steady`.
    """
    effort = run(stage, jobs, workers, url)
    window = steady(stage.stamps.read(), workers)
    if window is None:
        raise TooFew(f"{jobs} jobs were done before {workers} workers had begun: they were too few")
    return Drained(window, effort)


def run(stage: Stage, jobs: int, workers: int, url: str | None = None) -> Effort:
    """Have it all done, and the workers ended; give the time that a job took, in µs. Raises NotRun."""
    stage.forget_stamps()
    put(stage, jobs)
    stage.start_workers(workers, url)
    effort = _watch(stage, jobs)
    stage.wait_until_done(SILENT_S)
    stage.end_workers()
    return effort


def _watch(stage: Stage, jobs: int) -> Effort:
    """Return when all jobs have begun: with the time that a job took, without those of the cold start."""
    seen, cold = 0, (0, Effort(0, 0))
    last_news = time.monotonic()
    while seen < jobs:
        time.sleep(LOOK_S)
        stage.check_workers()
        now_seen = stage.stamps.count()
        if now_seen > seen:
            last_news, seen = time.monotonic(), now_seen
            if not cold[0] and seen > jobs * COLD:
                cold = seen, _spent(stage)
        elif time.monotonic() > last_news + SILENT_S:
            raise NotRun(f"{seen} of {jobs} jobs were begun, and then none for {SILENT_S:.0f} s")
    # Too quick to be seen under way: then the cold start is part of it.
    begun, before = cold if cold[0] < jobs else (0, Effort(0, 0))
    pairs = zip(_spent(stage), before, strict=True)
    return Effort(*((after - earlier) / (seen - begun) * 1e6 for after, earlier in pairs))


def _spent(stage: Stage) -> Effort:
    server = stage.redis.info("cpu")
    return Effort(float(server["used_cpu_user"]) + float(server["used_cpu_sys"]), stage.workers_cpu_s())
