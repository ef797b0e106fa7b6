"""Many seeds: run on all cores, judged one by one."""

from __future__ import annotations

import logging
import os
import traceback
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.folder import write
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.servers import RealServer
from holdfast.chaos.simulation.telling import bug_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

#: Seeds that a process is given at a time; those on a real server, which is started for each such handful.
_HANDFUL, _REAL_HANDFUL = 4, 20
#: After so many handfuls a process makes way for a new one: what runs leave behind does not pile up.
_TASKS = 25


@dataclass(frozen=True)
class Seed:
    """One seed's result, small enough to send between processes."""

    seed: int
    hard: bool
    violations: tuple[str, ...]
    digest: str = ""
    calls: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    #: Seed, commit and the command that shows it again; empty where nothing is wrong.
    report: str = ""


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


def run_seed(
    seed: int,
    *,
    hard: bool,
    crowd: bool = False,
    only: str | None = None,
    real: RealServer | None = None,
    folder: Path | None = None,
) -> Seed:
    """Run one seed and judge it. If it is invalid, it is written down in `folder`."""
    plan = plan_for(seed, hard=hard, crowd=crowd, only=only)
    try:
        with quiet():
            run = run_plan(plan, real=real)
    except Exception as error:  # noqa: BLE001 - whatever the production code lets out is a finding
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "error.txt").write_text(traceback.format_exc(), "utf-8")
        said = f"let out {type(error).__name__}: {error}"
        return Seed(seed, hard, (said,), report=bug_report(plan, only=only, on_real=real is not None))
    violations = tuple(str(violation) for violation in run.violations())
    report = bug_report(plan, only=only, on_real=real is not None) if violations else ""
    if violations and folder is not None:
        write(run, report, folder)
    return Seed(
        seed,
        hard,
        violations,
        run.history.digest(),
        run.calls,
        run.virtual_s,
        Counter(strike.fault for strike in run.strikes),
        report,
    )


def folder_of(seed: int, *, hard: bool, crowd: bool) -> str:
    """Name the folder of one seed's run."""
    return f"seed-{seed}{'-hard' if hard else ''}{'-crowd' if crowd else ''}"


@dataclass(frozen=True)
class _Some:
    """Seeds that one process runs, each as usual or hard."""

    seeds: tuple[tuple[int, bool], ...]
    crowd: bool
    only: str | None
    on_real: bool
    folder: Path | None

    def run(self, real: RealServer | None) -> list[Seed]:
        found = []
        for seed, hard in self.seeds:
            folder = self.folder and self.folder / folder_of(seed, hard=hard, crowd=self.crowd)
            found.append(run_seed(seed, hard=hard, crowd=self.crowd, only=self.only, real=real, folder=folder))
        return found


def _run_some(some: _Some) -> list[Seed]:
    if not some.on_real:
        return some.run(None)
    with RealServer() as real:
        return some.run(real)


def run_seeds(
    seeds: Iterable[int],
    *,
    hard: Sequence[bool] = (False,),
    crowd: bool = False,
    only: str | None = None,
    on_real: bool = False,
    folder: Path | None = None,
    processes: int | None = None,
    on_seed: Callable[[Seed], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Seed]:
    """Run seeds on `processes` cores (all, unless told); `on_seed` hears of each as it ends.

    `hard=(False, True)` runs each twice, as usual and hard. An invalid run is written down in a folder of its own
    within `folder`. Seeds may go on for ever: none is begun once `is_over`, and what has begun is waited for.
    """
    each = ((seed, is_hard) for seed in seeds for is_hard in hard)
    handfuls = iter(lambda: tuple(islice(each, _REAL_HANDFUL if on_real else _HANDFUL)), ())
    cores = processes or os.cpu_count() or 1
    found: list[Seed] = []
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn"), max_tasks_per_child=_TASKS) as pool:
        some = (_Some(handful, crowd, only, on_real, folder) for handful in handfuls)
        # One more than can be run at once, so that no core waits.
        running = deque(pool.submit(_run_some, next_) for next_ in islice(some, cores + 1))
        while running:
            for seed in running.popleft().result():
                on_seed(seed)
                found.append(seed)
            if not is_over():
                running.extend(pool.submit(_run_some, next_) for next_ in islice(some, 1))
    return found
