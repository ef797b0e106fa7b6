"""Writes the tables of the profile: what guards cost, and which part takes how much of a plain job's time."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.alone import SEVERAL
from benchmarks.costs import (
    BARE,
    CLAIMS,
    FLOOR,
    FORKS,
    NO_LOG,
    NO_RESULTS,
    SHIPPED,
    TRIP,
    UNSAFE,
    WANTS,
    line_of,
)
from benchmarks.guards import GUARDS, SAFETY
from benchmarks.parts import IN_TURN
from benchmarks.report import NOTHING, number, table
from holdfast.jobs.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.figures import Results

#: Part -> why it is there, in the order of a job's life.
PARTS = {
    "the move": "the words of a settle and a claim are made; the answer is read into objects that cannot be mixed up",
    "packing": "the command is written for the wire: hiredis does it",
    "sockets": "redis-py sends, waits and receives: one trip",
    "reading": "hiredis reads the answer, most of which is the job's record",
    "its turns": "the horse settles and claims by itself: when, under which number, and which job is next",
    "the reins": "its parent hears of a turn before it is asked for and before what it gave begins: either may die",
    "objects": "a lease, who may ask what under it, and a job object that is read when somebody looks at it",
    "title": "`ps` and the environment say which job it is, as RQ does",
    "context": "what a job sets in its context ends with it",
    "death penalty": "RQ's timeout: a handler and an alarm, set and taken back, without the detour by enums",
    "the call's data": "the call is unpickled, and its function found",
    "the job itself": "what the benchmark's job does: the time, twelve bytes",
    "result": "RQ's serializer, and whether Redis would take it",
    "the attempt around these": "callbacks, webhooks, repeats, timeouts are looked for, and how it ended is spelled",
    "tidy": "what the job changed of its process is put back, so that the next one starts clean",
    "told": "events for logs and metrics; beyond 100 a second, only counted",
}
A_HORSE = Settings().jobs_per_horse


def page(results: Results, words: Sequence[str]) -> str:
    """Write all of it; `words` say how it was measured."""
    tables = (guards, server, commands, workers, floor)
    refused = [f"**Not run**: {name}: {why}" for name, each in results.figures.items() for why in each.not_run.values()]
    parts = [
        "# Profile",
        "\n".join(f"- {name}: {said}" for name, said in results.head.items()),
        *words,
        "Made by `make bench ARGS='--only profile'`; [docs/profile.md](../../docs/profile.md) says what it means.",
        *refused,
        *(each(results) for each in tables),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def percent(values: Sequence[float]) -> str:
    """Spell what is added, as the median of ratios, with the quarters between which half of them lie."""
    if len(values) < 2:  # noqa: PLR2004 - quantiles() needs two
        return NOTHING
    low, middle, high = (100 * (each - 1) for each in quantiles(values, n=4, method="inclusive"))
    return f"{middle:+.0f} % ({low:+.0f} – {high:+.0f})"


def _per_s(results: Results, name: str) -> str:
    us = results.of(name).median("wall")
    return number(1e6 / us) if us else NOTHING


def _median(results: Results, name: str, measure: str) -> float:
    return results.of(name).median(measure) or 0.0


def _more(results: Results, name: str, than: str, measure: str) -> float:
    """Give by how much one is above another, round by round; the median of that."""
    pairs = (results.of(each).rounds.get(measure, []) for each in (name, than))
    found = [a - b for a, b in zip(*pairs, strict=False) if a is not None and b is not None]
    return median(found) if found else 0.0


def guards(results: Results) -> str:
    """Lay out what is added by leases, fencing and journal, one by one and together."""
    head = ("system", "jobs/s", "server µs/job", "client µs/job", "added to the time", "added to server + client")

    def loop_row(want: int, variant: str) -> list[str]:
        on, off = line_of("loop", want, SHIPPED), line_of("loop", want, variant)
        figures = [number(results.of(off).median(each)) for each in ("server", "client")]
        added = [percent(results.ratios(on, each, off)) if off != on else "" for each in ("wall", "both")]
        return [f"bare loop, {want} a trip, {variant}", _per_s(results, off), *figures, *added]

    def worker_row(want: int, variant: str) -> list[str]:
        on, off = line_of("worker", want, SHIPPED), line_of("worker", want, variant)
        us = [_median(results, off, each) for each in ("server", "parent", "horse")]
        added = [percent(results.ratios(on, each, off)) if off != on else "" for each in ("wall", "all")]
        name = f"worker, {want} in hand, {variant}"
        return [name, _per_s(results, off), number(us[0]), number(us[1] + us[2]), *added]

    variants = (SHIPPED, *(f"without {name}" for name in SAFETY), UNSAFE)
    rows = [loop_row(want, variant) for want in WANTS for variant in variants]
    rows += [worker_row(want, variant) for want in WANTS for variant in (SHIPPED, UNSAFE)]
    return (
        "## What leases, fencing and journal cost\n\n"
        "*Added* is by how much what is shipped takes longer than the line's own variant, turn by turn: the median, "
        "and between what half of all turns lie.\n\n" + table(head, rows)
    )


def _by_want(name: str, us: Callable[[int], float], why: str) -> list[str]:
    return [name, *(number(us(want)) for want in WANTS), why]


COLUMNS = tuple(f"µs, {want} a trip" for want in WANTS)


def server(results: Results) -> str:
    """Lay out what each part of the scripts takes of the server, by taking it out."""

    def without(variant: str) -> Callable[[int], float]:
        return lambda want: _more(results, line_of("loop", want, SHIPPED), line_of("loop", want, variant), "server")

    rows = [_by_want(name, without(f"without {name}"), guard.words) for name, guard in GUARDS.items()]
    rows.append(_by_want("RQ's results", without(NO_RESULTS), "a stream for each job, as RQ's tools read it"))
    rows.append(_by_want("the log", without(NO_LOG), "what a restart brings back; written out each second"))
    claims = lambda want: _median(results, line_of("loop", want, CLAIMS), "server")  # noqa: E731
    rows.append(_by_want("claiming", claims, "claims alone, nothing settled: all of the above that a claim needs"))
    rows.append(_by_want("settling", without(CLAIMS), "what a turn takes beyond that"))
    rows.append(
        _by_want(
            "whole",
            lambda want: _median(results, line_of("loop", want, SHIPPED), "server"),
            "the bare loop, as shipped",
        )
    )
    rows.append(
        _by_want(
            BARE, lambda want: _median(results, line_of("loop", want, BARE), "server"), "all of ours taken out at once"
        )
    )
    return (
        "## The server's time, by what is taken out\n\n"
        "How much less the server takes for a job without one thing. They share work, so they do not add up.\n\n"
        + table(("part", *COLUMNS, "what it is"), rows)
    )


def commands(results: Results) -> str:
    """Lay out what the commands within the scripts take, and how much is Lua's own."""
    shipped = {want: line_of("loop", want, SHIPPED) for want in WANTS}
    names = sorted(
        {
            each.removeprefix("us ")
            for name in shipped.values()
            for each in results.of(name).rounds
            if each.startswith("us ") and each != "us evalsha"
        },
        key=lambda each: -_median(results, shipped[1], f"us {each}"),
    )
    if not names:
        return ""

    def inner(want: int) -> float:
        return sum(_median(results, shipped[want], f"us {name}") for name in names)

    def row(name: str) -> list[str]:
        pairs = [(_median(results, shipped[want], f"{each} {name}")) for want in WANTS for each in ("calls", "us")]
        return [name.upper(), *(number(each, 2) for each in pairs)]

    def lua(want: int) -> float:
        return max(0.0, _median(results, shipped[want], "us evalsha") - inner(want))

    def outside(want: int) -> float:
        return max(0.0, _median(results, shipped[want], "server") - _median(results, shipped[want], "us evalsha"))

    head = ("part", *(word for want in WANTS for word in (f"calls, {want} a trip", f"µs, {want} a trip")))
    few = [row(name) for name in names if max(_median(results, each, f"us {name}") for each in shipped.values()) > 0.5]  # noqa: PLR2004 - half a µs
    sums = [
        ["all commands", *(word for want in WANTS for word in ("", number(inner(want))))],
        ["Lua around them", *(word for want in WANTS for word in ("", number(lua(want))))],
        ["outside of scripts", *(word for want in WANTS for word in ("", number(outside(want))))],
    ]
    return (
        "## The server's time, by its own count\n\n"
        "Of the scripts as shipped, for one job, by the server's clock: where the machine had other work that is in "
        "it. Outside of scripts is what the processor took besides: requests, replies, the log.\n\n"
        + table(head, [*few, *sums])
    )


