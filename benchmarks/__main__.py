"""Measures Holdfast beside its peers, and writes tables and pictures: `make bench`."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import environments, machine, plots
from benchmarks.cast import SYSTEMS
from benchmarks.costs import Costs
from benchmarks.costs_report import page
from benchmarks.figures import Results
from benchmarks.plan import MEASURES, QUICK, Plan
from benchmarks.report import report
from benchmarks.rounds import Rounds
from holdfast.chaos.server import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where a whole run goes, and where one goes that leaves something out.
WHOLE, PARTIAL = environments.ROOT / "benchmarks" / "results", environments.HOME / "results"


def parser() -> argparse.ArgumentParser:
    """Say what may be asked for."""
    asks = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").strip())
    asks.add_argument("--quick", action="store_true", help="one short round, in a few minutes")
    asks.add_argument("--rounds", type=int, help="how often each system is run")
    asks.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=", ".join(MEASURES))
    asks.add_argument("--systems", nargs="+", metavar="WORD", help="those with one of these words in their name")
    asks.add_argument("--drain-s", type=float, help="how long a drain should take")
    asks.add_argument("--waits", type=int, help="how many waits for an idle worker a round")
    asks.add_argument("--idle-workers", type=int, help="how many workers are idle together")
    asks.add_argument("--idle-queues", type=int, help="on how many queues; only RQ's family has more than one")
    asks.add_argument("--recovery-s", type=float, help="how long a killed worker's job is waited for")
    asks.add_argument("--leases", type=int, help="how many leases the reaper finds")
    asks.add_argument("--depths", type=int, nargs="+", help="how many jobs are in line as the queue grows")
    asks.add_argument("--server", help="the server's program, as in redis-server")
    asks.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="one more for Holdfast")
    asks.add_argument("--results", type=Path, help=f"the folder to write to; {WHOLE} for a run with no other words")
    return asks


def plan(words: Sequence[str] | None) -> tuple[Plan, Path]:
    """Make a plan of a command line."""
    asked = vars(parser().parse_args(words))
    chosen, more, folder = asked.pop("systems"), asked.pop("setting"), asked.pop("results")
    given: dict[str, Any] = dict(QUICK) if asked.pop("quick") else {}
    if (only := asked.pop("only")) is not None:
        given["measures"] = tuple(only)
    given |= {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items() if value}
    extra = dict(pair.split("=", 1) for pair in more)
    systems = [
        replace(system, settings={**system.settings, **extra}) if system.adapter == "holdfast" else system
        for system in SYSTEMS
        if chosen is None or any(word in system.name for word in chosen)
    ]
    if given.get("idle_queues", 1) > 1:
        systems = [system for system in systems if system.environment == "own"]
    if not shutil.which("redis-server"):
        given.setdefault("server", None)
    made = Plan(systems=tuple(systems), **{"server": "redis-server", **given})
    return made, folder or (WHOLE if made.is_whole else PARTIAL)


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
