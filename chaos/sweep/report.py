"""What a sweep found, as a picture in a terminal and as a table on a page."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from holdfast.chaos.sweep.cases import SIDES, Fault, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.chaos.sweep.judge import Verdict
    from holdfast.chaos.sweep.run import Report, Result

Column = tuple[Fault, Side]
#: Between these two lines of a page stands what a sweep of this kind has found.
_BEGIN, _END = "<!-- {} sweep: begin -->", "<!-- {} sweep: end -->"


def works_of(report: Report) -> list[str]:
    """Name the kinds of work that were swept."""
    return list(dict.fromkeys(result.case.setting.work for result in report.results))


def table_of(report: Report, work: str) -> Table:
    """Show one kind of work: a row for each boundary, a column for each fault and side."""
    columns = _columns(report, work)
    table = Table(title=f"{work}: what became of the job, by where its worker was hurt and how", title_justify="left")
    table.add_column("boundary", no_wrap=True)
    for fault, side in columns:
        table.add_column(f"{fault}\n{side}".replace("-", "\n"))
    for name, row in _rows(report, work):
        table.add_row(name, *(_coloured(row.get(column, [])) for column in columns))
    return table


def reproductions(report: Report, option: str) -> Iterator[str]:
    """Give a line for each case that is not good: what is wrong, and how to see it again."""
    for result in report.bad:
        why = "; ".join(result.verdict.wrongs) or "the fault could not be made to happen"
        yield f"[bold red]{escape(str(result.case))}[/]: {escape(result.verdict.outcome)}: {escape(why)}"
        yield f'  holdfast sweep{option} --only "{result.case}"'


def summary_of(report: Report) -> str:
    """Say how many of what, how long it took, and on what."""
    counts = Counter((result.case.setting.work, result.verdict.outcome) for result in report.results)
    parts = []
    for work in works_of(report):
        told = ", ".join(f"{outcome}: {count}" for (of, outcome), count in sorted(counts.items()) if of == work)
        parts.append(f"{work} ({told})")
    return (
        f"{len(report.results)} cases, {len(report.bad)} bad, in {report.seconds:.0f} s, "
        f"with rq {version('rq')} on {report.server}: {'; '.join(parts)}"
    )


def write(report: Report, kind: str, page: str) -> str:
    """Put the tables between a page's lines for this kind of sweep, or at its end, and give the page."""
    begin, end = _BEGIN.format(kind), _END.format(kind)
    told = "\n".join([begin, *_markdown(report), end])
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{told}\n".lstrip()
    _, _, after = rest.partition(end)
    return f"{before}{told}{after}"


def _markdown(report: Report) -> Iterator[str]:
    yield f"{summary_of(report)}."
    for work in works_of(report):
        columns = _columns(report, work)
        yield f"\n**{work}**\n"
        yield f"| boundary | {' | '.join(f'{fault} {side}' for fault, side in columns)} |"
        yield "|---" * (len(columns) + 1) + "|"
        for name, row in _rows(report, work):
            yield f"| {name} | {' | '.join(_marked(row.get(column, [])) for column in columns)} |"
    if report.bad:
        yield "\nBad:\n"
        for result in report.bad:
            yield f"- `{result.case}`: {'; '.join(result.verdict.wrongs) or result.verdict.outcome}"


def _columns(report: Report, work: str) -> list[Column]:
    seen = {(result.case.fault, result.case.side) for result in _of(report, work)}
    return [(fault, side) for fault, sides in SIDES.items() for side in sides if (fault, side) in seen]


def _rows(report: Report, work: str) -> Iterator[tuple[str, dict[Column, list[Result]]]]:
    """Give the boundaries in the order of the requests, each with its results: one for each number of queues."""
    rows: dict[str, dict[Column, list[Result]]] = {}
    for result in _of(report, work):
        row = rows.setdefault(result.case.boundary, {})
        row.setdefault((result.case.fault, result.case.side), []).append(result)
    yield from rows.items()


def _of(report: Report, work: str) -> list[Result]:
    return [result for result in report.results if result.case.setting.work == work]


def _words(results: Iterable[Result]) -> list[str]:
    """Say what became of one cell: once if the number of queues made no difference."""
    by_word: dict[str, list[int]] = {}
    for result in results:
        by_word.setdefault(_word(result.verdict), []).append(result.case.setting.queues)
    if len(by_word) == 1:
        return list(by_word)
    return [f"{word} ({', '.join(f'{queues}q' for queues in sorted(of))})" for word, of in by_word.items()]


def _word(verdict: Verdict) -> str:
    return verdict.outcome if verdict.is_good or verdict.is_unknown else f"BAD: {verdict.outcome}"


def _coloured(results: Sequence[Result]) -> Text:
    if all(result.verdict.is_good for result in results):
        return Text("\n".join(_words(results)) or "-", style="" if results else "dim")
    return Text("\n".join(_words(results)), style="bold white on red")


def _marked(results: Sequence[Result]) -> str:
    told = "; ".join(_words(results)) or "-"
    return told if all(result.verdict.is_good for result in results) else f"**{told}**"
