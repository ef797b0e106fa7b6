"""Measures Holdfast beside its peers, and writes tables and pictures: `make bench`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import environments, machine, plots
from benchmarks.costs import Costs
from benchmarks.costs_report import page
from benchmarks.figures import Results
from benchmarks.report import report
from benchmarks.rounds import Rounds
from benchmarks.words import plan
from holdfast.chaos.server import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.plan import Plan


def head(of: Plan) -> dict[str, str]:
    """Gather what must stand beside every number."""
    program = find_program(of.server)
    names = sorted({system.environment for system in of.systems})
    packages = "; ".join(f"{name}: {environments.versions(name)}" for name in names)
    version = ".".join(map(str, program.version))
    return {
        **machine.describe(),
        "server": f"{Path(program.path).name} {version}",
        "commit": machine.commit(),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "rounds": str(of.rounds),
        "packages": packages,
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    asked, folder = plan(words)
    cores = machine.Cores.here()
    console = Console()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # No thread that draws by itself: it would take its time from the workers.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("")

        def tell(what: str) -> None:
            bar.update(task, description=what, advance=1, refresh=True)
            if not console.is_terminal:
                print(what, flush=True)

        runs: list[tuple[str, Results, Rounds | Costs]] = []
        if set(asked.measures) - {"profile"}:
            runs.append(("results", results := Results(head(asked)), Rounds(asked, cores, results, tell)))
        if "profile" in asked.measures:
            own = replace(asked, systems=tuple(each for each in asked.systems if each.environment == "own"))
            runs.append(("profile", results := Results(head(own)), Costs(asked, cores, results, tell)))
        bar.update(task, total=sum(run.steps() for _, _, run in runs), completed=-1)
        for _, results, run in runs:
            began = time.monotonic()
            run.run()
            results.head["took"] = f"{time.monotonic() - began:.0f} s"
            results.head["load after"] = machine.load()
        tell("done")
    folder.mkdir(parents=True, exist_ok=True)
    for name, results, _ in runs:
        words = [machine.warning(results.head["load before"]), cores.describe()]
        text = report(results, words) if name == "results" else page(results, words)
        (folder / f"{name}.md").write_text(text, "utf-8")
        (folder / f"{name}.json").write_text(json.dumps(results.as_json(), indent=1) + "\n", "utf-8")
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        drawn = plots.draw(results, folder) if name == "results" else []
        for written in (folder / f"{name}.md", folder / f"{name}.json", *drawn):
            console.print(f"wrote {written}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
