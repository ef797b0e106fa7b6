"""Tables and durations as the commands print them: drawn on a terminal, plain columns for a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))

#: Shorter times are told to a tenth of a second.
_TENTHS_BELOW_MS = 10_000

#: To what width a column is filled up on a narrow terminal: one long description must not push all others away.
_WIDEST = 40


def duration(ms: int) -> str:
    """Write a time as a person says it: `340 ms`, `4.2 s`, `17 min`, `3 d`."""
    for size, unit in _UNITS:
        if abs(ms) >= size:
            return f"{ms / 1000:.1f} s" if abs(ms) < _TENTHS_BELOW_MS else f"{ms // size} {unit}"
    return f"{ms} ms"


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings. Where nobody looks, nothing is cut, wrapped or drawn.

    Neither is it on a terminal that is too narrow to leave each id in one piece: they are there to be copied.
    """
    columns = list(zip(headings, *rows, strict=True))
    most = max(map(len, (cell for column in columns for cell in column)))
    if sys.stdout.isatty():
        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column[0], overflow="fold", no_wrap=not any(" " in cell for cell in column))
        for row in rows:
            table.add_row(*row)
        console = Console(markup=False, highlight=False)
        boundless = console.options.update_width(sys.maxsize)
        if console.measure(table, options=boundless).minimum <= console.width:
            console.print(table)
            return
        most = _WIDEST
    widths = [min(most, max(map(len, column))) for column in columns]
    for row in (headings, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
