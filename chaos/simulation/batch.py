"""Many seeds: run on all cores, judged one by one."""

from __future__ import annotations

import logging
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.servers import RealServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True)
class Seed:
    """One seed's result, small enough to send between processes."""

    seed: int
    hard: bool
    violations: tuple[str, ...]
    digest: str
    calls: int
    virtual_s: float
    faults: Counter[str] = field(default_factory=Counter)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the workers' own log out of the way: the history says the same."""
    logger = logging.getLogger("rq.worker")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def run_seed(seed: int, *, hard: bool, only: str | None = None, real: RealServer | None = None) -> Seed:
    """Run one seed and judge it."""
    with quiet():
        run = run_plan(plan_for(seed, hard=hard, only=only), real=real)
    return Seed(
        seed,
        hard,
        tuple(str(violation) for violation in run.violations()),
        run.history.digest(),
        run.calls,
        run.virtual_s,
        Counter(strike.fault for strike in run.strikes),
    )


def _run_some(task: tuple[tuple[int, ...], bool, str | None, bool]) -> list[Seed]:
    seeds, hard, only, on_real = task
    if not on_real:
        return [run_seed(seed, hard=hard, only=only) for seed in seeds]
    with RealServer() as real:
        return [run_seed(seed, hard=hard, only=only, real=real) for seed in seeds]


def run_seeds(
    seeds: Iterable[int],
    *,
    hard: bool = False,
    only: str | None = None,
    on_real: bool = False,
    processes: int | None = None,
    chunk: int = 20,
    on_seed: Callable[[Seed], None] = lambda _: None,
) -> list[Seed]:
    """Run seeds on `processes` cores (all, unless told); `on_seed` hears of each as it ends."""
    numbers = list(seeds)
    tasks = [(tuple(numbers[i : i + chunk]), hard, only, on_real) for i in range(0, len(numbers), chunk)]
    found: list[Seed] = []
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        for results in pool.map(_run_some, tasks):
            for each in results:
                on_seed(each)
                found.append(each)
    return found
