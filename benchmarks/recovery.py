"""How soon another worker begins a job again whose worker was killed, with all its children, in its middle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.stage import NotRun

if TYPE_CHECKING:
    from benchmarks.stage import Stage

WORKERS = 2
#: A system that gives all its jobs to one of two workers is not kept from it for longer.
BOTH_UP_S = 12.0
BEGINS_S = 10.0
#: Into the job, past whatever a system does at its begin.
MIDDLE_S = 1.0


#: Other jobs keep coming in: some systems look for the dead only when there is something else to do.
EACH_S = 0.5


def measure(stage: Stage, bound_s: float) -> float | None:
    """Give the seconds from the kill to the job's next begin; None if there was none within the bound.

    The stage must have a pipe, and no workers yet. Raises NotRun.
    """
    stage.start_workers(WORKERS)
    _wait_until_both_serve(stage)
    stage.ask("held")
    if (begun := stage.pipe.next(BEGINS_S, held=True)) is None:
        stage.check_workers()
        raise NotRun(f"the job was not begun after {BEGINS_S:.0f} s")
    if stage.pipe.next(MIDDLE_S, held=True) is not None:
        raise NotRun(f"the job was begun a second time within {MIDDLE_S:.0f} s, while its worker lived")
    stage.kill_worker(begun.worker)
    killed = time.monotonic()
    while time.monotonic() < killed + bound_s:
        stage.ask("one")
        if (again := stage.pipe.next(EACH_S, held=True)) is not None:
            return again.moment - killed
    return None


def _wait_until_both_serve(stage: Stage) -> None:
    """Send jobs until both have run one, or for long enough that both are up."""
    until = time.monotonic() + BOTH_UP_S
    served: set[int] = set()
    while len(served) < WORKERS and time.monotonic() < until:
        for _ in range(WORKERS):
            stage.ask("one")
        while (begun := stage.pipe.next(0.2)) is not None:
            served.add(begun.worker)
        stage.check_workers()
    stage.wait_until_done(BOTH_UP_S)
