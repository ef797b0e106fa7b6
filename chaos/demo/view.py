"""How the demo looks: a live picture on a terminal, the same events as lines anywhere else, and a table at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from holdfast.chaos.demo.judge import short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from holdfast.chaos.demo.fleet import Worker
    from holdfast.chaos.demo.judge import Evidence, Finding
    from holdfast.chaos.demo.scene import Line, Scene
    from holdfast.chaos.history import Move

_STATE_STYLES = {
    "starting": "dim",
    "alive": "green",
    "killed": "bold red",
    "asleep": "bold blue",
    "stopping": "bold yellow",
    "gone": "yellow",
}
_MARK_STYLES = {"fault": "bold red", "repair": "cyan", "": "dim"}
_WIDTHS = {"who": 6, "did": 9, "job": 13, "execution": 9, "fence": 11}
#: Lines of the picture that are not its log: header, progress, panels and the log's own head.
_FRAME_LINES = 10
#: How many lines are kept for the newest moves, below those that stay.
_FLOW_LINES = 6
_FRAME_EVERY_MS = 100


class View(Protocol):
    """Whoever shows a scene."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, scene: Scene, *, is_last: bool = False) -> None:
        """Show how it stands now; the last time without fail."""
        ...


class Lines:
    """Events as plain lines, for a pipe or a CI log."""

    def __init__(self, console: Console, header: Sequence[str]) -> None:
        self._console = console
        self._header = header
        self._shown = 0

    def __enter__(self) -> Self:
        for line in self._header:
            self._say(line)
        self._say(_row("  ", "ms", *_WIDTHS, ""))
        return self

    def __exit__(self, *_: object) -> None:
        self._say("")

    def show(self, scene: Scene, *, is_last: bool = False) -> None:  # noqa: ARG002 - lines are never left out
        for line in scene.lines[self._shown :]:
            mark = {"fault": "!!", "repair": "->", "": "  "}[line.mark]
            self._say(_row(mark, line.ms, line.who, line.did, line.job, line.execution, line.fence, line.note))
        self._shown = len(scene.lines)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _row(mark: str, ms: object, *cells: str) -> str:
    *fields, note = cells
    padded = (f"{cell:<{width}}" for cell, width in zip(fields, _WIDTHS.values(), strict=True))
    return f"{mark} {ms:>6} {' '.join(padded)} {note}".rstrip()


class Picture:
    """A live picture: what goes on, a bar, a panel for each place, and the log."""

    def __init__(self, console: Console, header: Sequence[str]) -> None:
        self._console = console
        self._header = header
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._next_ms = 0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
        self._console.print()

    def show(self, scene: Scene, *, is_last: bool = False) -> None:
        now_ms = scene.server_ms()
        # The same core also runs the workers: a frame costs some 10 ms of it.
        if now_ms < self._next_ms and not is_last:
            return
        self._next_ms = now_ms + _FRAME_EVERY_MS
        self._live.update(self._frame(scene, now_ms, is_last=is_last), refresh=True)

    def _frame(self, scene: Scene, now_ms: int, *, is_last: bool) -> RenderableType:
        title, *more = self._header
        head = Text(title, style="bold", no_wrap=True, overflow="ellipsis")
        details = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in more]
        now = Text(f"> {scene.now}", style="bold magenta", no_wrap=True, overflow="ellipsis")
        room = max(_FLOW_LINES + 1, self._console.height - _FRAME_LINES - len(details))
        marked = [line for line in scene.lines if line.mark]
        flow = [line for line in scene.lines if not line.mark]
        if is_last:
            log = _log(marked, [])
        else:
            marked = marked[-(room - _FLOW_LINES) :]
            log = _log(marked, flow[-(room - len(marked) - 1) :])
        return Group(head, *details, now, _bar(scene, now_ms), _panels(scene, now_ms), log)


def _bar(scene: Scene, now_ms: int) -> RenderableType:
    total, done = len(scene.jobs), len(scene.story.finished)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=total or 1, completed=done, complete_style="green", finished_style="bold green")
    grid.add_row("orders", bar, f"{done:>3} of {total} finished  {(now_ms - scene.began_ms) / 1000:>5.1f} s")
    return grid


def _panels(scene: Scene, now_ms: int) -> RenderableType:
    grid = Table.grid(expand=True)
    for _ in scene.fleet.places:
        grid.add_column(ratio=1)
    grid.add_row(*(_panel(scene, worker, now_ms) for worker in scene.fleet.places))
    return grid


def _panel(scene: Scene, worker: Worker, now_ms: int) -> Panel:
    style = _STATE_STYLES[worker.state]
    held = scene.story.held_by(worker.name)
    text = Text(no_wrap=True, overflow="ellipsis")
    if worker.state in {"killed", "asleep"}:
        text.append(_loss(scene, held, now_ms), style=style)
    else:
        text.append(f"works on {held.job}" if held else "holds nothing")
    text.append(f"\n{scene.story.done[worker.name]} finished, pid {worker.pid}", style="dim")
    text.append(f"\n{worker.story}", style="dim")
    return Panel(
        text, title=f"{short(worker.name)} {worker.state}", title_align="left", box=ROUNDED, border_style=style
    )


def _loss(scene: Scene, held: Move | None, now_ms: int) -> str:
    """Say what becomes of the lease of a worker that cannot renew it."""
    if held is None:
        return "its order is gone"
    left_ms = scene.scars.lease_ends_ms[held.job] - now_ms
    return f"lease ends in {left_ms / 1000:.1f} s" if left_ms > 0 else "lease has ended"


def _log(marked: Sequence[Line], flow: Sequence[Line]) -> RenderableType:
    """Draw the lines that stay, what was done to workers and what came of it, above the newest moves of all."""
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="underline")
    table.add_column("ms", width=6, justify="right")
    # As wide as ever needed, so that nothing moves sideways from one picture to the next.
    for name, width in _WIDTHS.items():
        table.add_column(name, width=width, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    for line in marked:
        table.add_row(*_cells(line), style=_MARK_STYLES[line.mark])
    if marked:
        table.add_row()
    for line in flow:
        table.add_row(*_cells(line), style=_MARK_STYLES[line.mark])
    return table


def _cells(line: Line) -> list[Text]:
    return [Text(cell) for cell in (str(line.ms), line.who, line.did, line.job, line.execution, line.fence, line.note)]


def print_verdict(console: Console, evidence: Evidence, findings: Sequence[Finding], told: str) -> None:
    """Print what was counted, each promise, and in one line whether all held."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column("seen", justify="right", no_wrap=True)
    table.add_column("had to be", justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row("orders enqueued", str(len(evidence.jobs)))
    table.add_row("orders finished", str(len(evidence.finished)))
    table.add_row("executions begun", str(evidence.count("claim")))
    table.add_row("executions reclaimed", str(evidence.count("reclaim")))
    table.add_row("executions refused (worker logs)", str(len(evidence.refused)))
    table.add_section()
    for finding in findings:
        word = Text("BROKEN", "bold red") if finding.trouble else Text("held", "green")
        table.add_row(finding.promise, finding.seen, finding.required, word)
    console.print(table)
    console.print()
    troubles = "; ".join(finding.trouble for finding in findings if finding.trouble)
    if troubles:
        console.print(f"NOT HELD: {troubles} ({told})", style="bold red", markup=False, soft_wrap=True)
    else:
        console.print(f"ALL PROMISES HELD ({told})", style="bold green", markup=False, soft_wrap=True)
