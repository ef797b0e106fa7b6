"""Runs one seed again, and shows what happened."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.folder import write
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.servers import RealServer
from holdfast.chaos.simulation.shrink import shrink, violating
from holdfast.chaos.simulation.telling import tell

if TYPE_CHECKING:
    from pathlib import Path


class NoSuchJob(LookupError):
    """A job that the run does not have."""


def replay(
    seed: int,
    *,
    hard: bool,
    crowd: bool = False,
    only: str | None = None,
    on_real: bool = False,
    job: str | None = None,
    smaller: bool = False,
    folder: Path | None = None,
) -> int:
    """Print a run, one line an event; give 1 if it violates something, else 0.

    `smaller` leaves out what the violation does not need, as the fake server shows it. `folder` gets plan, history,
    verdict and a timeline page. Raises NoSuchJob.
    """
    plan = plan_for(seed, hard=hard, crowd=crowd, only=only)
    jobs = dict.fromkeys(order["job_id"] for some in plan.orders for order in some)
    if job is not None and job not in jobs:
        raise NoSuchJob(f"seed {seed} has no job {job}; it has J0 … J{len(jobs) - 1}.")
    with quiet(), RealServer() if on_real else nullcontext() as real:
        run = run_plan(plan, real=real)
        violations = run.violations()
        if smaller and violations:
            run = run_plan(shrink(run.plan, violating(violations[0].invariant)))
    text = tell(run, job=job, only=only, on_real=on_real)
    print(text)
    if folder is not None:
        write(run, text.splitlines()[0], folder)
    return int(bool(violations))