def part_us(results: Results, want: int, part: str) -> float:
    """Give what a part takes of a job."""
    if part != "sockets":
        return _median(results, line_of("part", want, part), "us")
    # What the bare loop's client takes for a trip in which the server has nothing to do.
    return _median(results, line_of("loop", 1, TRIP), "client") / (1 if want == 1 else SEVERAL)


def attributed(results: Results, want: int) -> float:
    """Sum up the parts that were timed, and a job's share of a new horse."""
    return sum(part_us(results, want, part) for part in PARTS) + _median(results, FORKS.name, "us") / A_HORSE


def cold(results: Results, want: int) -> float:
    """Give what parts take beyond that when one process does them one after the other, job by job."""
    warm = sum(part_us(results, want, part) for part in PARTS if part != "the reins")
    return _median(results, line_of("part", want, IN_TURN), "us") - warm


def workers(results: Results) -> str:
    """Lay out what a worker does for a job, and what no part explains."""
    lines = {want: line_of("worker", want, SHIPPED) for want in WANTS}

    def of(measure: str) -> Callable[[int], float]:
        return lambda want: _median(results, lines[want], measure)

    def taken(want: int) -> float:
        return of("parent")(want) + of("horse")(want)

    def fork(_: int) -> float:
        return _median(results, FORKS.name, "us") / A_HORSE

    rows = [_by_want(part, lambda want, part=part: part_us(results, want, part), why) for part, why in PARTS.items()]  # type: ignore[misc]
    rows += [
        _by_want("a new horse", fork, f"a fork each {A_HORSE:,} jobs, so that nothing grows for ever"),
        _by_want("sum of these", lambda want: attributed(results, want), ""),
        _by_want(
            "cold caches", lambda want: cold(results, want), "a horse alone does all of these in turn, with a server"
        ),
        _by_want(
            "not attributed",
            lambda want: taken(want) + fork(want) - attributed(results, want) - cold(results, want),
            "that they are two processes: the parent is woken, renews, looks about, and shares the core",
        ),
        _by_want("parent, measured", of("parent"), "all its threads"),
        _by_want("horse, measured", of("horse"), "all its threads"),
        _by_want("time between two jobs", of("wall"), "by the clock: server and worker wait for each other in it"),
    ]
    head = ("part", *(f"µs, {want} in hand" for want in WANTS), "why it is there")
    return (
        "## The worker's time\n\n"
        f"Each part was timed alone, with the shipped code; with 32 in hand {SEVERAL} jobs share a trip. All "
        "are the horse's, but for the parent's half of the reins. Below, what the processes of a real worker took.\n\n"
        + table(head, rows)
    )


