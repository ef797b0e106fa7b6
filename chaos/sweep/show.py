"""The face of `holdfast chaos sweep`: a progress bar, the tables, and a line for each case that went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from holdfast.chaos.server import NoServer
from holdfast.chaos.sweep.cases import Slice
from holdfast.chaos.sweep.report import LEGEND, by_chance_of, reproductions, summary_of, table_of, works_of, write
from holdfast.chaos.sweep.run import NoBaseline, Report, Result, run_sweep
from holdfast.chaos.sweep.stock import STOCK
from holdfast.chaos.sweep.works import ours_in

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.chaos.sweep.works import Cast

#: Of so many one wants to read what the workers said: what went wrong by chance is not to be had again.
_FEW = 4
#: In a log, where no bar can be drawn.
_A_LINE_EVERY = 100


def show(
    *,
    part: tuple[int, int] | None,
    only: str | None,
    stock: bool,
    jobs: int,
    report: Path | None,
    mode: str = "many-jobs",
) -> int:
    """Run the sweep on a terminal. See the room's `sweep`."""
    console = Console()
    try:
        slice_ = Slice(only or Slice.only, part or Slice.part)
        found = _run(console, slice_, cast=STOCK if stock else ours_in(mode), jobs=jobs)
    except (ValueError, NoBaseline, NoServer) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 2
    for work in works_of(found):
        console.print(f"[bold]{work}[/]: {LEGEND}")
        console.print(table_of(found, work))
    for line in reproductions(found, " --stock" if stock else _mode_option(mode)):
        console.print(line, soft_wrap=True)
    for result in found.bad[:_FEW]:
        console.print(result.logs, markup=False, highlight=False)
    console.print(summary_of(found), soft_wrap=True)
    if found.left_out:
        console.print(f"Left out: {found.left_out} cases of other parts than {'/'.join(map(str, slice_.part))}.")
    if found.by_chance:
        console.print(f"{by_chance_of(found)}.", soft_wrap=True)
    if report is not None:
        page = report.read_text("utf-8") if report.exists() else ""
        report.write_text(write(found, "stock" if stock else _kind(mode), page), "utf-8")
    return 1 if found.bad and not stock else 0


def _mode_option(mode: str) -> str:
    return "" if mode == "many-jobs" else f" --mode {mode}"


def _kind(mode: str) -> str:
    return "holdfast" if mode == "many-jobs" else f"holdfast {mode}"


def _run(console: Console, only: Slice, *, cast: Cast, jobs: int) -> Report:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[red]{task.fields[bad]}[/]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("first without a fault", total=None, bad="")
        bad = done = 0

        def on_result(result: Result) -> None:
            nonlocal bad, done
            done += 1
            bad += not result.verdict.is_good
            progress.update(bar, advance=1, bad=f"{bad} bad" if bad else "")
            if not console.is_terminal and done % _A_LINE_EVERY == 0:
                print(f"{done} cases, {bad} bad", flush=True)

        return run_sweep(
            only,
            cast=cast,
            jobs=jobs,
            on_plan=lambda count: progress.update(bar, total=count, description="hurting workers"),
            on_result=on_result,
        )
