"""Runs one seed again, and shows what happened."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import Run, run_plan, terms_of
from holdfast.chaos.simulation.shrink import shrink, violating
from holdfast.chaos.simulation.telling import tell
from holdfast.chaos.timeline import timeline
from holdfast.chaos.verdict import Verdict, rule

if TYPE_CHECKING:
    from pathlib import Path


def replay(seed: int, *, hard: bool, only: str | None, job: str | None, smaller: bool, folder: Path | None) -> int:
    """Print a run, one line an event; give 1 if it violates something, else 0.

    `smaller` leaves out what the violation does not need. `folder` gets plan, history, verdict and a timeline page.
    """
    with quiet():
        run = run_plan(plan_for(seed, hard=hard, only=only))
        violations = run.violations()
        if smaller and violations:
            run = run_plan(shrink(run.plan, violating(violations[0].invariant)))
    text = tell(run, job=job)
    print(text)
    if folder is not None:
        _write(run, text, folder)
    return int(bool(violations))


def _write(run: Run, text: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    verdict = verdict_of(run)
    plan = {"seed": run.plan.seed, "hard": run.plan.hard, "strikes": [str(strike) for strike in run.strikes]}
    (folder / "plan.json").write_text(json.dumps(plan, indent=1), "utf-8")
    lines = [asdict(line) for line in run.history.lines] + [asdict(move) for move in run.history.moves]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (folder / "verdict.json").write_text(json.dumps(verdict.to_json(), indent=1), "utf-8")
    (folder / "timeline.html").write_text(timeline(run.history, text.splitlines()[0], verdict), "utf-8")


def verdict_of(run: Run) -> Verdict:
    """Give the verdict on a simulated run, with what happened in numbers."""
    counts = {
        "jobs": len(run.history.final),
        "executions": sum(move.move == "claim" for move in run.history.moves),
        "reclaimed": sum(move.move == "reclaim" for move in run.history.moves),
        "refused": sum(1 for _ in run.history.of("refused")),
        "faults": len(run.strikes),
    }
    return Verdict(rule(run.history, terms_of(run.plan)), counts)
