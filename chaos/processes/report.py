"""What a run prints: a first line that is the whole bug report, a line for each fault, the verdict, and a table."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from holdfast.chaos.commit import commit
from holdfast.chaos.processes.fleet import STOCK_OPTIONS
from holdfast.chaos.processes.migration import seats
from holdfast.chaos.processes.outcome import faults_by_mode
from holdfast.chaos.processes.plan import JOBS, MINUTES, PREFETCH, WORKERS
from holdfast.chaos.server import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from holdfast.chaos.history import History
    from holdfast.chaos.processes.accounts import Cost
    from holdfast.chaos.processes.family import Family
    from holdfast.chaos.processes.nemesis import Strike
    from holdfast.chaos.processes.plan import Plan
    from holdfast.chaos.verdict import Verdict

_STYLES = {"valid": "green", "invalid": "bold red", "unknown": "yellow"}
_STRUCK_NOBODY = {"missed": "dim", "skipped": "yellow"}
_SHOWN = 10


def headline(plan: Plan, *, is_stock: bool = False, is_lossy: bool = False) -> str:
    """Say in one line what is needed to do it again."""
    program = find_program()
    server = f"{Path(program.path).name.removesuffix('-server')} {'.'.join(map(str, program.version))}"
    command = f"holdfast chaos processes --seed {plan.seed}"
    given = {"--jobs": (len(plan.orders), JOBS), "--minutes": (plan.storm_ms / 60_000, MINUTES)}
    given |= {"--workers": (plan.workers, WORKERS), "--prefetch": (plan.prefetch, PREFETCH)}
    for option, (value, usual) in given.items():
        command += f" {option} {value:g}" * (value != usual)
    command += f" --mixed {plan.goal}" if plan.goal else ""
    command += " --stock" * is_stock + " --lossy" * is_lossy
    versions = [server, f"rq {version('rq')}", f"redis-py {version('redis')}"]
    return " · ".join([f"seed {plan.seed}", f"commit {commit()}", *versions, command])


def say(console: Console, text: str, style: str = "") -> None:
    """Print one line as it is."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def introduce(console: Console, plan: Plan, folder: Path, *, is_stock: bool) -> None:
    """Say who plays, and under which settings."""
    if plan.goal:
        stock, ours = seats(plan.workers)
        say(console, f"{', '.join(stock)}: rq.Worker with {' '.join(STOCK_OPTIONS[1:])}, the first with a scheduler")
        say(
            console,
            f"{', '.join(ours)}: holdfast.workers.Worker with {plan.settings.describe()}; in the end all {plan.goal}",
        )
    elif is_stock:
        say(console, f"stock rq.Worker with {' '.join(STOCK_OPTIONS)}; Retry(max=3) for every job that may run twice")
    else:
        say(console, f"holdfast.workers.Worker with {plan.settings.describe()}")
    asked = f"{len(plan.orders)} jobs over {plan.storm_ms / 60_000:g} min, {plan.workers} workers"
    say(console, f"{asked}, {len(plan.strikes)} faults; in {folder}")
    say(console, "     ms  who       fault")


def tell_strike(console: Console, us: int, strike: Strike, did: str, why: str = "") -> None:
    """Print what was done to whom; or, if it was skipped, why."""
    fault = strike.fault
    span = f", for {fault.for_ms} ms" if fault.for_ms else ""
    missed = {"missed": " (met nobody)", "skipped": f" (SKIPPED: {why})"}.get(did, "")
    move = getattr(fault, "move", "")
    what = f"{fault.mode}  {fault.name}{move and f' {move}'}: {fault.sentence}{span}{missed}"
    say(console, f"{us // 1_000:>7}  {fault.target:<8}  {what}", style=_STRUCK_NOBODY.get(did, ""))


def tell_costs(console: Console, costs: Sequence[Cost]) -> None:
    """Print what was stock RQ's doing, and what became of each job."""
    say(console, f"on stock RQ's account: {len(costs)} jobs")
    for cost in costs:
        say(console, f"  {cost}", style="yellow")


def tell_end(console: Console, us: int, place: str, ended: Family) -> None:
    """Print that a process ended although nobody asked it to."""
    last = ended.log.read_text("utf-8", errors="replace").strip().rpartition("\n")[2]
    what = f"{ended.name} ended by itself with {ended.exit_code}: {last[-90:]}"
    say(console, f"{us // 1_000:>7}  {place:<8}  {what}", style="yellow")


def conclude(console: Console, verdict: Verdict, history: History, head: str, folder: Path) -> None:
    """Print each ruling, the counts, and in the last line whether all held."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("invariant", "what must hold", "verdict"):
        table.add_column(name, no_wrap=name != "what must hold")
    for ruling in verdict.rulings:
        table.add_row(ruling.invariant, ruling.sentence, Text(ruling.word, _STYLES[ruling.word]))
    console.print()
    console.print(table)
    for ruling in verdict.rulings:
        for violation in ruling.violations[:_SHOWN]:
            say(console, f"  {violation}", style="red")
        if len(ruling.violations) > _SHOWN:
            say(console, f"  {ruling.invariant}: and {len(ruling.violations) - _SHOWN} more, in verdict.json")
    undecided = dict.fromkeys(ruling.undecided for ruling in verdict.rulings if ruling.undecided)
    for why in undecided:
        say(console, f"  unknown: {why}")
    say(console, "")
    say(console, " · ".join(f"{name} {count}" for name, count in verdict.counts.items()))
    say(console, "faults: " + " · ".join(f"{mode} {count}" for mode, count in faults_by_mode(history).items()))
    words = {word: [each.invariant for each in verdict.rulings if each.word == word] for word in _STYLES}
    say(console, " · ".join(f"{word}: {' '.join(names) or 'none'}" for word, names in words.items()))
    say(console, f"{verdict.word.upper()} ({head})", style=_STYLES[verdict.word])
    say(console, f"the picture: {folder / 'timeline.html'}")


_ROWS = {
    "accepted": "jobs accepted",
    "finished": "finished",
    "lost": "lost: accepted, and now nowhere",
    "stuck": "stuck: neither finished nor failed",
    "failed unrun": "failed, and never ran",
    "failed by fault": "failed by a fault, not by its own code",
    "in doubt": "buried as *in doubt*, as the job asks",
    "ran again": "ran again after its code had returned",
    "acted twice": "effect took place twice",
    "executions": "executions",
}


def _read_verdict(file: Path) -> dict[str, Any]:
    try:
        verdict = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if not isinstance(verdict, dict):
        raise ValueError(f"{file} is damaged: it holds {type(verdict).__name__}, no verdict")  # noqa: TRY004 - as the above
    return verdict


def compare(ours: Path, stock: Path) -> str:
    """Give a table of two runs in Markdown, from the verdict.json in their folders.

    Raises FileNotFoundError, KeyError for one that tells of something else, and ValueError for one that is damaged.
    """
    left, right = (_read_verdict(folder / "verdict.json") for folder in (ours, stock))
    lines = ["| | Holdfast | stock RQ |", "|---|---:|---:|"]
    lines += [f"| {row} | {left['counts'][name]} | {right['counts'][name]} |" for name, row in _ROWS.items()]
    lines.append(f"| verdict | {left['verdict']} | {right['verdict']} |")
    return "\n".join([*lines, "", f"Holdfast: {left['run']}", "", f"stock RQ: {right['run']}", ""])
