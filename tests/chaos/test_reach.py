"""What the simulation tries: each fault at each move."""

import random

import pytest

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.reach import NEVER_MADE, Reach, aim, possible_pairs
from holdfast.chaos.simulation.run import run_plan
from holdfast.jobs.store.scripts import load


@pytest.mark.timeout(600)
def test_every_fault_has_befallen_every_move():
    """Rare pairs are aimed at, as luck would take thousands of seeds; and none breaks a promise."""
    reach, broken = Reach(), []
    with quiet():
        for move, fault in possible_pairs():
            plan = aim(move, fault, random.Random(f"{move}/{fault}"))
            assert plan is not None, f"no scenario has a {move}; if no simulated job makes it, add it to NEVER_MADE"
            run = run_plan(plan)
            reach.add(run)
            broken += [f"{fault} at {move}: {violation}" for violation in run.violations()]
    assert sorted(set(possible_pairs()) - set(reach.pairs())) == []
    assert broken == []


def test_what_is_never_made_is_a_move():
    """An excuse for a move that is gone is none."""
    assert set(NEVER_MADE) <= set(load())


def test_the_matrix_shows_moves_faults_and_ends():
    """A row for each move, a column for each fault, and how the jobs ended."""
    reach = Reach()
    with quiet():
        run = run_plan(plan_for(4, hard=True))
    reach.add(run)
    struck = [strike.fault for strike in run.strikes if strike.process]
    assert sum(reach.pairs().values()) == len(struck)
    head, *rows = str(reach).splitlines()
    assert set(head.split()) == set(struck)
    assert len(rows) == len({move for move, _ in reach.pairs()})
