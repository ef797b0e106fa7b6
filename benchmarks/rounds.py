"""Runs a plan: in each round every system once, in rotated order, so that what the machine does hits all alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from benchmarks import drain, enqueue, growth, latency, reaper_pass, recovery, wire
from benchmarks.stage import NotRun, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.cast import System
    from benchmarks.figures import Results
    from benchmarks.machine import Cores
    from benchmarks.plan import Plan

    #: Told before each step what comes.
    Tell = Callable[[str], None]
    Turn = Callable[[System, int], None]

T = TypeVar("T")

WORKERS = (1, 2)
#: Fewer say nothing; more fill the server's memory and the clock.
FEWEST, MOST, MORE = 100, 150_000, 4
#: A relay is slow: a second's jobs of a quick system, but no more than these, go through it.
MOST_WIRED = 3_000


class Rounds:
    """One run of a plan, whose numbers go into `results` as they come."""

    def __init__(self, plan: Plan, cores: Cores, results: Results, tell: Tell) -> None:
        self._plan = plan
        self._cores = cores
        self._results = results
        self._tell = tell
        for system in plan.systems:
            # The tables have the order of the cast, whoever is measured first.
            results.of(system.name)
        #: What a worker of each system finishes in a second, as far as it is known.
        self._rates = {system.name: float(system.guess) for system in plan.systems}
        self._turns: dict[str, Turn] = {
            "enqueue": self._enqueue,
            "drain": self._drain,
            "logged": self._drain_logged,
            "latency": self._latency,
            "wire": self._wire,
            "growth": self._grow,
        }

    def steps(self) -> int:
        """Tell how often `tell` will be called, for a progress bar."""
        turns = [(system, name) for name in self._rotated() for system in self._of(name)]
        once = sum(len(self._of(name)) for name in ("wire", "growth") if self._asked(name))
        return len(turns) * self._plan.rounds + once + self._asked("recovery") + self._asked("reaper")

    def run(self) -> None:
        """Measure everything."""
        for number in range(self._plan.rounds):
            for name in self._rotated():
                for system in rotated(self._of(name), number, self._plan.rounds):
                    self._turn(name, system, number)
        for name in filter(self._asked, ("wire", "growth")):
            for system in self._of(name):
                self._turn(name, system, 0)
        if self._asked("recovery"):
            self._recover()
        if self._asked("reaper"):
            self._reap()

    def _asked(self, name: str) -> bool:
        return name in self._plan.measures

    def _rotated(self) -> list[str]:
        return [name for name in ("enqueue", "drain", "logged", "latency") if self._asked(name)]

    def _of(self, name: str) -> list[System]:
        return [system for system in self._plan.systems if name in system.measures]

    def _turn(self, name: str, system: System, number: int) -> None:
        when = f"round {number + 1} of {self._plan.rounds}: " if name in self._rotated() else ""
        self._tell(f"{when}{name}, {system.name}")
        try:
            self._turns[name](system, number)
        except NotRun as why:
            self._refuse(system, name, why)

    def _refuse(self, system: System, name: str, why: NotRun) -> None:
        self._results.of(system.name).not_run[name] = str(why)

    def _stage(self, system: System, *, pipe: bool = False, queues: int = 1, logged: bool = True) -> Stage:
        return Stage(system, self._cores, server=self._plan.server, pipe=pipe, queues=queues, logged=logged)

    def _enqueue(self, system: System, number: int) -> None:
        with self._stage(system) as stage:
            found = enqueue.measure(stage, self._plan.ones, self._plan.many)
        figures = self._results.of(system.name)
        figures.note(number, "enqueue one", found.one_per_s)
        figures.note(number, "enqueue many", found.many_per_s)
        figures.note(number, "bytes queued", found.bytes_a_job)

    def _drain(self, system: System, number: int) -> None:
        figures = self._results.of(system.name)
        for workers in WORKERS:
            found = self._drained(system, workers, logged=False)
            figures.note(number, f"drain {workers}", found.window.per_s)
            if workers == 1:
                self._rates[system.name] = found.window.per_s
                figures.note(number, "server us", found.effort.server)
                figures.note(number, "worker us", found.effort.workers)

    def _drain_logged(self, system: System, number: int) -> None:
        figures = self._results.of(system.name)
        found = self._drained(system, 1, logged=True)
        figures.note(number, "logged drain 1", found.window.per_s)
        figures.note(number, "logged server us", found.effort.server)
        figures.note(number, "logged worker us", found.effort.workers)

    def _drained(self, system: System, workers: int, *, logged: bool) -> drain.Drained:
        """Drain as many jobs as should do, or more if they turn out to be too few."""
        jobs = max(int(self._rates[system.name] * self._plan.drain_s * workers), FEWEST)
        while True:
            try:
                with self._stage(system, logged=logged) as stage:
                    return drain.measure(stage, min(jobs, MOST), workers)
            except drain.TooFew:
                if jobs >= MOST:
                    raise
                jobs *= MORE

    def _latency(self, system: System, _: int) -> None:
        with self._stage(system, pipe=True, queues=self._plan.idle_queues) as stage:
            waits = latency.measure(stage, self._plan.waits, self._plan.idle_workers)
        self._results.of(system.name).waits += waits

    def _wire(self, system: System, number: int) -> None:
        figures = self._results.of(system.name)
        with self._stage(system) as stage:
            figures.note(number, "trips enqueue", wire.of_enqueue(stage))
        with self._stage(system) as stage:
            jobs = max(self._plan.wired, min(int(self._rates[system.name]), MOST_WIRED))
            found = wire.of_run(stage, jobs)
        figures.note(number, "trips run", found.trips)
        figures.note(number, "bytes finished", found.bytes_kept)

    def _grow(self, system: System, _: int) -> None:
        rate = self._rates[system.name]
        self._results.growth[system.name] = growth.measure(lambda: self._stage(system), self._plan.depths, rate)

    def _recover(self) -> None:
        """Kill a worker of every system at once: it is a matter of waiting, and nobody is in another's way."""
        systems = self._of("recovery")
        self._tell(f"recovery, {len(systems)} systems at once, at most {self._plan.recovery_s:.0f} s")
        self._results.recovery_bound_s = self._plan.recovery_s

        def one(system: System) -> float | NotRun | None:
            try:
                with self._stage(system, pipe=True) as stage:
                    return recovery.measure(stage, self._plan.recovery_s)
            except NotRun as why:
                return why

        with ThreadPoolExecutor(len(systems) or 1) as threads:
            for system, found in zip(systems, threads.map(one, systems), strict=True):
                if isinstance(found, NotRun):
                    self._refuse(system, "recovery", found)
                else:
                    self._results.recovery[system.name] = found

    def _reap(self) -> None:
        """Let the reaper work, with no worker about: any mode of Holdfast will do."""
        for system in self._of("growth")[:1]:
            self._tell(f"reaper, {self._plan.leases} leases")
            try:
                with self._stage(system) as stage:
                    self._results.reaper = asdict(reaper_pass.measure(stage, self._plan.leases))
            except NotRun as why:
                self._refuse(system, "reaper", why)


def rotated(systems: Sequence[T], number: int, rounds: int) -> list[T]:
    """Begin each round with another system, spread over the list."""
    begin = number * len(systems) // max(1, rounds)
    return [*systems[begin:], *systems[:begin]]
