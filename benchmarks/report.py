"""Writes the tables: each number beside its ratio to stock RQ's, and a reason where there is no number."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.cast import BASE, SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.figures import Results

NOTHING = "–"
OF_WORDS = {"system", "by what", "part", "what it is", "why it is there"}


def report(results: Results, words: Sequence[str] = ()) -> str:
    """Write the whole page; `words` say how it was measured."""
    parts = [
        "# Benchmarks",
        "\n".join(f"- {name}: {said}" for name, said in results.head.items()),
        *words,
        *(table(results) for table in TABLES),
        _not_run(results),
        _settings(results),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """Spell a number with so many digits that mean something."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    # Where the first digit stands: 0 for units, 1 for tens, -1 for tenths.
    first = math.floor(math.log10(abs(value)))
    after_the_point = digits - 1 - first
    return f"{round(value, after_the_point):,.{max(0, after_the_point)}f}"


def times(ratio: float | None) -> str:
    """Spell a ratio."""
    return NOTHING if ratio is None else f"× {number(ratio, 2 if ratio < 100 else 3)}"  # noqa: PLR2004


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table: of words on the left, of numbers on the right of their column."""
    lines = [head, ["---" if name in OF_WORDS else "---:" for name in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _named(results: Results, *measures: str) -> list[str]:
    """Give the systems that have a number for one of these, in the order of the cast."""
    return [
        name
        for name, figures in results.figures.items()
        if any(figures.median(measure) is not None for measure in measures)
    ]


def drained(results: Results) -> str:
    """Lay out how many jobs in line are done in a second, on a server as it comes."""
    head = (
        "system",
        "jobs/s, 1 worker",
        f"× {BASE}",
        "least – most",
        "jobs/s, 2 workers",
        f"× {BASE}",
        "worker µs/job",
        "server µs/job",
    )

    def row(name: str) -> list[str]:
        figures = results.of(name)
        between = _between(figures.spread("drain 1"))
        one, two = ((number(figures.median(each)), times(results.ratio(name, each))) for each in ("drain 1", "drain 2"))
        efforts = [number(figures.median(each)) for each in ("worker us", "server us")]
        return [name, *one, between, *two, *efforts]

    named = _named(results, "drain 1", "drain 2")
    return _titled("Draining no-op jobs: the server as it comes", table(head, map(row, named)), named)


def drained_logged(results: Results) -> str:
    """Lay out how many of them are done on a server that writes its log."""
    head = (
        "system",
        "jobs/s, 1 worker",
        f"× {BASE}",
        "least – most",
        "of that without",
        "worker µs/job",
        "server µs/job",
    )

    def row(name: str) -> list[str]:
        figures = results.of(name)
        rate = number(figures.median("logged drain 1"))
        efforts = [number(figures.median(f"logged {each}")) for each in ("worker us", "server us")]
        compared = times(results.ratio(name, "logged drain 1"))
        return [name, rate, compared, _between(figures.spread("logged drain 1")), _share(results, name), *efforts]

    named = _named(results, "logged drain 1")
    title = "Draining no-op jobs: with its log on (appendfsync everysec)"
    return _titled(title, table(head, map(row, named)), named)


def _between(spread: tuple[float, float] | None) -> str:
    return f"{number(spread[0])} – {number(spread[1])}" if spread else NOTHING


def _share(results: Results, name: str) -> str:
    """Compare a system with itself without the log, round by round."""
    on, off = (results.of(name).rounds.get(each, []) for each in ("logged drain 1", "drain 1"))
    found = [a / b for a, b in zip(on, off, strict=False) if a is not None and b]
    return times(median(found)) if found else NOTHING


def enqueued(results: Results) -> str:
    """Lay out how jobs come in, and what they take."""
    head = (
        *("system", "one by one/s", f"× {BASE}", "in bulk/s", f"× {BASE}"),
        *("trips to enqueue", "trips to run", f"× {BASE}", "bytes queued", "bytes finished"),
    )

    def row(name: str) -> list[str]:
        figures = results.of(name)
        rates = [
            word
            for each in ("enqueue one", "enqueue many")
            for word in (number(figures.median(each)), times(results.ratio(name, each)))
        ]
        trips = [number(figures.median(each), 2) for each in ("trips enqueue", "trips run")]
        sizes = [number(figures.median(each)) for each in ("bytes queued", "bytes finished")]
        return [name, *rates, *trips, times(results.ratio(name, "trips run")), *sizes]

    named = _named(results, "enqueue one", "trips run")
    return _titled("Enqueueing, round trips, memory", table(head, map(row, named)), named)


def waited(results: Results) -> str:
    """Lay out the waits for an idle worker."""
    named = [name for name in results.figures if results.of(name).waits]
    head = ("system", "p50 ms", f"× {BASE}", "p99 ms", f"× {BASE}", "waits")

    def row(name: str) -> list[str]:
        figures = results.of(name)
        pairs = ((number(figures.wait(each), 2), times(results.wait_ratio(name, each))) for each in (50, 99))
        return [name, *(word for pair in pairs for word in pair), str(len(figures.waits))]

    return _titled("Waiting for an idle worker", table(head, map(row, named)), named)


def recovered(results: Results) -> str:
    """Lay out how soon a killed worker's job was begun again."""
    base = results.recovery.get(BASE)
    price = {system.name: system.recovers for system in SYSTEMS}

    def row(name: str, seconds: float | None) -> list[str]:
        if seconds is None:
            return [name, f"not within {results.recovery_bound_s:.0f} s", NOTHING, price.get(name, "")]
        return [name, number(seconds), times(seconds / base if base else None), price.get(name, "")]

    rows = [row(name, seconds) for name, seconds in results.recovery.items()]
    return _titled(
        "A worker is killed in mid-job: until the job is begun again",
        table(("system", "seconds", f"× {BASE}", "by what"), rows),
        rows,
    )


