"""Negative controls: each seeded defect is hunted with the plans that judge the real code, and must be found."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.chaos.simulation import seeded_saves  # noqa: F401 - registers its defects
from holdfast.chaos.simulation.cuts import cases
from holdfast.chaos.simulation.findings import Finding, look, spread
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.scenarios import SCENARIOS, Unsound
from holdfast.chaos.simulation.seeded_defects import DEFECTS, Defect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.chaos.simulation.plan import Plan


@dataclass(frozen=True)
class Ground:
    """Where a defect is looked for, and in how many plans at the most.

    `kind` is std or hard for seeds, or the name of a scenario for its cuts; `moves` leaves only cuts at these.
    """

    kind: str
    most: int
    moves: tuple[str, ...] = ()

    def plans(self) -> Iterator[Plan]:
        """Give the plans, the simplest first."""
        if self.kind in {"std", "hard"}:
            yield from (plan_for(seed, hard=self.kind == "hard") for seed in range(self.most))
            return
        scenario = SCENARIOS[self.kind]
        yield scenario.plan()
        try:
            cuts = cases(scenario, moves=frozenset(self.moves) or None)
        except Unsound:
            return
        # Neighbouring cuts show the same things: a budget is better spent all over the run.
        random.Random(self.kind).shuffle(cuts)
        yield from cuts[: self.most]

    def __str__(self) -> str:
        where = f"seeds, {self.kind}" if self.kind in {"std", "hard"} else f"cuts of {self.kind}"
        return f"{self.most} {where}{' at ' + ', '.join(self.moves) if self.moves else ''}"


def hunt(defect: Defect, plans: Iterable[Plan]) -> Finding | None:
    """Run plans on code with that defect until one shows it; None if none does.

    Plans are taken one by one with the defect in place, as it changes which calls there are to be cut.
    """
    with defect.seed():
        for plan in plans:
            finding = look(plan)
            if finding is not None and set(finding.invariants) & set(defect.shows):
                return finding
    return None


@dataclass
class Rate:
    """How often a kind of plan shows a defect."""

    defect: str
    kind: str
    of: int = 0
    hits: int = 0
    by: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        by = " ".join(f"{invariant}:{count}" for invariant, count in self.by.most_common(4))
        return f"{self.defect:26} {self.kind:10} {self.hits:4} of {self.of:4}  {by}"


def rates(
    defects: Sequence[str] = tuple(DEFECTS),
    grounds: Sequence[Ground] = (Ground("std", 40), Ground("hard", 40)),
    *,
    jobs: int = 2,
    on_rate: Callable[[Rate], object] = lambda _: None,
) -> list[Rate]:
    """Count for each defect and ground how many plans violate anything, and what."""
    found = []
    pairs = [(defect, ground) for defect in defects for ground in grounds]
    for rate in spread(_rate, pairs, jobs=jobs):
        on_rate(rate)
        found.append(rate)
    return found


def _rate(pair: tuple[str, Ground]) -> Rate:
    name, ground = pair
    rate = Rate(name, ground.kind)
    with DEFECTS[name].seed():
        for plan in ground.plans():
            rate.of += 1
            finding = look(plan)
            if finding is not None:
                rate.hits += 1
                rate.by.update(finding.invariants)
    return rate
