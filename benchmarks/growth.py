"""Whether Holdfast slows down as its queue grows: the drain rate with a thousand to a million jobs in line."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.stage import NotRun
from benchmarks.stamps import Stamps, steady
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.stage import Stage

#: As adapters/rq.py has it.
QUEUE = "bench"
#: A script that copies many more would keep the server from everything else for too long.
A_CALL = 10_000
#: At least so many jobs, for about so long, so many times, are measured at each depth. On a machine that others share
#: one time differs from the next by a quarter.
JOBS, FOR_S, TIMES = 100, 1.0, 9
LONGEST_S = 30.0

CLONE = """
for number = ARGV[2], ARGV[3] do
  local id = 'clone-' .. string.format('%d', number)
  redis.call('COPY', KEYS[1], ARGV[1] .. id)
  redis.call('RPUSH', KEYS[2], id)
end
"""


class Line:
    """A line of clones of one job that was enqueued as jobs are."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._redis: Any = stage.redis
        stage.ask("one")
        self._template = f"template:{keys.job('')}"
        (original,) = self._redis.lrange(keys.queue(QUEUE), 0, -1)
        self._redis.copy(keys.job(original.decode()), self._template)
        self._made = 0

    def grow_to(self, length: int) -> None:
        """Add clones at its end until it is that long."""
        missing = length - self._redis.llen(keys.queue(QUEUE))
        for begun in range(0, missing, A_CALL):
            count = min(A_CALL, missing - begun)
            given = (keys.job(""), self._made, self._made + count - 1)
            self._redis.eval(CLONE, 2, self._template, keys.queue(QUEUE), *given)
            self._made += count


def measure(open_stage: Callable[[], Stage], depths: Sequence[int], jobs_per_s: float) -> dict[int, list[float]]:
    """Give the jobs per second while so many stay in line, each time, by depth. Raises NotRun.

    Each depth has a server of its own, and they take turns: what the machine does meanwhile hits them all.
    """
    jobs = max(JOBS, int(jobs_per_s * FOR_S))
    rates: dict[int, list[float]] = {depth: [] for depth in depths}
    with ExitStack() as stack:
        lines = {depth: Line(stack.enter_context(open_stage())) for depth in depths}
        for _ in range(TIMES):
            for depth, line in lines.items():
                line.grow_to(depth + jobs)
                rates[depth].append(_rate(line.stage, jobs))
    return rates


def _rate(stage: Stage, jobs: int) -> float:
    stage.forget_stamps()
    stage.start_workers(1)
    try:
        _wait_for(stage.stamps, jobs, stage)
    finally:
        stage.end_workers()
    window = steady(stage.stamps.read(), 1)
    if window is None:
        raise NotRun(f"of {jobs} jobs too few were begun to measure")
    return window.per_s


def _wait_for(stamps: Stamps, jobs: int, stage: Stage) -> None:
    until = time.monotonic() + LONGEST_S
    while stamps.count() < jobs and time.monotonic() < until:
        stage.check_workers()
        time.sleep(0.02)