def grown(results: Results) -> str:
    """Lay out the drain rate while more and more jobs are in line."""
    if not results.growth:
        return ""
    depths = sorted({depth for rates in results.growth.values() for depth in rates})

    def cells(found: list[float], first: list[float]) -> list[str]:
        # Compared time by time: what hits one hits the one beside it.
        ratio = median(one / other for one, other in zip(found, first, strict=True))
        return [number(median(found)), times(ratio), _between((min(found), max(found)))]

    head = ["system"]
    for depth in depths:
        head += [f"{depth:,} in line", f"× {depths[0]:,}", "least – most"]
    rows = [
        [name, *(cell for each in depths for cell in cells(rates[each], rates[depths[0]]))]
        for name, rates in results.growth.items()
    ]
    return _titled("Jobs/s as the queue grows", table(head, rows), rows)


def reaped(results: Results) -> str:
    """Say what one pass of the reaper took."""
    found = results.reaper
    if not found:
        return ""
    return (
        "## The reaper's pass\n\n"
        f"{found['leases']:,.0f} leases that had run out were taken back in {number(found['seconds'])} s "
        f"and {found['scripts']:,.0f} scripts; the longest held the server for {number(found['longest_ms'])} ms."
    )


TABLES: tuple[Callable[[Results], str], ...] = (drained, drained_logged, enqueued, waited, recovered, grown, reaped)


def _titled(title: str, body: str, rows: Sequence[object]) -> str:
    return f"## {title}\n\n{body}" if rows else ""


def _not_run(results: Results) -> str:
    rows = [
        f"- **{name}**, {measure}: {why}"
        for name, figures in results.figures.items()
        for measure, why in figures.not_run.items()
    ]
    return _titled("Not run", "\n".join(rows), rows)


def _settings(results: Results) -> str:
    rows = [f"- **{system.name}**: {system.words}" for system in SYSTEMS if system.name in results.figures]
    return _titled("How each was set", "\n".join(rows), rows)
