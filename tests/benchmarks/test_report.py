"""The tables say what was measured: ratios within a round, and a reason where there is no number."""

import re

import pytest

from benchmarks.cast import BASE
from benchmarks.figures import Results
from benchmarks.report import number, report, times


@pytest.fixture
def results():
    return Results({"cpu": "a fast one"})


def row(page, name):
    """Give the cells of the line of a system in the first table that has one."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def note(results, name, measure, *values):
    for place, value in enumerate(values):
        results.of(name).note(place, measure, value)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios(results):
    """A machine that was busy in the second round was busy for both."""
    note(results, BASE, "drain 1", 100.0, 10.0, 80.0)
    note(results, "huey", "drain 1", 600.0, 60.0, 640.0)
    assert results.ratio("huey", "drain 1") == 6.0
    assert row(report(results), "huey")[1:4] == ["600", "× 6.0", "60.0 – 640"]


def test_what_the_log_leaves_of_a_rate_is_told_round_by_round(results):
    """In the second table, which has only those that were run with it."""
    for name, measure, values in (
        (BASE, "drain 1", (100.0,)),
        ("huey", "drain 1", (600.0, 60.0)),
        ("huey", "logged drain 1", (300.0, 30.0)),
    ):
        note(results, name, measure, *values)
    second = report(results).partition("with its log on")[2]
    assert row(second, "huey")[1:5] == ["165", "–", "30.0 – 300", "× 0.50"]
    assert f"| {BASE} |" not in second


def test_a_round_in_which_either_did_not_run_is_no_ratio(results):
    """The first round of one is not set against the second of the other."""
    note(results, BASE, "drain 1", 100.0, None)
    note(results, "huey", "drain 1", None, 900.0)
    assert results.ratio("huey", "drain 1") is None
    assert row(report(results), "huey")[2] == "–"


def test_waits_are_compared_at_the_same_percentile(results):
    """A median with a median, a tail with a tail."""
    results.of(BASE).waits = [10.0] * 99 + [20.0]
    results.of("huey").waits = [1.0] * 50 + [5.0] * 50
    page = report(results)
    assert row(page, BASE)[1:5] == ["10", "× 1.0", "10", "× 1.0"]
    assert results.wait_ratio("huey", 99) == pytest.approx(5 / results.of(BASE).wait(99))


def test_a_system_that_did_not_run_is_said_to_be_so_with_the_reason(results):
    """It has no line in a table, and no number anywhere."""
    results.of("arq").not_run["drain"] = "it went home"
    page = report(results)
    assert "- **arq**, drain: it went home" in page
    assert "| arq |" not in page


def test_a_job_that_never_came_back_has_the_bound_for_an_answer(results):
    """Not a nought, and not the bound as if it were a time."""
    results.recovery_bound_s = 90
    results.recovery = {"huey": None, BASE: 60.0, "streaq": 1.5}
    page = report(results)
    assert row(page, "huey")[1:3] == ["not within 90 s", "–"]
    assert row(page, "streaq")[1:3] == ["1.50", "× 0.025"]


def test_growth_is_told_beside_the_shortest_line(results):
    """What matters is whether it falls."""
    results.growth = {"holdfast, prefetch": {1_000: [4_000.0, 1_000.0, 2_000.0], 1_000_000: [2_000.0, 600.0, 800.0]}}
    cells = ["2,000", "× 1.0", "1,000 – 4,000", "800", "× 0.50", "600 – 2,000"]
    assert row(report(results), "holdfast, prefetch")[1:] == cells


def test_every_line_of_a_table_has_a_cell_for_every_head(results):
    """Or the last numbers have no name."""
    for measure in ("drain 1", "logged drain 1", "enqueue one"):
        note(results, BASE, measure, 100.0)
    results.of(BASE).waits = [1.0, 2.0]
    results.recovery = {BASE: None}
    results.growth = {BASE: {1_000: [1.0], 10_000: [2.0]}}
    tables = re.findall(r"(?:^\|.*\n)+", report(results), re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_numbers_are_spelled_with_the_digits_that_mean_something():
    """Thousands in groups, small ones with their first digits, none for nothing."""
    assert [number(value) for value in (12_345, 99.95, 1.5, 0.0, None)] == ["12,300", "100.0", "1.50", "0", "–"]
    assert [times(value) for value in (1_234.0, 34.4, 0.0123, None)] == ["× 1,230", "× 34", "× 0.012", "–"]
