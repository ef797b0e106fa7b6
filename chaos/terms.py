"""What a history is judged by, and what is said of one that does not hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """What was asked for, as far as the judge must know it."""

    lease_ms: int
    reap_ms: int
    crashes: int
    #: Jobs whose own code may begin at most once.
    at_most_once: frozenset[str] = frozenset()
    #: Jobs of which nothing is left once they are over.
    unkept: frozenset[str] = frozenset()
    #: Whether nobody but us moves jobs: then none is ever in no place.
    are_all_ours: bool = True
    #: Jobs that make an effect.
    effects: frozenset[str] = frozenset()
    #: ms from the enqueue until a job may start.
    delays_ms: tuple[tuple[str, int], ...] = ()
    #: How often a job repeats once it was done.
    repeats: tuple[tuple[str, int], ...] = ()
    #: When faults ceased, in us.
    calm_from_us: int = 0
    #: How many deaths of a job may be charged to nobody: after an outage; and where workers hold several, in company.
    uncharged: int = 1


def uncharged_with(prefetch: int) -> int:
    """Tell how many deaths of a job may be charged to nobody where workers may have so many in hand."""
    return 1 if prefetch == 1 else 2


@dataclass(frozen=True)
class Violation:
    """Something that must not be, with what shows it."""

    invariant: str
    job: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.job}: {self.what}"
