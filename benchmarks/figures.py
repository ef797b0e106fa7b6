"""What was measured, round by round, and what is said of it: medians and ratios, never a lone absolute."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.cast import BASE

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Figures:
    """All numbers of one system: for each measure a value a round, None where there was none."""

    rounds: dict[str, list[float | None]] = field(default_factory=dict)
    #: Every wait for an idle worker, in ms, of all rounds.
    waits: list[float] = field(default_factory=list)
    #: Measure -> why it could not be measured, the last reason there was.
    not_run: dict[str, str] = field(default_factory=dict)

    def note(self, number: int, measure: str, value: float | None) -> None:
        """Keep the value of a round, which counts from 0."""
        values = self.rounds.setdefault(measure, [])
        values.extend([None] * (number + 1 - len(values)))
        values[number] = value

    def median(self, measure: str) -> float | None:
        """Give the median over the rounds, None where there was nothing."""
        values = [value for value in self.rounds.get(measure, []) if value is not None]
        return median(values) if values else None

    def spread(self, measure: str) -> tuple[float, float] | None:
        """Give the least and the most of the rounds."""
        values = [value for value in self.rounds.get(measure, []) if value is not None]
        return (min(values), max(values)) if values else None

    def wait(self, percent: int) -> float | None:
        """Give a percentile of the waits in ms, 50 or 99."""
        if len(self.waits) < 2:  # noqa: PLR2004 - quantiles() needs two
            return None
        return quantiles(self.waits, n=100, method="inclusive")[percent - 1]


@dataclass
class Results:
    """A whole run."""

    head: dict[str, str]
    figures: dict[str, Figures] = field(default_factory=dict)
    #: Mode of Holdfast -> jobs in line -> jobs done in a second, each time.
    growth: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    #: Seconds until a killed worker's job was begun again, None for not within the bound.
    recovery: dict[str, float | None] = field(default_factory=dict)
    recovery_bound_s: float = 0
    #: The reaper's pass: leases, seconds, scripts, longest_ms.
    reaper: dict[str, float] = field(default_factory=dict)

    def of(self, system: str) -> Figures:
        """Give the figures of a system, to read or to fill."""
        return self.figures.setdefault(system, Figures())

    def ratio(self, system: str, measure: str) -> float | None:
        """Compare with the base, round by round: what hits a round hits both. The median of that."""
        return _median_of(self.ratios(system, measure))

    def ratios(self, system: str, measure: str, base: str = BASE) -> list[float]:
        """Give what the base's number is taken times in each round in which both were measured."""
        own, others = (self.of(name).rounds.get(measure, []) for name in (system, base))
        return [a / b for a, b in zip(own, others, strict=False) if a is not None and b]

    def wait_ratio(self, system: str, percent: int) -> float | None:
        """Compare a percentile of the waits with the base's."""
        own, base = (self.of(name).wait(percent) for name in (system, BASE))
        return own / base if own is not None and base else None

    def as_json(self) -> dict[str, Any]:
        """Give all of it in plain words and numbers."""
        return asdict(self)


def _median_of(values: Sequence[float]) -> float | None:
    return median(values) if values else None
