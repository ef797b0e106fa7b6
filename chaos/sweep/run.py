"""Runs the cases of a sweep, some at a time, and gathers what became of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.cases import Boundary, Case, Setting, Slice, cases_at
from holdfast.chaos.sweep.nursery import Nursery
from holdfast.chaos.sweep.stage import Played, Stage, environment_of
from holdfast.chaos.sweep.works import OURS, Cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.chaos.sweep.judge import Verdict

#: A fault that did not happen proves nothing: on a busy machine a worker may be too slow to come to its boundary.
_TRIES = 3


class NoBaseline(Exception):
    """A job did not end well although nothing was done to its worker, so no boundaries are known."""


@dataclass(frozen=True)
class Result:
    """One case, what became of it, and for how many seconds it was played."""

    case: Case
    verdict: Verdict
    seconds: float
    #: What the workers said, where the verdict is not good.
    logs: str = ""


@dataclass(frozen=True)
class Report:
    """What a sweep found."""

    #: In the order of the requests.
    results: tuple[Result, ...]
    #: Of each setting, the names of its boundaries in the order of the requests.
    boundaries: dict[Setting, tuple[str, ...]]
    seconds: float
    #: Which server program, and its version.
    server: str
    #: How many of the cases that were meant stand in other parts.
    left_out: int = 0

    @property
    def bad(self) -> list[Result]:
        """The cases that did not go well, and those that could not be played."""
        return [result for result in self.results if not result.verdict.is_good]


def run_sweep(
    only: Slice | None = None,
    *,
    jobs: int = 4,
    cast: Cast = OURS,
    on_plan: Callable[[int], object] = lambda _: None,
    on_result: Callable[[Result], object] = lambda _: None,
) -> Report:
    """Play the cases of a slice, `jobs` at a time, each on a server of its own.

    `on_plan` is told how many there will be, `on_result` of each. Raises ValueError for a slice that holds no case,
    NoBaseline when the worker fails unhurt, and NoServer.
    """
    only = only or Slice()
    begun = time.monotonic()
    with ExitStack() as exits:
        folder = Path(exits.enter_context(TemporaryDirectory(prefix="holdfast-nursery-")))
        nursery = exits.enter_context(Nursery(_modules_of(cast), environment_of(cast), folder))
        stages: SimpleQueue[Stage] = SimpleQueue()
        for _ in range(jobs):
            stage = exits.enter_context(Stage(cast, nursery))
            stages.put(stage)
        pool = exits.enter_context(ThreadPoolExecutor(jobs))
        exits.callback(pool.shutdown, cancel_futures=True)
        players = _Players(cast, stages, pool)
        boundaries = players.baselines([setting for setting in cast.settings if only.may_hold(setting)])
        everything = [case for setting, passed in boundaries.items() for case in cases_at(passed, setting, cast.faults)]
        cases = only.of(everything)
        if not cases:
            raise ValueError(f"no case is {only.only}; the boundaries are: {_names(everything)}")
        on_plan(len(cases))
        order = {case: number for number, case in enumerate(cases)}
        results = []
        for result in players.play(cases):
            results.append(result)
            on_result(result)
    return Report(
        tuple(sorted(results, key=lambda result: order[result.case])),
        {setting: tuple(each.name for each in passed) for setting, passed in boundaries.items()},
        time.monotonic() - begun,
        stage.server,
        left_out=len(Slice(only.only).of(everything)) - len(cases),
    )


class _Players:
    """Stages, and who waits for one to be free."""

    def __init__(self, cast: Cast, stages: SimpleQueue[Stage], pool: ThreadPoolExecutor) -> None:
        self._cast = cast
        self._stages = stages
        self._pool = pool

    def baselines(self, settings: Sequence[Setting]) -> dict[Setting, tuple[Boundary, ...]]:
        """Run each setting without a fault, and give the boundaries it passed."""
        found = {}
        for setting, played in zip(settings, self._pool.map(self._on_a_stage, settings), strict=True):
            verdict = self._cast.judge(None, setting.work, played)
            if not verdict.is_good:
                raise NoBaseline(f"{setting}, unhurt: {'; '.join(verdict.wrongs)}\n{played.logs}")
            found[setting] = played.boundaries
        return found

    def play(self, cases: Sequence[Case]) -> Iterator[Result]:
        """Play cases, and give the results as they come."""
        for future in as_completed([self._pool.submit(self._result_of, case) for case in cases]):
            yield future.result()

    def _result_of(self, case: Case) -> Result:
        for _ in range(_TRIES):
            played = self._on_a_stage(case.setting, case)
            verdict = self._cast.judge(case, case.setting.work, played)
            if not verdict.is_unknown:
                break
        return Result(case, verdict, played.seconds, "" if verdict.is_good else played.logs)

    def _on_a_stage(self, setting: Setting, case: Case | None = None) -> Played:
        stage = self._stages.get()
        try:
            return stage.play(setting, case)
        finally:
            self._stages.put(stage)


def _modules_of(cast: Cast) -> set[str]:
    """Name what a worker would import before it begins."""
    workers = {worker.rpartition(".")[0] for worker in (cast.worker, cast.healthy_worker)}
    return workers | {tasks.__name__}


def _names(cases: Sequence[Case]) -> str:
    return ", ".join(dict.fromkeys(case.boundary for case in cases))
