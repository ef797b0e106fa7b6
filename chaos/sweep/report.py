"""What a sweep found, as a picture in a terminal and as a table on a page."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from holdfast.chaos.sweep.cases import SIDES, Fault, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.chaos.sweep.judge import Verdict
    from holdfast.chaos.sweep.run import Report, Result

#: The allowed ends of a job other than finished, as a small cell spells them.
_SIGNS = {
    "in doubt, charged": "?1",
    "in doubt, not charged": "?0",
    "failed (failures)": "f",
    "buried, told 1x": "b1",
    "buried, told 2x": "b2",
    "told 1x": "t1",
    "told 2x": "t2",
}
LEGEND = (
    "finished after 1, 2 ... runs; failed as it should (f); stopped in doubt after 1 charge (?1) or none (?0); "
    "buried and told of once (b1, t1) or twice (b2, t2); before · after"
)
#: Between these two lines of a page stands what a sweep of this kind has found.
_BEGIN, _END = "<!-- {} sweep: begin -->", "<!-- {} sweep: end -->"


def works_of(report: Report) -> list[str]:
    """Name the kinds of work that were swept."""
    return list(dict.fromkeys(result.case.setting.work for result in report.results))


def table_of(report: Report, work: str) -> Table:
    """Show one kind of work: a row for each boundary, a column for each fault, before and after in one cell."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("boundary", no_wrap=True)
    faults = _faults(report, work)
    for fault in faults:
        table.add_column(fault.replace("-", "-\n"))
    for name, row in _rows(report, work):
        table.add_row(name, *(_coloured(row.get(fault, [])) for fault in faults))
    return table


def reproductions(report: Report, option: str) -> Iterator[str]:
    """Give a line for each case that is not good: what is wrong, and how to see it again."""
    for result in report.bad:
        why = "; ".join(result.verdict.wrongs) or "the fault could not be made to happen"
        yield f"[bold red]{escape(str(result.case))}[/]: {escape(result.verdict.outcome)}: {escape(why)}"
        yield f'  holdfast chaos sweep{option} --only "{result.case}"'


def summary_of(report: Report) -> str:
    """Say how many of what, how long it took, and on what."""
    counts = Counter((result.case.setting.work, result.verdict.outcome) for result in report.results)
    parts = []
    for work in works_of(report):
        told = ", ".join(f"{outcome}: {count}" for (of, outcome), count in sorted(counts.items()) if of == work)
        parts.append(f"{work} ({told})")
    deaths = [result.seconds for result in report.results if result.case.fault is Fault.KILL_TREE]
    half = f"; half of the kill-tree cases took less than {median(deaths):.1f} s" if deaths else ""
    return (
        f"{len(report.results)} cases, {len(report.bad)} bad, in {report.seconds:.0f} s, "
        f"with rq {version('rq')} on {report.server}: {'; '.join(parts)}{half}"
    )


def by_chance_of(report: Report) -> str:
    """Say at how many boundaries nobody was hurt, since nobody can say when a worker comes to them."""
    names = ", ".join(f"{name} ({count})" for name, count in Counter(name for name, _ in report.by_chance).items())
    return f"Left out: {len(report.by_chance)} boundaries that came by chance: {names}"


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
    if report.by_chance:
        yield f"{by_chance_of(report)}."
    for work in works_of(report):
        faults = _faults(report, work)
        yield f"\n**{work}**\n"
        yield f"| boundary | {' | '.join(faults)} |"
        yield "|---" * (len(faults) + 1) + "|"
        for name, row in _rows(report, work):
            yield f"| {name} | {' | '.join(_marked(row.get(fault, [])) for fault in faults)} |"


def _faults(report: Report, work: str) -> list[Fault]:
    seen = {result.case.fault for result in _of(report, work)}
    return [fault for fault in SIDES if fault in seen]


def _rows(report: Report, work: str) -> Iterator[tuple[str, dict[Fault, list[Result]]]]:
    """Give the boundaries in the order of the requests, each with its results by fault."""
    names = [name for setting, passed in report.boundaries.items() if setting.work == work for name in passed]
    rows: dict[str, dict[Fault, list[Result]]] = {name: {} for name in names}
    for result in _of(report, work):
        rows[result.case.boundary].setdefault(result.case.fault, []).append(result)
    yield from ((name, row) for name, row in rows.items() if row)


def _of(report: Report, work: str) -> list[Result]:
    return [result for result in report.results if result.case.setting.work == work]


def _cell(results: Sequence[Result], spell: Callable[[Verdict], str]) -> list[tuple[str, str]]:
    """Say of each side what became of the job; of both together where it made no difference."""
    by_side = {
        side: _of_all_queues([result for result in results if result.case.side is side], spell)
        for side in Side
        if any(result.case.side is side for result in results)
    }
    if len(set(by_side.values())) == 1:
        return [("", next(iter(by_side.values())))]
    return list(by_side.items())


def _of_all_queues(results: Sequence[Result], spell: Callable[[Verdict], str]) -> str:
    by_word: dict[str, list[str]] = {}
    for result in results:
        by_word.setdefault(spell(result.verdict), []).append(f"{result.case.setting.queues}q")
    if len(by_word) == 1:
        return next(iter(by_word))
    return ", ".join(f"{word} ({' '.join(sorted(queues))})" for word, queues in by_word.items())


def _sign(verdict: Verdict) -> str:
    """Spell an outcome for a terminal, where cells are small."""
    if not verdict.is_good:
        return _word(verdict)
    runs = re.fullmatch(r"(\d+) runs?", verdict.outcome)
    return runs[1] if runs else _SIGNS.get(verdict.outcome, verdict.outcome)


def _word(verdict: Verdict) -> str:
    return verdict.outcome if verdict.is_good or verdict.is_unknown else f"BAD: {verdict.outcome}"


def _coloured(results: Sequence[Result]) -> Text:
    told = " · ".join(word for _, word in _cell(results, _sign)) or "-"
    return Text(told, style="" if all(result.verdict.is_good for result in results) else "bold white on red")


def _marked(results: Sequence[Result]) -> str:
    told = "; ".join(f"{side}: {word}" if side else word for side, word in _cell(results, _word)) or "-"
    return told if all(result.verdict.is_good for result in results) else f"**{told}**"
