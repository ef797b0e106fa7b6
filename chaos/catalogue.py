"""What can go wrong and what must hold, by number: the index of `docs/failures/` is written from here.

`python -m holdfast.chaos.catalogue docs/failures/index.md`
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.chaos.failure_mode import FailureMode
from holdfast.chaos.failure_modes import MODES
from holdfast.chaos.proofs import PROOFS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["INVARIANTS", "MODES", "PROOFS", "FailureMode", "Invariant", "index"]


@dataclass(frozen=True)
class Invariant:
    """Something that must hold: INV- at every moment, LIV- once faults have ceased."""

    number: str
    title: str
    #: A sentence that a checker can decide.
    sentence: str
    #: The function of `chaos/checker.py` that decides it; empty where none does.
    check: str
    #: Why none does.
    unchecked: str = ""


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "INV-01",
        "No loss",
        "Every job whose enqueue was acknowledged is in line, scheduled, deferred, leased or at its end.",
        "no_loss",
    ),
    Invariant(
        "INV-02",
        "One place",
        "A job's status agrees with the one place it is in, and no entry is without a job.",
        "one_place",
    ),
    Invariant(
        "INV-03",
        "Fences grow",
        "The fences of a job strictly increase, and none is given to two claims.",
        "fences_grow",
    ),
    Invariant(
        "INV-04",
        "One holder",
        "Every accepted move of a holder carries the fence of the last claim and finds it unsettled.",
        "one_holder",
    ),
    Invariant(
        "INV-05",
        "No early reclaim",
        "No lease is reclaimed before the deadline that its last claim or renewal set, by the server's clock.",
        "no_early_reap",
    ),
    Invariant(
        "INV-06",
        "One outcome",
        "A generation ends at most once; only an enqueue, a repeat or a person's requeue follows its end.",
        "one_outcome",
    ),
    Invariant(
        "INV-07",
        "Effects once",
        "Under one key an effect takes place at most once, unless its doubt was told; finished means that it did.",
        "effects_once",
    ),
    Invariant(
        "INV-08",
        "Checkpoints",
        "An attempt reads exactly the last checkpoint that was accepted from an earlier one.",
        "",
        "there are no checkpoints yet",
    ),
    Invariant(
        "INV-09",
        "Counts",
        "Executions, failures and crashes are counted truly, and no budget is exceeded.",
        "counts",
    ),
    Invariant(
        "INV-10",
        "True answers",
        "Who was told that something was done finds it on the server's record once; who was refused does not.",
        "truthful_answers",
    ),
    Invariant(
        "INV-11",
        "Once per key",
        "One enqueue, or one key, makes one job, however often its request arrives.",
        "once_per_key",
    ),
    Invariant(
        "INV-12",
        "Not before, not blocked",
        "No job starts before it is due, and nothing that is wrong with one entry stops another.",
        "not_before",
    ),
    Invariant("LIV-01", "All end", "Once faults have ceased, every accepted job comes to its end.", "all_end"),
    Invariant(
        "LIV-02",
        "The dead are noticed",
        "A dead holder's job is claimable within lease + reap interval + 1 s, a due one within promote interval + 1 s.",
        "dead_are_noticed",
    ),
    Invariant(
        "LIV-03",
        "No worker is stuck",
        "Every living worker claims again within seconds of Redis' return, and spins at no time before.",
        "",
        "a history does not show processor time: tests of real workers measure it",
    ),
    Invariant(
        "LIV-04",
        "Poison ends, and so do workers",
        "A poison job is buried and the others finish; a worker told to stop is gone within its grace.",
        "",
        "a history does not show when a process left: tests of real workers watch it",
    ),
)

_HEAD = """\
<!-- Written by `python -m holdfast.chaos.catalogue docs/failures/index.md`; change chaos/failure_modes*.py instead. -->

# Failure modes

What can go wrong with a queue on Redis, each with a page: how it is seen, what stock RQ makes of it, what Holdfast does
now, and what shows that. The numbers are for life. What must hold meanwhile stands in [invariants](../invariants.md).

On each page, **Without us** says how it is known: *measured* with rq 2.12.0, redis-py 8.1.0 and redis-server 7.0.15
on two cores; *shown* by stock RQ in our own harness, again whenever you like, by
`pytest tests/workers -k what_stock_does`; *tried* by hand, with a Valkey 9.1.2 as the server; or *read* in RQ's
source. What Holdfast does not do yet is called *not yet*, with what happens meanwhile. A test that is named under
**Proved by** is run by `pytest FILE -k NAME`.

A fault in the column *simulation* strikes production code under a seeded scheduler, from a seed:
`holdfast chaos run --only FM-012 --seed 7`. One in the column *processes* strikes real workers on a real server:
`holdfast chaos processes`. The last column counts the tests that the page names.

| number | what happens | threatens | simulation | processes | tests |
|---|---|---|---|---|---|
"""


def index(modes: Iterable[FailureMode] = MODES) -> str:
    """Write the page that lists all failure modes."""
    modes = tuple(modes)
    rows = "".join(_row(mode) for mode in modes)
    missing = "".join(f"- {_link(mode)}: {mode.not_here}.\n" for mode in modes if mode.not_here)
    untested = ", ".join(_link(mode) for mode in modes if mode.number not in PROOFS)
    return (
        f"{_HEAD}{rows}\n## What no fault injects\n\n{missing}\n"
        f"## What no test names yet\n\n"
        f"{untested or 'Nothing'}. Of these, what has a fault is judged by runs alone.\n"
    )


def _row(mode: FailureMode) -> str:
    cells = (
        _link(mode),
        mode.title,
        ", ".join(mode.threatens),
        _names(mode.simulated),
        _names(mode.staged),
        str(len(PROOFS.get(mode.number, ())) or ""),
    )
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


def _link(mode: FailureMode) -> str:
    return f"[{mode.number}]({mode.number}.md)"


def _names(faults: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in faults)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(index(), "utf-8")
