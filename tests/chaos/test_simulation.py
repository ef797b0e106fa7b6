"""Seeds: storms of faults over the production code, and no promise broken.

SIMULATED_SEEDS says how many of each kind, of crowds a fifth of it; SIMULATED_FIRST_SEED where to begin.
"""

import os
import subprocess
import sys

import pytest

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.findings import look
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.jobs.store.upkeep import Upkeep

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "150"))
CROWDS = SEEDS // 5
FIRST = int(os.environ.get("SIMULATED_FIRST_SEED", "0"))
#: Seeds that one test runs: small enough to spread over test processes.
CHUNK = 10

_DIGEST = """
from holdfast.chaos.simulation.batch import run_seed
print(run_seed(7, hard=True).digest)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("hard", [False, True], ids=["std", "hard"])
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, CHUNK))
def test_no_storm_breaks_a_promise(first, hard):
    """Each finding is a seed: `holdfast chaos replay SEED [--hard] --shrink` tells its story."""
    _find_nothing(first, FIRST + SEEDS, hard=hard)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("hard", [False, True], ids=["std", "hard"])
@pytest.mark.parametrize("first", range(FIRST, FIRST + CROWDS, CHUNK))
def test_no_storm_over_a_crowd_breaks_a_promise(first, hard):
    """With `--crowd`: much is in hand, and two turns are on their way most of the time."""
    _find_nothing(first, FIRST + CROWDS, hard=hard, crowd=True)


def _find_nothing(first, end, **kind):
    seeds = range(first, min(first + CHUNK, end))
    findings = [finding for seed in seeds if (finding := look(plan_for(seed, **kind)))]
    assert not findings, "\n".join(map(str, findings))


def test_a_seed_is_a_history():
    """Run again it is the same, also after other runs; another seed is another history."""
    with quiet():
        one, other, again = (run_plan(plan_for(seed, hard=True)).history.digest() for seed in (7, 8, 7))
    assert one == again != other


def test_a_seed_is_the_same_history_in_another_process():
    """Neither the order of hashes nor what ran before has a say in it."""
    said = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    with quiet():
        assert said == {run_plan(plan_for(7, hard=True)).history.digest() + "\n"}


def test_a_run_is_repeated_from_its_strikes():
    """What is written down of the faults is all that there was of them."""
    with quiet():
        run = run_plan(plan_for(3, hard=True))
        again = run_plan(run.plan.with_strikes(run.strikes))
    assert again.history.digest() == run.history.digest()


def test_chores_have_more_to_do_than_a_batch(monkeypatch):
    """In some seeds, of both kinds that go on: what is due is few jobs, and what fits in a batch is fewer."""
    went_on = set()
    for ask in (Upkeep.reclaim, Upkeep.promote):

        def asked(upkeep, *, goes_on=False, ask=ask, **how):
            went_on.update([ask.__name__] * goes_on)
            return ask(upkeep, goes_on=goes_on, **how)

        monkeypatch.setattr(Upkeep, ask.__name__, asked)
    plan = next(plan for plan in map(plan_for, range(100)) if plan.batch == 1)
    with quiet():
        run_plan(plan)
    assert went_on == {"reclaim", "promote"}
