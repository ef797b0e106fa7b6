"""Real workers in a storm of faults."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.chaos.processes.nemesis import FAULTS, Missed, Nemesis, Strike
from holdfast.chaos.processes.plan import Plan
from holdfast.chaos.processes.run import run_processes
from holdfast.chaos.processes.workload import POISONS


def strikes_of(plan):
    return [strike.to_json() for strike in plan.strikes]


def test_a_seed_is_a_plan():
    """The same jobs and the same faults each time, and others for another seed."""
    first, again, other = (Plan.draw(seed, jobs=50, minutes=1, workers=3) for seed in (7, 7, 8))
    assert (first.orders, strikes_of(first)) == (again.orders, strikes_of(again))
    assert strikes_of(first) != strikes_of(other)
    written = json.loads(first.to_json())
    assert len(written["orders"]) == 50
    assert len(written["strikes"]) == len(first.strikes)


def test_five_minutes_see_every_kind_of_fault():
    """Each kind comes before any comes again."""
    plan = Plan.draw(7, jobs=2_000, minutes=5, workers=4)
    assert {strike.fault.name for strike in plan.strikes} == {name for name in FAULTS if not FAULTS[name].is_lossy}


def test_a_server_forgets_only_when_it_is_asked_to():
    """What a run loses of what was acknowledged is listed in runs of that kind, and a violation in all others."""
    plain, lossy = (Plan.draw(7, jobs=10, minutes=2, workers=2, lossy=lossy) for lossy in (False, True))
    assert not any(strike.fault.is_lossy for strike in plain.strikes)
    assert {strike.fault.name for strike in lossy.strikes if strike.fault.is_shared} == {
        "cut-tail",
        "lose-primary",
        "two-primaries",
    }


def test_a_small_run_has_some_of_each_kind_of_job():
    """Each kind of poison, a job that hangs, one that is scheduled, one that may run once only."""
    orders = Plan.draw(1, jobs=100, minutes=0.5, workers=2).orders
    assert {order.wishes["dies"] for order in orders if "dies" in order.wishes} == set(POISONS)
    assert any(order.wishes.get("hangs") for order in orders)
    assert any(order.in_s for order in orders)
    assert any(order.crashes == 0 for order in orders)
    assert {order.wishes.get("effect") for order in orders} == {None, "probe", "fail"}


def test_workers_with_several_jobs_in_hand_get_small_ones_in_bursts():
    """Only such are taken several at a time: a storm on others would be one on workers with one in hand."""
    usual, small = (Plan.draw(1, jobs=2_000, minutes=2, workers=2, prefetch=prefetch) for prefetch in (1, 6))
    assert (usual.settings.prefetch, small.settings.prefetch) == (1, 6)
    assert len({order.at_ms for order in small.orders}) <= 21 < len({order.at_ms for order in usual.orders})
    works_s = sorted(order.wishes["work_s"] for order in small.orders)
    assert works_s[len(works_s) // 2] < 0.002
    assert sum(work_s > 1 for work_s in works_s) in range(3, 20)
    assert {order.wishes.get("effect") for order in small.orders} == {None, "probe", "fail"}


@dataclass
class Bruise:
    """A fault that is told whether there is somebody to hurt."""

    for_ms: int = 100
    finds_somebody = True
    healed = 0

    def harm(self, pool):
        if not self.finds_somebody:
            raise Missed
        return self.heal

    def heal(self):
        self.healed += 1


def a_nemesis(bruise):
    told = []
    nemesis = Nemesis(None, [Strike(1, 1_000, bruise)], lambda strike, did, why: told.append(did))
    return nemesis, told


def test_a_fault_strikes_at_its_moment_and_is_healed_after_its_time():
    """And only then is the storm over."""
    bruise = Bruise()
    nemesis, told = a_nemesis(bruise)
    nemesis.step(999)
    assert told == []
    nemesis.step(1_000)
    nemesis.step(1_099)
    assert (told, bruise.healed, nemesis.is_over) == (["fault"], 0, False)
    nemesis.step(1_100)
    assert (told, bruise.healed, nemesis.is_over) == (["fault", "healed"], 1, True)


def test_a_fault_that_meets_nobody_waits_and_then_says_so():
    """A fault that struck nobody must not be counted among those survived."""
    bruise = Bruise()
    bruise.finds_somebody = False
    nemesis, told = a_nemesis(bruise)
    nemesis.step(1_000)
    nemesis.step(2_000)
    assert (told, nemesis.is_over) == ([], False)
    nemesis.step(9_000)
    assert (told, nemesis.is_over) == (["missed"], True)


def test_a_run_that_ends_early_leaves_no_wound():
    """A server left frozen could not be stopped in good order."""
    bruise = Bruise()
    nemesis, _ = a_nemesis(bruise)
    nemesis.step(1_000)
    nemesis.heal_all()
    assert bruise.healed == 1


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("prefetch", [1, 6])
def test_real_workers_keep_every_promise_in_a_storm(tmp_path, prefetch):
    """150 jobs, three workers, and some thirty seconds of deaths, pauses, lost replies and a server that fails."""
    out = io.StringIO()
    folder = tmp_path / "run"
    verdict = run_processes(
        5,
        jobs=150,
        minutes=0.45,
        workers=3,
        prefetch=prefetch,
        folder=folder,
        console=Console(file=out, width=150, color_system=None),
    )
    said = out.getvalue()
    assert verdict.word == "valid", said
    assert verdict.counts["accepted"] + verdict.counts["enqueues unknown"] == 150
    assert verdict.counts["faults"] >= 5
    assert said.splitlines()[0].startswith("seed 5 · commit ")
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "valid"
    assert {"plan.json", "history.jsonl", "timeline.html", "w1-1.log"} <= {file.name for file in folder.iterdir()}


HERE = Path(__file__).resolve().parents[2]
GUARD = "local function refusal(job_id, queue, execution, fence, known, stands)\n"
PLAY = """
import sys
from pathlib import Path
from rich.console import Console
from holdfast.chaos.processes.run import run_processes
sys.exit(run_processes(3, jobs=250, minutes=1, folder=Path(sys.argv[1]), console=Console()).exit_code)
"""


@pytest.fixture
def a_house_without_a_guard(tmp_path):
    """Copy the sources, and take out of the moves what refuses a stale holder. Give the environment that runs it."""
    installed = tmp_path / "installed" / "holdfast"
    for room in ("jobs", "recovery", "workers", "chaos", "console", "examples"):
        shutil.copytree(HERE / room, installed / room, ignore=shutil.ignore_patterns("__pycache__"))
    prelude = installed / "jobs" / "store" / "lua" / "_prelude.lua"
    text = prelude.read_text()
    assert GUARD in text
    prelude.write_text(text.replace(GUARD, f"{GUARD}  if true then return nil end\n"))
    return os.environ | {"PYTHONPATH": str(installed.parent)}


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_the_fence_the_same_storm_is_not_survived(a_house_without_a_guard, tmp_path):
    """A storm that a broken house survives too would prove nothing."""
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", PLAY, folder], env=a_house_without_a_guard, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["rulings"]["INV-04"]["verdict"] == "invalid"
    assert verdict["rulings"]["INV-01"]["verdict"] == "valid"


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ours_take_over_from_stock_workers_under_fire(tmp_path):
    """FM-053: both kinds are killed, ours take all places, and what stock ones left behind comes to its end.

    Takes a minute after the storm: so long stock RQ takes a dead worker of its own for alive.
    """
    out = io.StringIO()
    folder = tmp_path / "run"
    verdict = run_processes(
        11,
        jobs=120,
        minutes=0.4,
        workers=4,
        goal="ours",
        folder=folder,
        console=Console(file=out, width=150, color_system=None),
    )
    assert verdict.word == "valid", out.getvalue()
    assert (verdict.counts["lost"], verdict.counts["stuck"]) == (0, 0)
    assert verdict.counts["begun by stock"] > 0
    assert verdict.counts["begun by ours"] > 0
    assert verdict.counts["taken up from wip"] > 0, out.getvalue()
