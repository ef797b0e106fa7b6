"""Every scenario, cut at every call in every way; then pairs of cuts.

No luck is needed here: a defect that one fault can show is shown. Seeds are for combinations.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.chaos.simulation.findings import Finding, look, spread
from holdfast.chaos.simulation.plan import Plan, Strike
from holdfast.chaos.simulation.scenarios import SCENARIOS, Point, Scenario, baseline, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: What may befall a call, and to whom, or how late. A victim matters only where there is a family.
_BLOWS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("lost-request", ()),
    ("lost-reply", ()),
    ("resent-command", ()),
    ("late-delivery", (1,)),
    ("late-delivery", (3_000,)),
    ("pause", (1_000, False, True)),
    ("pause", (6_000, True, True)),
    ("death-before", ("self",)),
    ("death-after", ("self",)),
)
_FAMILY_BLOWS = tuple((name, (victim,)) for name in ("death-before", "death-after") for victim in ("parent", "family"))
#: By then what the second of two cuts has delayed is over, too.
_SECOND_CUT_US = 10_000_000


@dataclass(frozen=True)
class Report:
    """What came of the cuts."""

    singles: int
    pairs: int
    findings: tuple[Finding, ...]
    seconds: float

    def __str__(self) -> str:
        rate = (self.singles + self.pairs) / max(self.seconds, 0.001)
        return (
            f"{self.singles} cuts and {self.pairs} pairs in {self.seconds:.0f} s ({rate:.0f}/s): "
            f"{len(self.findings)} went wrong"
        )


def strikes_at(point: Point) -> Iterator[Strike]:
    """Give every way to cut one call."""
    for name, arguments in (*_BLOWS, *(_FAMILY_BLOWS if point.has_parent else ())):
        yield Strike(name, arguments, point.process, point.call)


def cases(scenario: Scenario, *, moves: frozenset[str] | None = None) -> list[Plan]:
    """Give one plan for each way to cut each call of the scenario; `moves` leaves only calls of these."""
    whole = baseline(scenario)
    return [
        scenario.plan(strike, storm_us=whole.over_us)
        for point in whole.points
        if moves is None or point.move in moves
        for strike in strikes_at(point)
    ]


def part_of_day(ordinal: int, of: int = 3) -> tuple[int, int]:
    """Give the part that is due on a day, so that `of` days see everything."""
    return ordinal % of + 1, of


def run_cuts(
    part: tuple[int, int] | None = None,
    pairs: int = 0,
    jobs: int = 2,
    *,
    seed: int = 0,
    scenarios: Iterable[str] = tuple(SCENARIOS),
    on_progress: Callable[[int, int], object] = lambda _done, _of: None,
) -> Report:
    """Run the cuts of a part, such as (1, 3) for the first third, and as many random pairs, on `jobs` processes.

    `on_progress` is told how many of how many are done. Raises ValueError for a part that is none.
    """
    number, of = part or (1, 1)
    if not 1 <= number <= of:
        raise ValueError(f"there is no part {number} of {of}")
    begun = time.monotonic()
    chosen = [SCENARIOS[name] for name in scenarios]
    singles = [plan for scenario in chosen for plan in cases(scenario)][number - 1 :: of]
    doubles = [(chosen[each % len(chosen)].name, f"{seed}/{number}/{each}") for each in range(pairs)]
    findings = []
    done = 0
    for looks in (spread(look, singles, jobs=jobs), spread(look_at_a_pair, doubles, jobs=jobs)):
        for found in looks:
            done += 1
            on_progress(done, len(singles) + len(doubles))
            if found is not None:
                findings.append(found)
    return Report(len(singles), len(doubles), tuple(findings), time.monotonic() - begun)


def look_at_a_pair(which: tuple[str, str]) -> Finding | None:
    """Cut a scenario at a call, see what it then does, and cut that too: deaths among repairs.

    `which` is the scenario's name and what the pair is drawn from.
    """
    name, seed = which
    rng = random.Random(seed)
    first = rng.choice(cases(SCENARIOS[name]))
    assert first.strikes
    struck = first.strikes[-1]
    try:
        _, points = listen(first)
    except Exception:  # noqa: BLE001 - looked at by itself, it will be a finding
        return look(first)
    # A call in the last moment of the uncut run may come too late in this one: then the second cut falls anywhere.
    at = [at for at, point in enumerate(points) if (point.process, point.call) == (struck.process, struck.call)]
    after = at[0] if at else -1
    second = rng.choice([*strikes_at(rng.choice(points[after + 1 :] or points))])
    both = SCENARIOS[name].plan(struck, second, storm_us=first.storm_us + _SECOND_CUT_US)
    return look(both)
