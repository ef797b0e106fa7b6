"""A failing run, made small enough to be read."""

from dataclasses import replace

import pytest

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.plan import Strike, plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.scenarios import SCENARIOS, baseline
from holdfast.chaos.simulation.seeded_defects import DEFECTS
from holdfast.chaos.simulation.shrink import Unshrinkable, shrink, violating
from holdfast.chaos.simulation.telling import tell


@pytest.mark.timeout(300)
def test_a_storm_is_shrunk_to_the_fault_that_matters():
    """Of three jobs, two workers, a keeper and five faults, the lost reply of one enqueue is left."""
    storm = [
        Strike("scripts-forgotten", (), at_us=700_000),
        Strike("lost-request", (), "w2.1", 4),
        Strike("lost-reply", (), "p1", 2),
        Strike("resent-command", (), "w1.1", 6),
        Strike("lost-reply", (), "w1.1", 9),
    ]
    plan = replace(SCENARIOS["mix"].plan(*storm, storm_us=2_000_000), seed=5)
    with quiet(), DEFECTS["enqueue-in-two-trips"].seed():
        small = shrink(plan, violating("INV-11"), most=150)
        told = tell(run_plan(small)).splitlines()
    assert small.strikes == (Strike("lost-reply", (), "p1", 2),)
    assert [len(orders) for orders in small.orders] == [1]
    assert (small.workers, small.keepers) == (1, 0)
    assert len(told) < 25


def test_what_does_not_fail_is_not_shrunk():
    """There would be nothing to keep."""
    with pytest.raises(Unshrinkable, match="seed 0 does not violate"):
        shrink(SCENARIOS["plain"].plan(), violating())


def test_a_story_begins_with_all_that_is_needed_to_see_it_again():
    """The first line is the bug report; below, each line has its columns."""
    with quiet():
        run = run_plan(plan_for(3, hard=True))
    first, _, *rest = tell(run, job="J0").splitlines()
    assert first.startswith("seed 3 · hard · commit ")
    assert first.endswith(" · fakeredis · holdfast chaos replay 3 --hard")
    assert any(" enqueue " in line and " J0 " in line for line in rest)
    assert not any(" J1 " in line for line in rest)


def test_a_story_of_a_job_to_which_nothing_happened_is_short():
    """Its producer died before its turn: a run may also be made smaller than that."""
    with quiet():
        run = run_plan(SCENARIOS["plain"].plan())
    assert tell(run, job="plain-9").splitlines()[1:] == [""]


def test_a_move_is_told_together_with_who_heard_of_it():
    """What nobody heard of is where the trouble begins."""
    for point in (point for point in baseline(SCENARIOS["plain"]).points if point.move == "claim"):
        strike = Strike("death-after", ("self",), point.process, point.call)
        with quiet():
            run = run_plan(SCENARIOS["plain"].plan(strike, storm_us=2_000_000))
        claims = [line for line in tell(run, job="plain-1").splitlines() if " claim " in line]
        if len(claims) > 1:  # it was this claim that took the job
            break
    assert "not heard" in claims[0]
    assert "told w1.2" in claims[-1]
