"""`holdfast chaos`: break it on purpose, and judge the result."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from holdfast.chaos.simulation.batch import Seed


@click.group()
def chaos() -> None:
    """Break it on purpose, reproducibly from a seed, and judge the result.

    Needs `pip install rq-holdfast[chaos]`. Touches only servers it started itself.
    """
    try:
        import fakeredis  # noqa: F401, PLC0415 - asked for only here
        import greenlet  # noqa: F401, PLC0415
    except ImportError as missing:
        raise click.ClickException(f"{missing.name} is missing: pip install 'rq-holdfast[chaos]'") from missing


@chaos.command("list")
def list_faults() -> None:
    """Say which faults there are, and which failure mode each belongs to."""
    from holdfast.chaos.faults import load_all  # noqa: PLC0415 - needs the extra

    table = Table("mode", "fault", "what happens", "comes")
    for name, kind in sorted(load_all().items(), key=lambda item: (item[1].mode, item[0])):
        how = f"{kind.rate:.1%} of calls" if hasattr(kind, "rate") else f"{kind.count:g} a run"
        table.add_row(kind.mode, name, kind.sentence, how)
    Console().print(table)


@chaos.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The first seed.")
@click.option("--runs", type=click.IntRange(1), default=100, show_default=True, help="How many seeds.")
@click.option("--hard", is_flag=True, help="Faults come three times as often.")
@click.option("--only", help="One failure mode, such as FM-012.")
@click.option("--server", type=click.Choice(["fake", "real"]), default="fake", show_default=True)
@click.option("--processes", is_flag=True, help="Real workers, real faults, real time: one run of that seed.")
@click.option("--stock", is_flag=True, help="With --processes: stock RQ in our place, for comparison.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="With --processes: how long.")
@click.option("--jobs", type=click.IntRange(1), default=2_000, show_default=True, help="With --processes: how many.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the run is written down.")
def run(
    seed: int,
    runs: int,
    hard: bool,
    only: str | None,
    server: str,
    processes: bool,
    stock: bool,
    minutes: float,
    jobs: int,
    folder: Path | None,
) -> None:
    """Run seeds and judge each. The exit status is 1 if any run is invalid."""
    if processes:
        from holdfast.chaos.processes.run import run_processes  # noqa: PLC0415 - needs the extra

        where = folder or Path(tempfile.mkdtemp(prefix="holdfast-run-")) / f"seed-{seed}"
        verdict = run_processes(seed, jobs=jobs, minutes=minutes, stock=stock, folder=where, console=Console())
        sys.exit(verdict.exit_code)
    from holdfast.chaos.simulation.batch import run_seeds  # noqa: PLC0415 - needs the extra

    began = time.monotonic()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("seeds", total=runs)
        found = run_seeds(
            range(seed, seed + runs),
            hard=hard,
            only=only,
            on_real=server == "real",
            on_seed=lambda _: progress.advance(bar),
        )
    _report(found, hard=hard, took_s=time.monotonic() - began, folder=folder)
    sys.exit(any(each.violations for each in found))


def _report(found: list[Seed], *, hard: bool, took_s: float, folder: Path | None) -> None:
    console = Console()
    faults: Counter[str] = Counter()
    for each in found:
        faults.update(each.faults)
    bad = [each for each in found if each.violations]
    hours = sum(each.virtual_s for each in found) / 3_600
    calls = sum(each.calls for each in found)
    console.print(", ".join(f"{name} {count}" for name, count in faults.most_common()), highlight=False)
    for each in bad:
        console.print(f"[red]seed {each.seed}[/]: {each.violations[0]}", highlight=False)
        console.print(f"  holdfast chaos replay {each.seed}{' --hard' if hard else ''}", highlight=False)
    console.print(
        f"{len(found)} runs, {hours:.1f} virtual hours, {calls} calls, {faults.total()} faults in {took_s:.0f} s: "
        f"{'[red]' if bad else '[green]'}{len(bad)} invalid[/]",
        highlight=False,
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        summary = [{"seed": each.seed, "violations": each.violations, "digest": each.digest} for each in found]
        (folder / "verdict.json").write_text(json.dumps(summary, indent=1), "utf-8")


@chaos.command()
@click.argument("seed", type=int)
@click.option("--hard", is_flag=True, help="As the run was.")
@click.option("--only", help="As the run was.")
@click.option("--job", help="Only this job's lines, and the faults.")
@click.option("--shrink", is_flag=True, help="Leave out what the violation does not need.")
@click.option("--folder", type=click.Path(path_type=Path), help="Write plan, history, verdict and timeline there.")
def replay(seed: int, hard: bool, only: str | None, job: str | None, shrink: bool, folder: Path | None) -> None:
    """Run one seed again and print what happened, one line an event."""
    from holdfast.chaos.simulation.replay import replay as run_again  # noqa: PLC0415 - needs the extra

    sys.exit(run_again(seed, hard=hard, only=only, job=job, smaller=shrink, folder=folder))
