"""Runs the cases of a sweep, some at a time, and gathers what became of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.boundaries import agreed
from holdfast.chaos.sweep.cases import Boundary, Case, Setting, Slice, cases_at
from holdfast.chaos.sweep.nursery import Nursery
from holdfast.chaos.sweep.stage import Played, Stage, environment_of
from holdfast.chaos.sweep.works import OURS, Cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.chaos.sweep.judge import Verdict

#: A fault that did not happen proves nothing: on a busy machine a worker may be too slow to come to its boundary.
_TRIES = 3


#: What becomes of a lease when its worker is hurt, or too slow for it. No run is without a fault then.
_TAKEN_AWAY = {"give_back", "reclaim"}


class NoBaseline(Exception):
    """A job did not end well although nothing was done to its worker, so no boundaries are known."""


class _TooSlow(NoBaseline):
    """A worker lost its job although nothing was done to it, as on a machine that is busy with others."""


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
    #: Boundaries that not every run without a fault came to, and in which setting: nobody is hurt there.
    by_chance: tuple[tuple[str, Setting], ...] = ()

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

    `on_plan` is told how many there will be at the most, `on_result` of each. Raises ValueError for a slice that holds
    no case, NoBaseline when the worker fails unhurt, and NoServer.
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
        if not results:
            raise ValueError(f"no case was played: {_names(cases)} came by chance, and not again")
    return Report(
        tuple(sorted(results, key=lambda result: order[result.case])),
        {setting: tuple(each.name for each in passed) for setting, passed in boundaries.items()},
        time.monotonic() - begun,
        stage.server,
        left_out=len(Slice(only.only).of(everything)) - len(cases),
        by_chance=tuple(players.by_chance),
    )


class _Players:
    """Stages, and who waits for one to be free."""

    def __init__(self, cast: Cast, stages: SimpleQueue[Stage], pool: ThreadPoolExecutor) -> None:
        self._cast = cast
        self._stages = stages
        self._pool = pool
        #: What came in some run without a fault and not in another, each once, in the order in which that was found.
        self.by_chance: dict[tuple[str, Setting], None] = {}

    def baselines(self, settings: Sequence[Setting]) -> dict[Setting, tuple[Boundary, ...]]:
        """Run each setting without a fault, and give the boundaries it passed: twice, and alone where that differs.

        Raises NoBaseline.
        """
        futures = {setting: [self._pool.submit(self._unhurt, setting) for _ in range(2)] for setting in settings}
        runs = {}
        for setting, two in futures.items():
            runs[setting] = [future.result() for future in two if not isinstance(future.exception(), _TooSlow)]
        found = {}
        for setting, passed in runs.items():
            among_others = passed if len(passed) > 1 else []
            is_sure = len({frozenset(each) for each in among_others}) == 1
            found[setting], by_chance = agreed(among_others, [] if is_sure else [self._alone(setting)])
            self.by_chance |= dict.fromkeys((name, setting) for name in by_chance)
        return found

    def play(self, cases: Sequence[Case]) -> Iterator[Result]:
        """Play cases, and give the results as they come; of those that could not be played, see `_play_alone`."""
        unknown = []
        for future in as_completed([self._pool.submit(self._result_of, case) for case in cases]):
            result = future.result()
            if result.verdict.is_unknown:
                unknown.append(result.case)
            else:
                yield result
        yield from self._play_alone(unknown)

    def _play_alone(self, cases: Sequence[Case]) -> Iterator[Result]:
        """Play cases once more, one at a time, on a machine that does nothing else for us.

        Where a run without a fault does not come to the boundary then, it came by chance before, and gives no result.
        """
        for setting, together in groupby(sorted(cases, key=_by_setting), key=lambda case: case.setting):
            those = list(together)
            there = set(those)
            with suppress(_TooSlow):
                there = set(cases_at(self._alone(setting), setting, self._cast.faults))
            for case in those:
                if case in there:
                    yield self._result_of(case)
                else:
                    self.by_chance[case.boundary, setting] = None

    def _alone(self, setting: Setting) -> tuple[Boundary, ...]:
        """Run a setting without a fault while nothing else is played, and give the boundaries it passed."""
        for _ in range(_TRIES - 1):
            with suppress(_TooSlow):
                return self._unhurt(setting)
        return self._unhurt(setting)

    def _unhurt(self, setting: Setting) -> tuple[Boundary, ...]:
        """Run a setting without a fault, and give the boundaries it passed. Raises NoBaseline."""
        played = self._on_a_stage(setting)
        waited = {("give_back", job) for job in self._cast.works[setting.work].behind}
        if any(move.move in _TAKEN_AWAY and (move.move, move.job) not in waited for move in played.moves):
            raise _TooSlow(f"{setting}, unhurt: this machine is too slow for the worker's leases\n{played.logs}")
        verdict = self._cast.judge(None, setting.work, played)
        if not verdict.is_good:
            raise NoBaseline(f"{setting}, unhurt: {'; '.join(verdict.wrongs)}\n{played.logs}")
        return played.boundaries

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


def _by_setting(case: Case) -> tuple[str, str]:
    return str(case.setting), str(case)


def _names(cases: Sequence[Case]) -> str:
    return ", ".join(dict.fromkeys(case.boundary for case in cases))
