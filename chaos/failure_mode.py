"""What a failure mode is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureMode:
    """Something that can go wrong."""

    number: str
    #: A sentence that someone in trouble would recognise; also the title of its page.
    title: str
    #: Numbers of the invariants that would break if nothing were done.
    threatens: tuple[str, ...]
    #: Names of faults in `chaos/faults` that inject it in the simulation.
    simulated: tuple[str, ...]
    #: Names of faults in `chaos/processes` that inject it into real processes.
    staged: tuple[str, ...]
    #: Why no fault of ours injects it under its own number; empty where one does.
    not_here: str


def mode(
    number: str, title: str, threatens: str, *, simulated: str = "", staged: str = "", not_here: str = ""
) -> FailureMode:
    """Write a failure mode down; several names are words of one string."""
    return FailureMode(
        number, title, tuple(threatens.split()), tuple(simulated.split()), tuple(staged.split()), not_here
    )
