"""A worker without some of its guards, to see what they cost: `rq worker -w benchmarks.unguarded.Worker`.

BENCH_OUT names them, as in `leases,journal`; with an empty one it is the worker that is shipped.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

import holdfast.workers
from benchmarks.guards import LEASES, without
from holdfast.jobs.store import scripts
from holdfast.workers import runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.jobs.store.scripts import Script


def take_out(names: Sequence[str]) -> None:
    """Let this process be without these guards from now on. Raises NoLongerThere."""

    @cache
    def load(*, record: bool = False) -> dict[str, Script]:
        return without(names, record=record)

    load()
    scripts.load = load
    if LEASES.name not in names:
        return
    # With nothing that runs out there is nothing to be stopped for.
    shipped = runtime.guard
    for module in list(sys.modules.values()):
        if getattr(module, "guard", None) is shipped:
            module.guard = lambda *_: None  # type: ignore[attr-defined]  # whichever module asked for it by name


class Worker(holdfast.workers.Worker):
    """The worker that is shipped, in a process in which something is missing."""


if out := os.environ.get("BENCH_OUT"):
    take_out(out.split(","))
