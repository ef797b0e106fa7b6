"""Runs plans, here or on several processes at a time, and keeps what went wrong."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.terms import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.chaos.simulation.plan import Plan

#: After so many tasks a process makes way for a new one: what runs leave behind does not pile up.
_TASKS = 8
T = TypeVar("T")
R = TypeVar("R")

#: Stands where a violation names its invariant: the production code let an error out that nobody expected.
LET_OUT = "let out"


@dataclass(frozen=True)
class Finding:
    """A plan that went wrong, and how."""

    plan: Plan
    violations: tuple[Violation, ...]

    @property
    def invariants(self) -> tuple[str, ...]:
        """Which invariants were violated, each once."""
        return tuple(dict.fromkeys(violation.invariant for violation in self.violations))

    def __str__(self) -> str:
        where = f"seed {self.plan.seed}{' hard' if self.plan.hard else ''}{' crowd' if self.plan.crowd else ''}"
        if self.plan.strikes is not None:
            where = " + ".join(map(str, self.plan.strikes)) or "no fault"
        return f"{where}: {'; '.join(map(str, self.violations[:3]))}"


def look(plan: Plan) -> Finding | None:
    """Run a plan and judge it; None if nothing is wrong."""
    try:
        with quiet():
            run = run_plan(plan)
    except Exception as error:  # noqa: BLE001 - whatever the production code lets out is a finding
        return Finding(plan, (Violation(LET_OUT, "", f"{type(error).__name__}: {error}"),))
    violations = tuple(run.violations())
    return Finding(plan, violations) if violations else None


def spread(work: Callable[[T], R], over: Iterable[T], *, jobs: int) -> Iterator[R]:
    """Give `work(item)` for each item, in their order, on `jobs` processes; 1: in this one.

    Processes are spawned, so `work` is a function of a module and items can be pickled.
    """
    items = list(over)
    if jobs <= 1:
        yield from map(work, items)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=_TASKS) as pool:
        yield from pool.imap(work, items, chunksize=max(1, min(16, len(items) // (4 * jobs))))
