"""The profile from end to end: everything it says it measures has a number, and what has none says why."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.costs import FORKS, SHIPPED, UNSAFE, WANTS, Costs, line_of
from benchmarks.costs_report import PARTS, attributed, page, percent
from benchmarks.figures import Results
from benchmarks.machine import Cores
from benchmarks.parts import IN_TURN
from benchmarks.plan import Plan


@pytest.fixture
def results():
    return Results({"cpu": "a fast one"})


def row(text, name):
    """Give the cells of the line with that name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def note(results, name, measure, *values):
    for place, value in enumerate(values):
        results.of(name).note(place, measure, value)


@pytest.mark.processes
def test_a_run_has_a_number_for_everything_and_every_part_a_reason(monkeypatch, results):
    """One short round, with workers as shipped and with workers from which guards were taken out."""
    monkeypatch.setattr(environments, "python", lambda _: Path(sys.executable))
    monkeypatch.setattr("benchmarks.costs.WORKERS_A_ROUND", 1)
    steps = []
    costs = Costs(Plan(rounds=1, drain_s=0.5), Cores((0,)), results, steps.append)
    costs.run()
    assert len(steps) == costs.steps()
    assert not {name: each.not_run for name, each in results.figures.items() if each.not_run}
    assert {name for name in results.figures if name.startswith("part, 1, ")} == {
        line_of("part", 1, part) for part in {*PARTS, IN_TURN} - {"sockets"}
    }
    for want in WANTS:
        for variant in (SHIPPED, UNSAFE):
            assert results.of(line_of("worker", want, variant)).median("horse") > 0
        assert results.of(line_of("loop", want, SHIPPED)).median("us evalsha") > 0
    text = page(results, [])
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_what_is_added_is_told_turn_by_turn(results):
    """A turn in which the machine was slow was slow for both."""
    on, off = line_of("loop", 1, SHIPPED), line_of("loop", 1, UNSAFE)
    note(results, on, "wall", 120.0, 1200.0, 130.0)
    note(results, off, "wall", 100.0, 1000.0, 100.0)
    cells = row(page(results, []), f"bare loop, 1 a trip, {UNSAFE}")
    assert cells[4] == "+20 % (+20 – +25)"
    assert percent([1.0]) == "–"


def test_parts_and_their_rest_make_the_whole(results):
    """What no part explains is said, not hidden."""
    for part in PARTS:
        note(results, line_of("part", 1, part), "us", 2.0)
    note(results, line_of("part", 1, IN_TURN), "us", 2.0 * (len(PARTS) - 1))
    note(results, line_of("loop", 1, "an empty script"), "client", 2.0)
    note(results, FORKS.name, "us", 80_000.0)
    note(results, line_of("worker", 1, SHIPPED), "parent", 40.0)
    note(results, line_of("worker", 1, SHIPPED), "horse", 60.0)
    assert attributed(results, 1) == 2.0 * len(PARTS) + 8.0
    text = page(results, [])
    assert float(row(text, "not attributed")[1]) == 100.0 + 8.0 - attributed(results, 1)
    assert row(text, "cold caches")[1] == "0"


def test_what_could_not_be_measured_says_why(results):
    """Rather than be a nought in a table."""
    results.of("parts").not_run["profile"] = "it went home"
    assert "**Not run**: parts: it went home" in page(results, [])


def test_the_profile_is_a_page_by_itself():
    """Made whole by its own word; with fewer rounds it is not."""
    assert Plan(server="redis-server").is_whole
    assert Plan(measures=("profile",)).is_whole
    assert not Plan(measures=("profile",), rounds=1).is_whole
    assert not Plan(measures=("drain",)).is_whole
