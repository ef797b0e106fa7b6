"""Leaves out of a failing plan all that the failure does not need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.run import Run, run_plan
from holdfast.chaos.simulation.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.chaos.simulation.plan import Plan

__all__ = ["Unshrinkable", "shrink", "tell", "violating"]

T = TypeVar("T")
Orders = tuple[tuple[dict[str, Any], ...], ...]


class Unshrinkable(ValueError):
    """The plan does not fail."""


def violating(*invariants: str) -> Callable[[Run], bool]:
    """Give the question whether a run violates one of these invariants; without any, whether any."""

    def violates(run: Run) -> bool:
        return any(not invariants or violation.invariant in invariants for violation in run.violations())

    return violates


@dataclass
class _Tries:
    """Runs smaller plans, and knows how many it may still run."""

    violates: Callable[[Run], bool]
    left: int
    seen: dict[str, bool] = field(default_factory=dict)

    def fails(self, plan: Plan) -> bool:
        """Tell whether a plan still fails. A plan that cannot be run does not."""
        name = repr(plan)
        if name not in self.seen:
            if self.left <= 0:
                return False
            self.left -= 1
            try:
                with quiet():
                    self.seen[name] = self.violates(run_plan(plan))
            except Exception:  # noqa: BLE001 - another failure than the one that is looked for
                self.seen[name] = False
        return self.seen[name]


def shrink(plan: Plan, violates: Callable[[Run], bool], *, most: int = 500) -> Plan:
    """Give the smallest plan found, in `most` runs, that still violates.

    Strikes are left out first, then jobs, workers and keepers, then what the jobs do; and again, until nothing more
    can go. Raises Unshrinkable when the plan does not violate to begin with.
    """
    with quiet():
        run = run_plan(plan)
    if not violates(run):
        raise Unshrinkable(f"seed {plan.seed} does not violate what it is to be shrunk for")
    tries = _Tries(violates, most)
    smaller = plan.with_strikes(run.strikes)
    if not tries.fails(smaller):
        raise Unshrinkable(f"seed {plan.seed} violates, and its strikes alone do not: a run is not repeatable")
    # A run lasts at least as long as its storm, and each of the runs to come is that much shorter.
    shorter = replace(smaller, storm_us=max((line.us for line in run.history.of("fault")), default=0) + 1)
    smaller = shorter if tries.fails(shorter) else smaller
    while True:
        before = smaller
        for part in (_fewer_strikes, _fewer_jobs, _fewer_actors, _simpler_jobs):
            smaller = part(smaller, tries)
        if smaller == before:
            return smaller


def _fewer_strikes(plan: Plan, tries: _Tries) -> Plan:
    kept = _least(list(plan.strikes or ()), lambda some: tries.fails(plan.with_strikes(some)))
    return plan.with_strikes(kept)


def _fewer_jobs(plan: Plan, tries: _Tries) -> Plan:
    flat = [(producer, order) for producer, orders in enumerate(plan.orders) for order in orders]

    def only(some: list[tuple[int, dict[str, Any]]]) -> Plan:
        orders = tuple(
            tuple(order for whose, order in some if whose == producer) for producer in range(len(plan.orders))
        )
        return replace(plan, orders=orders)

    return only(_least(flat, lambda some: tries.fails(only(some))))


def _fewer_actors(plan: Plan, tries: _Tries) -> Plan:
    for smaller in _first_of(
        [replace(plan, workers=workers) for workers in range(1, plan.workers)],
        [replace(plan, keepers=keepers) for keepers in range(plan.keepers)],
    ):
        if tries.fails(smaller):
            return _fewer_actors(smaller, tries)
    return plan


def _first_of(*lists: list[T]) -> Iterator[T]:
    for each in lists:
        yield from each


def _simpler_jobs(plan: Plan, tries: _Tries) -> Plan:
    for producer, orders in enumerate(plan.orders):
        for number, order in enumerate(orders):
            for simpler in _simpler(order):
                smaller = replace(
                    plan, orders=_put(plan.orders, producer, _put(plan.orders[producer], number, simpler))
                )
                if tries.fails(smaller):
                    return _simpler_jobs(smaller, tries)
    return plan


def _put(items: tuple[T, ...], at: int, item: T) -> tuple[T, ...]:
    return (*items[:at], item, *items[at + 1 :])


def _simpler(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give orders that ask for less than this one."""
    body = order["body"]
    for name in ("in_s", "crashes", "retries", "repeats"):
        if name in order:
            yield {key: value for key, value in order.items() if key != name}
    for name in body:
        yield order | {"body": {key: value for key, value in body.items() if key != name}}
    works = body.get("works_s", ())
    for at in range(len(works)):
        yield order | {"body": body | {"works_s": works[:at] + works[at + 1 :]}}


def _least(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Find a list from which nothing can be left out, by leaving out ever smaller parts (delta debugging)."""
    if items and fails([]):
        return []
    size = max(1, len(items) // 2)
    while items:
        at = 0
        while at < len(items):
            rest = items[:at] + items[at + size :]
            if rest and fails(rest):
                items = rest
            else:
                at += size
        if size == 1:
            return items
        size //= 2
    return items
