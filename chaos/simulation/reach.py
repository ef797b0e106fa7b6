"""Which fault befell which move, and what became of the job: what a batch of runs has tried, and what it has not."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.chaos.faults import load_all
from holdfast.chaos.simulation.plan import Strike
from holdfast.chaos.simulation.scenarios import SCENARIOS, baseline
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from holdfast.chaos.history import History, Line
    from holdfast.chaos.simulation.plan import Plan
    from holdfast.chaos.simulation.run import Run

#: Moves that no simulated job makes, and why.
NEVER_MADE = {
    "annotate": "simulated jobs write nothing on their records",
    "withdraw_effect": "simulated effects do not say that they did not take place",
    "resolve_effect": "people settle doubts, and no person is simulated that does",
    "requeue": "the same of what has failed",
    "drop": "the same",
}
_ENDS = {"completed", "postponed", "buried", "given back", "crashed", "refused"}
NO_JOB = "-"


def possible_pairs() -> Iterator[tuple[str, str]]:
    """Give each move with each fault that can befall it."""
    for move in sorted(load()):
        if move not in NEVER_MADE:
            for name, kind in sorted(load_all().items()):
                if hasattr(kind, "rate"):
                    yield move, name


@dataclass
class Reach:
    """Counts (move, fault, outcome) over runs. The outcome is the end of the job that the victim had at hand."""

    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, run: Run) -> None:
        """Count what befell the calls of a run."""
        for strike, line in zip(run.strikes, run.history.of("fault"), strict=False):
            if strike.process:
                move = line.detail.rsplit(" ", 1)[-1]
                self.seen[move, strike.fault, _outcome(run.history, strike.process, line)] += 1

    def pairs(self) -> Counter[tuple[str, str]]:
        """Count pairs of move and fault, whatever came of them."""
        pairs: Counter[tuple[str, str]] = Counter()
        for (move, fault, _), count in self.seen.items():
            pairs[move, fault] += count
        return pairs

    def __str__(self) -> str:
        """Write the matrix: a row for each move, a column for each fault, in a cell how often and with which ends."""
        pairs = self.pairs()
        faults = sorted({fault for _, fault in pairs})
        ends: dict[tuple[str, str], set[str]] = defaultdict(set)
        for move, fault, outcome in self.seen:
            ends[move, fault].add(outcome[0].upper())
        rows = [f"{'':14}" + "".join(f"{fault:>17}" for fault in faults)]
        for move in sorted({move for move, _ in pairs}):
            cells = [f"{pairs[move, each] or ''} {''.join(sorted(ends[move, each]))}" for each in faults]
            rows.append(f"{move:14}" + "".join(f"{cell:>17}" for cell in cells))
        return "\n".join(rows)


def _outcome(history: History, process: str, struck: Line) -> str:
    """Tell how the job ended that a process had at hand when it was struck."""
    family = process.split(".h", maxsplit=1)[0]
    held = NO_JOB
    for line in history.lines:
        if line is struck:
            break
        if line.who.partition(".h")[0] == family:
            if line.did in {"claimed", "enqueue"}:
                held = line.job
            elif line.did in _ENDS or line.did == "accepted":
                held = NO_JOB
    place = history.final.get(held)
    return place.status if place else NO_JOB


def aim(move: str, fault: str, rng: random.Random) -> Plan | None:
    """Make the plan in which this fault befalls the first such move of a scenario; None where no scenario has it."""
    for scenario in SCENARIOS.values():
        whole = baseline(scenario)
        # A first sending may be answered "I know no such script": the second is the move itself.
        points = [point for point in whole.points if point.move == move]
        if points:
            drawn = load_all()[fault].draw(rng)
            strike = Strike(fault, tuple(vars(drawn).values()), points[-1].process, points[-1].call)
            return scenario.plan(strike, storm_us=whole.over_us)
    return None
