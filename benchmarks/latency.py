"""How long a job waits for an idle worker: from just before its enqueue to the first line of its function."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from benchmarks.stage import NotRun

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: A worker that has nothing to do is about to block: this long after it, it does.
SETTLES_S = 0.03
#: Polls come by the clock: at a random moment between two of them they cost what they cost.
VARIES_S = 0.05
LONGEST_WAIT_S = 20.0
#: The first jobs find caches and connections cold, as no idle worker's are after its first hour.
WARM_UP = 3


def measure(stage: Stage, times: int, workers: int = 1) -> list[float]:
    """Give the waits in ms. The stage must have a pipe, and no workers yet. Raises NotRun."""
    stage.start_workers(workers)
    waits = []
    for number in range(WARM_UP + times):
        enqueued = float(stage.ask("now"))
        begun = stage.pipe.next(LONGEST_WAIT_S)
        if begun is None:
            stage.check_workers()
            raise NotRun(f"a job was not begun after {LONGEST_WAIT_S:.0f} s")
        if number >= WARM_UP:
            waits.append((begun.moment - enqueued) * 1000)
        _wait_until_idle(stage)
    return waits


def _wait_until_idle(stage: Stage) -> None:
    until = time.monotonic() + LONGEST_WAIT_S
    while not stage.ask("idle"):
        if time.monotonic() > until:
            raise NotRun(f"its workers were not idle after {LONGEST_WAIT_S:.0f} s")
        time.sleep(0.005)
    time.sleep(SETTLES_S + random.uniform(0, VARIES_S))
