"""Negative controls: a checker that finds nothing in good code must find what is wrong in bad code."""

import pytest

from holdfast.chaos.simulation.breaking import Edit, NoLongerThere, altered
from holdfast.chaos.simulation.controls import Ground, Rate, hunt, rates
from holdfast.chaos.simulation.findings import Finding, look
from holdfast.chaos.simulation.scenarios import SCENARIOS
from holdfast.chaos.simulation.seeded_defects import DEFECTS
from holdfast.jobs.store.scripts import load

#: Found by a few cuts, so in every `make test`.
QUICK = {
    "give-back-burns-a-crash": Ground("deploy", 5),
    "promote-early": Ground("scheduled", 5),
    "settle-leaves-wip": Ground("plain", 5),
    "enqueue-in-two-trips": Ground("plain", 20, ("enqueue",)),
    "effect-marked-after": Ground("effect", 60, ("begin_effect", "commit_effect")),
    "doubt-forgotten": Ground("effect", 60, ("begin_effect", "commit_effect")),
    "reaper-seldom": Ground("plain", 100),
    "claim-not-replayed": Ground("mix", 60, ("claim",)),
}
#: These need a storm, or runs that wait for a job that never ends.
SLOW = {
    "claim-in-two-trips": Ground("plain", 40, ("claim",)),
    "claim-without-lease": Ground("plain", 40),
    "live-job-expires": Ground("retry", 60),
    "once-is-twice": Ground("hard", 60),
    "settle-by-fence-alone": Ground("hard", 25),
    "renew-by-anyone": Ground("hard", 20),
    "reaper-by-own-clock": Ground("hard", 30),
    "reclaim-leaves-lease": Ground("hard", 30),
}
_STALE = "a simulated horse that wakes from a pause is ended by its guard before its next request leaves"
#: Blind spots: what has not been shown yet, and why, or in how much it was looked for. No test leans on these.
NOT_SHOWN = {
    "complete-unfenced": _STALE,
    "effect-unfenced": _STALE,
    "effect-in-two-trips": _STALE,
    "kill-without-looking": "a simulated horse ends in the instant in which it hears that it has settled",
    "late-operation-done": "a late claim takes a job for nobody, which its next claim gives back: 0 of 60 cuts of mix",
    "fence-by-clock-alone": "needs a clock put back between two claims of one job: 0 of 4 seeds, no more were run",
    "reap-without-second-look": "needs a renewal between two trips of a reaper: 0 of 4 seeds, no more were run",
    "reclaim-forgives-crashes": "needs a crash and a reclaim of one job: 0 of 4 seeds, no more were run",
    "promote-in-two-trips": "needs a death between two trips of a promoter: 0 of 4 seeds, no more were run",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUICK)
def test_a_seeded_defect_is_found_within_its_budget(name):
    """By an invariant that it is known to break."""
    assert hunt(DEFECTS[name], QUICK[name].plans()) is not None


@pytest.mark.soak
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("name", SLOW)
def test_a_seeded_defect_is_found_in_a_storm(name):
    """The same, for what takes more than one fault."""
    assert hunt(DEFECTS[name], SLOW[name].plans()) is not None


def test_every_control_has_a_budget():
    """Or is on the list of what nothing shows."""
    assert sorted([*QUICK, *SLOW, *NOT_SHOWN]) == sorted(DEFECTS)


def test_a_defect_is_gone_when_it_is_lifted():
    """Scripts that are loaded afterwards are the shipped ones, and the run is clean again."""
    before = load(record=True)
    plan = SCENARIOS["plain"].plan()
    with DEFECTS["settle-leaves-wip"].seed():
        found = look(plan)
    assert isinstance(found, Finding)
    assert found.invariants == ("INV-02",)
    assert look(plan) is None
    assert load(record=True) == before


def test_a_defect_whose_code_has_changed_says_so():
    """A seed that no longer takes would be a control of nothing."""
    with pytest.raises(NoLongerThere, match=r"renew\.lua has 0 times"), altered(Edit("renew", "not there", "")):
        pass


def test_rates_count_what_each_kind_of_plan_shows():
    """One row for each defect and kind: of how many, how many, and by which invariants."""
    (rate,) = rates(["settle-leaves-wip"], [Ground("plain", 2)], jobs=1)
    assert rate == Rate("settle-leaves-wip", "plain", 1, 1, {"INV-02": 1})
    assert "1 of    1  INV-02:1" in str(rate)
