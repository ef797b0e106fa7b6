"""Negative controls: a checker that finds nothing in good code must find what is wrong in bad code."""

import pytest

from holdfast.chaos.simulation import breaking
from holdfast.chaos.simulation.breaking import EVERY_MOVE, Edit, NoLongerThere, altered
from holdfast.chaos.simulation.controls import Ground, Rate, hunt, rates
from holdfast.chaos.simulation.findings import Finding, look
from holdfast.chaos.simulation.scenarios import SCENARIOS
from holdfast.chaos.simulation.seeded_defects import DEFECTS
from holdfast.jobs.store.scripts import load

#: Where each is looked for, and in how many plans at most: cuts where one blow shows it, storms where it takes more.
BUDGETS = {
    "claim-in-two-trips": Ground("plain", 40, ("claim",)),
    "claim-not-replayed": Ground("mix", 60, ("claim",)),
    "claim-without-lease": Ground("plain", 40),
    "complete-unfenced": Ground("hard", 60),
    "doubt-forgotten": Ground("effect", 60, ("begin_effect", "commit_effect")),
    "effect-marked-after": Ground("effect", 60, ("begin_effect", "commit_effect")),
    "effect-unfenced": Ground("hard", 150),
    "enqueue-in-two-trips": Ground("plain", 20, ("enqueue",)),
    "fence-by-clock-alone": Ground("hard", 60),
    "finished-turn-unheard": Ground("once-turn", 60, ("turn",)),
    "give-back-burns-a-crash": Ground("deploy", 5),
    "late-operation-done": Ground("hard", 120),
    "gone-unknown": Ground("std", 20),
    "live-job-expires": Ground("hard", 20),
    "once-is-twice": Ground("deploy-once", 5),
    "overtaken-enqueue-done": Ground("std", 60),
    "promote-early": Ground("scheduled", 5),
    "promoter-believes-status": Ground("std", 20),
    "promote-in-two-trips": Ground("hard", 60),
    "reap-without-second-look": Ground("std", 30),
    "reaper-by-own-clock": Ground("hard", 30),
    "reaper-seldom": Ground("std", 20),
    "reclaim-forgives-crashes": Ground("std", 30),
    "reclaim-leaves-lease": Ground("hard", 30),
    "renew-by-anyone": Ground("std", 20),
    "repeat-lost": Ground("std", 20),
    "second-life-lost": Ground("hard", 40),
    "settle-by-fence-alone": Ground("hard", 30),
    "settle-leaves-wip": Ground("plain", 5),
    "turn-not-replayed": Ground("std", 40),
    "turn-unsaid": Ground("company", 5),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUDGETS)
def test_a_seeded_defect_is_found_within_its_budget(name):
    """By an invariant that it is known to break."""
    assert hunt(DEFECTS[name], BUDGETS[name].plans()) is not None


def test_every_control_has_a_budget():
    """None is left out because it is hard to find."""
    assert sorted(BUDGETS) == sorted(DEFECTS)


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


@pytest.mark.parametrize(("move", "said"), [("renew", r"renew\.lua has 0 times"), (EVERY_MOVE, "0 times, not once")])
def test_a_defect_whose_code_has_changed_says_so(move, said):
    """A seed that no longer takes would be a control of nothing."""
    with pytest.raises(NoLongerThere, match=said), altered(Edit(move, "not there", "")):
        pass


def test_a_defect_of_every_move_is_seeded_in_those_that_have_its_code():
    """Each is given only what it uses of what they share."""
    whole = load()
    with altered(Edit(EVERY_MOVE, "if last_op and last_op > tonumber(op) then", "if false then")):
        changed = {name for name, script in breaking.scripts.load().items() if script != whole[name]}
    assert {"claim", "complete"} <= changed < set(whole)


def test_rates_count_what_each_kind_of_plan_shows():
    """One row for each defect and kind: of how many, how many, and by which invariants."""
    (rate,) = rates(["settle-leaves-wip"], [Ground("plain", 2)], jobs=1)
    assert rate == Rate("settle-leaves-wip", "plain", 1, 1, {"INV-02": 1})
    assert "1 of    1  INV-02:1" in str(rate)
