"""Lines, tables and durations as the commands print them: drawn on a terminal, plain columns for a program."""

from __future__ import annotations

import sys
import unicodedata
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


#: Kinds of characters that a terminal obeys or hides: controls, turns of the direction of writing, lone halves, ends of
#: lines and of paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: They show nothing, and are a part of words and signs.
_JOINERS = "\u200c\u200d"
#: How Python marks a byte of the command line that is no text.
_LONE_BYTES = range(0xDC80, 0xDD00)


def visible(text: str) -> str:
    r"""Write so that it is seen what a terminal would obey or hide: `\x1b`, `\n`, `\u202e`.

    Ids, descriptions and errors come from whoever may enqueue: they must not clear the operator's screen, or add lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(each) for each in text)


def _spelled(char: str) -> str:
    if ord(char) in _LONE_BYTES:
        return f"\\x{ord(char) - 0xDC00:02x}"
    if unicodedata.category(char) in _UNSEEN and char not in _JOINERS:
        return char.encode("unicode_escape").decode()
    return char


def say(line: str, *, err: bool = False) -> None:
    """Print one line, whatever is in what it tells of."""
    click.echo(visible(line), err=err)


def refusal(said: str) -> click.ClickException:
    """Make the error that ends a command with this one line."""
    return click.ClickException(visible(said))


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
    rows = [[visible(cell) for cell in row] for row in rows]
    columns = list(zip(headings, *rows, strict=True))
    most = max(map(len, (cell for column in columns for cell in column)))
    if sys.stdout is not None and sys.stdout.isatty():
        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column[0], overflow="fold", no_wrap=not any(" " in cell for cell in column))
        for row in rows:
            table.add_row(*row)
        console = Console(markup=False, highlight=False, emoji=False)
        boundless = console.options.update_width(sys.maxsize)
        if console.measure(table, options=boundless).minimum <= console.width:
            console.print(table)
            return
        most = _WIDEST
    widths = [min(most, max(map(len, column))) for column in columns]
    for row in (headings, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
