"""What `holdfast chaos` shows while simulated runs go on, and says when they are over."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.chaos.commit import commit
from holdfast.chaos.simulation.batch import folder_of, quiet, run_seeds
from holdfast.chaos.simulation.controls import Ground, Rate, rates
from holdfast.chaos.simulation.cuts import run_cuts
from holdfast.chaos.simulation.findings import LET_OUT
from holdfast.chaos.simulation.folder import write
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.seeded_defects import DEFECTS
from holdfast.chaos.simulation.telling import bug_report
from holdfast.console.chaos import ENDED_BY_HAND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from holdfast.chaos.simulation.batch import Seed
    from holdfast.chaos.simulation.findings import Finding

#: Where no bar can be drawn, in a log, there is a line now and then instead.
_A_LINE_EVERY_S = 30


def storm(
    first: int,
    runs: int | None,
    minutes: float | None,
    *,
    hard: Sequence[bool],
    crowd: bool,
    only: str | None,
    on_real: bool,
    folder: Path,
) -> int:
    """Run seeds from `first` on, `runs` of them or for `minutes`, whichever ends first; give the exit status.

    Invalid runs are written down, each in a folder within `folder`, which goes when it stays empty.
    """
    console = Console()
    begun = time.monotonic()
    kinds = " and ".join("hard" if is_hard else "std" for is_hard in hard)
    head = [
        f"seeds from {first}, {kinds}{', crowds' if crowd else ''}",
        f"commit {commit()}",
        "redis-server" if on_real else "fakeredis",
    ]
    _say(console, " · ".join([*head, f"only {only}"] if only else head))
    lasts_s = (minutes or 0) * 60
    found: list[Seed] = []
    bad: list[Seed] = []
    is_ended_by_hand = False
    with _bar(console) as show:

        def on_seed(seed: Seed) -> None:
            found.append(seed)
            if seed.violations:
                bad.append(seed)
                _say(console, f"{folder_of(seed.seed, hard=seed.hard, crowd=crowd)}: {seed.violations[0]}", style="red")
            spent_s = time.monotonic() - begun
            share = max(
                len(found) / (runs * len(hard)) if runs else 0.0,
                spent_s / lasts_s if lasts_s else 0.0,
            )
            show(share, f"{len(found)} runs, {len(bad)} invalid")

        try:
            run_seeds(
                count(first) if runs is None else range(first, first + runs),
                hard=hard,
                crowd=crowd,
                only=only,
                on_real=on_real,
                folder=folder,
                on_seed=on_seed,
                is_over=lambda: bool(lasts_s) and time.monotonic() - begun >= lasts_s,
            )
        except KeyboardInterrupt:  # what was found by then is told all the same
            is_ended_by_hand = True
    _sum_up(console, found, bad, time.monotonic() - begun)
    _name_folder(console, folder)
    return 1 if bad else ENDED_BY_HAND if is_ended_by_hand else 0


def _sum_up(console: Console, found: list[Seed], bad: list[Seed], took_s: float) -> None:
    faults: Counter[str] = Counter()
    for each in found:
        faults.update(each.faults)
    hours, calls = sum(each.virtual_s for each in found) / 3_600, sum(each.calls for each in found)
    _say(console, ", ".join(f"{name} {number}" for name, number in faults.most_common()))
    for each in bad:
        _say(console, each.report, style="red")
        _say(console, f"  {each.violations[0]}")
    _say(
        console,
        f"{len(found)} runs, {hours:.1f} virtual hours, {calls} calls, {faults.total()} faults in {took_s:.0f} s: "
        f"{len(bad)} invalid",
        style="bold red" if bad else "green",
    )


def cut(part: tuple[int, int] | None, pairs: int, *, seed: int, jobs: int, folder: Path) -> int:
    """Run the cuts of a part, and pairs; give the exit status. What went wrong is written down within `folder`."""
    console = Console()
    _say(console, f"cuts{f' {part[0]}/{part[1]}' if part else ''} · commit {commit()} · fakeredis")
    with _bar(console) as show:
        report = run_cuts(
            part, pairs, jobs, seed=seed, on_progress=lambda done, of: show(done / of, f"{done} of {of} runs")
        )
    for number, finding in enumerate(report.findings, 1):
        _say(console, str(finding), style="red")
        _write(finding, folder / f"cut-{number}")
    _say(console, str(report), style="bold red" if report.findings else "green")
    _name_folder(console, folder)
    return int(bool(report.findings))


def _write(finding: Finding, folder: Path) -> None:
    if LET_OUT in finding.invariants:
        folder.mkdir(parents=True)
        (folder / "error.txt").write_text(f"{finding}\n", "utf-8")
        return
    with quiet():
        write(run_plan(finding.plan), bug_report(finding.plan), folder)


def control(defects: Sequence[str], *, seeds: int, jobs: int) -> None:
    """Print for each seeded defect how many of as many seeds show it, and by which invariants."""
    if unknown := sorted(set(defects) - set(DEFECTS)):
        raise click.ClickException(f"no such defect: {', '.join(unknown)}. There are {', '.join(sorted(DEFECTS))}.")
    console, chosen = Console(), tuple(defects) or tuple(DEFECTS)
    grounds = (Ground("std", seeds), Ground("hard", seeds))
    shown: set[str] = set()
    done = 0
    with _bar(console) as show:

        def on_rate(rate: Rate) -> None:
            nonlocal done
            done += 1
            if rate.hits:
                shown.add(rate.defect)
            _say(console, str(rate), style="" if rate.hits else "dim")
            show(done / (len(chosen) * len(grounds)), f"{len(shown)} shown")

        rates(chosen, grounds, jobs=jobs, on_rate=on_rate)
    _say(console, f"{len(shown)} of {len(chosen)} defects shown by seeds alone")


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[float, str], None]]:
    """Draw a bar. What is given is told a share from 0 to 1, and what has been done so far."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=1.0)
        said_at = time.monotonic()

        def show(share: float, what: str) -> None:
            nonlocal said_at
            progress.update(task, completed=share, description=what)
            if not console.is_terminal and time.monotonic() - said_at >= _A_LINE_EVERY_S:
                said_at = time.monotonic()
                _say(console, what)

        yield show


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _name_folder(console: Console, folder: Path) -> None:
    """Say where to look, if there is something to be seen; an empty folder is none."""
    if folder.is_dir() and any(folder.iterdir()):
        _say(console, f"written down in {folder}: plan, history, verdict and timeline.html of each")
    elif folder.is_dir():
        folder.rmdir()
