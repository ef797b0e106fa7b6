"""A simulated run in a folder: plan, history, verdict, and a page that shows it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.moments import in_world_time
from holdfast.chaos.simulation.run import Run, terms_of
from holdfast.chaos.timeline import timeline
from holdfast.chaos.verdict import Verdict, rule

if TYPE_CHECKING:
    from pathlib import Path


def write(run: Run, head: str, folder: Path) -> None:
    """Write a run down under its first line. The folder is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    verdict = verdict_of(run)
    plan = {
        "seed": run.plan.seed,
        "hard": run.plan.hard,
        "crowd": run.plan.crowd,
        "strikes": [str(strike) for strike in run.strikes],
    }
    (folder / "plan.json").write_text(json.dumps(plan, indent=1), "utf-8")
    lines = [asdict(line) for line in run.history.lines] + [asdict(move) for move in run.history.moves]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (folder / "verdict.json").write_text(json.dumps({"run": head} | verdict.to_json(), indent=1), "utf-8")
    (folder / "timeline.html").write_text(timeline(in_world_time(run), head, verdict), "utf-8")


def verdict_of(run: Run) -> Verdict:
    """Give the verdict on a simulated run, with what happened in numbers."""
    counts = {
        "jobs": len(run.history.final),
        "executions": sum(move.move == "claim" for move in run.history.moves),
        "reclaimed": sum(move.move == "reclaim" for move in run.history.moves),
        "refused": sum(1 for _ in run.history.of("refused")),
        "faults": len(run.strikes),
    }
    return Verdict(rule(run.to_be_judged(), terms_of(run.plan, run.strikes)), counts)
