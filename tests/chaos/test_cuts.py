"""Every call of every scenario, cut in every way; and pairs of cuts.

At a desk a third of the single cuts is run, another third each day; in CI a half. SIMULATED_CUTS=2/3 names a part, and
1/1 is all; SIMULATED_PAIRS says how many pairs of each scenario are drawn.
"""

import os
from datetime import date

import pytest

from holdfast.chaos.simulation.cuts import cases, look_at_a_pair, part_of_day, run_cuts
from holdfast.chaos.simulation.findings import look
from holdfast.chaos.simulation.scenarios import SCENARIOS, baseline

IN_CI = bool(os.environ.get("CI"))
PAIRS = int(os.environ.get("SIMULATED_PAIRS", "5"))


def part():
    number, _, of = os.environ.get("SIMULATED_CUTS", "").partition("/")
    today = date.today().toordinal()  # noqa: DTZ011 - any day will do
    return (int(number), int(of)) if of else part_of_day(today, 2 if IN_CI else 3)


def findings_of(plans):
    return [str(finding) for plan in plans if (finding := look(plan))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_cut_breaks_a_promise(name):
    """One fault at one call, whichever, is survived."""
    number, of = part()
    assert findings_of(cases(SCENARIOS[name])[number - 1 :: of]) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_pair_of_cuts_breaks_a_promise(name):
    """A second fault among the repairs of the first."""
    found = [look_at_a_pair((name, f"0/{number}")) for number in range(PAIRS)]
    assert [str(finding) for finding in found if finding] == []


def test_three_days_see_every_cut():
    """Parts leave nothing out and do nothing twice."""
    whole = cases(SCENARIOS["buried"])
    parts = [part_of_day(day) for day in (738_000, 738_001, 738_002)]
    assert sorted(parts) == [(1, 3), (2, 3), (3, 3)]
    assert sorted(str(plan) for number, of in parts for plan in whole[number - 1 :: of]) == sorted(map(str, whole))


def test_every_move_that_jobs_make_is_cut_somewhere():
    """A scenario that lost its move would make a test of nothing."""
    moves = {point.move for scenario in SCENARIOS.values() for point in baseline(scenario).points}
    assert moves >= {
        *("enqueue", "enqueue_many"),
        *("promote", "claim", "renew", "complete", "postpone", "bury", "give_back", "crash", "reclaim"),
        *("begin_effect", "commit_effect"),
    }


def test_cuts_are_reported_as_they_come():
    """Several hundred runs are nothing to wait for in silence."""
    heard = []
    report = run_cuts((1, 40), 1, 1, scenarios=["buried"], on_progress=lambda done, of: heard.append((done, of)))
    assert heard == [(number, report.singles + 1) for number in range(1, report.singles + 2)]
    assert report.findings == ()
    with pytest.raises(ValueError, match="no part 4 of 3"):
        run_cuts((4, 3))