def floor(results: Results) -> str:
    """Lay out the way from the floor to a worker, in processor time."""

    def loop(variant: str, measure: str) -> Callable[[int], float]:
        return lambda want: _median(results, line_of("loop", want, variant), measure)

    def more(name: str, than: str, measure: str) -> Callable[[int], float]:
        return lambda want: _more(results, line_of("loop", want, name), line_of("loop", want, than), measure)

    def whole(want: int) -> float:
        line = line_of("worker", want, SHIPPED)
        return sum(_median(results, line, each) for each in ("server", "parent", "horse"))

    def beyond(want: int) -> float:
        return whole(want) - _median(results, line_of("loop", want, SHIPPED), "both")

    rows = [
        _by_want("floor, server", loop(FLOOR, "server"), "a lease, a status, a list"),
        _by_want("floor, client", loop(FLOOR, "client"), "redis-py"),
        _by_want(
            "+ RQ's own, server",
            more(BARE, FLOOR, "server"),
            "RQ's record, registries, results, counts: its tools read them",
        ),
        _by_want(
            "+ leases, fencing, journal, server",
            more(SHIPPED, UNSAFE, "server"),
            "beyond a deadline in a set: who holds what, since when, and every move on record",
        ),
        _by_want(
            "+ the rest of ours, server",
            more(UNSAFE, BARE, "server"),
            "replay of lost replies, stock tools' doings, generations, bells",
        ),
        _by_want(
            "+ ours, client", more(SHIPPED, FLOOR, "client"), "all fields of a record instead of one; leases as objects"
        ),
        _by_want("= bare loop", loop(SHIPPED, "both"), ""),
        _by_want(
            "+ running it", beyond, "the table above: a process that can be killed, RQ's job, its timeout, tidying up"
        ),
        _by_want("= worker", whole, "server, parent and horse"),
    ]
    head = ("part", *COLUMNS, "why it is there")
    return "## From the floor to a worker\n\nProcessor time for a job, of all that have a part in it.\n\n" + table(
        head, rows
    )
