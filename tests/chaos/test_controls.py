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
    "live-job-expires": Ground("retry", 5),
    "give-back-burns-a-crash": Ground("deploy", 5),
    "promote-early": Ground("scheduled", 5),
    "settle-leaves-wip": Ground("plain", 5),
    "claim-in-two-trips": Ground("plain", 40, ("claim",)),
    "enqueue-in-two-trips": Ground("plain", 20, ("enqueue",)),
    "claim-without-lease": Ground("plain", 60, ("renew", "complete")),
    "effect-marked-after": Ground("effect", 60, ("begin_effect", "commit_effect")),
    "doubt-forgotten": Ground("effect", 60, ("begin_effect", "commit_effect")),
}
#: These need a storm, or many cuts.
SLOW = {
    "settle-by-fence-alone": Ground("hard", 25),
    "renew-by-anyone": Ground("hard", 20),
    "fence-by-clock-alone": Ground("hard", 100),
    "reaper-by-own-clock": Ground("hard", 15),
    "reclaim-leaves-lease": Ground("hard", 15),
}
#: Nothing shows these yet, and why. A control that moves out of here is a blind spot closed.
BLIND = {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUICK)
def test_a_seeded_defect_is_found_within_its_budget(name):
    """By an invariant that it is known to break."""
    assert hunt(DEFECTS[name], QUICK[name].plans()) is not None


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("name", SLOW)
def test_a_seeded_defect_is_found_in_a_storm(name):
    """The same, for what takes more than one fault."""
    assert hunt(DEFECTS[name], SLOW[name].plans()) is not None


def test_every_control_has_a_budget():
    """Or is on the list of what nothing shows."""
    assert sorted([*QUICK, *SLOW, *BLIND]) == sorted(DEFECTS)


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
    assert rate == Rate("settle-leaves-wip", "plain", 3, 3, {"INV-02": 3})
    assert "3 of    3  INV-02:3" in str(rate)
