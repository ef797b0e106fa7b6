"""The crash sweep: one job's worker is hurt at every request it makes, in every way, and the job must end well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sweep(
    *,
    part: tuple[int, int] | None,
    only: str | None,
    stock: bool,
    jobs: int,
    report: Path | None,
    mode: str = "many-jobs",
) -> int:
    """Run the sweep and show what it found; give the exit status: 0 when all went well, 1 when not, 2 when not run.

    `part` is (3, 8) for the third of eight, `only` is spelled as a case is; `stock` puts RQ's own worker in place of
    ours; `report` is a page that gets the tables. `mode` is how our workers run jobs: fork, many-jobs or prefetch.
    """
    # The jobs' functions live in this room too: a worker that imports them needs no terminal.
    from holdfast.chaos.sweep.show import show  # noqa: PLC0415

    return show(part=part, only=only, stock=stock, jobs=jobs, report=report, mode=mode)
