"""Seeds as `holdfast chaos run` runs them, and what is left of one that went wrong."""

from itertools import count

import pytest

from holdfast.chaos.checker import dead_are_noticed
from holdfast.chaos.history import History, Line
from holdfast.chaos.simulation import batch
from holdfast.chaos.simulation.batch import quiet, run_seed, run_seeds
from holdfast.chaos.simulation.moments import in_world_time, world_ms
from holdfast.chaos.simulation.plan import Strike, plan_for
from holdfast.chaos.simulation.run import run_plan, terms_of
from holdfast.chaos.simulation.telling import tell


def test_seeds_without_end_are_run_until_told():
    """None is begun once it is over; each is heard of in its turn."""
    heard = []
    found = run_seeds(count(1), hard=(False, True), processes=1, on_seed=heard.append, is_over=lambda: bool(heard))
    assert found == heard
    assert [(each.seed, each.hard) for each in found[:4]] == [(1, False), (1, True), (2, False), (2, True)]
    assert len(found) < 20


def test_what_the_code_lets_out_is_a_finding_and_no_end_of_the_others(monkeypatch, tmp_path):
    """It has no history; where it came from is written down."""

    def fall(_plan, *, real):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(batch, "run_plan", fall)
    found = run_seed(9, hard=True, only="FM-012", folder=tmp_path / "9")
    assert found.violations == ("let out RuntimeError: no such thing",)
    assert found.report.endswith("holdfast chaos replay 9 --hard --only FM-012")
    assert 'raise RuntimeError("no such thing")' in (tmp_path / "9/error.txt").read_text("utf-8")


def test_a_clean_seed_leaves_nothing(tmp_path):
    """Ten thousand of them would fill a disk."""
    found = run_seed(1, hard=False, folder=tmp_path / "1")
    assert (found.violations, found.report) == ((), "")
    assert not (tmp_path / "1").exists()


def test_each_fault_is_told_once():
    """Also where all jobs are told of, as nothing went wrong."""
    with quiet():
        run = run_plan(plan_for(3).with_strikes([Strike("lost-reply", (), "p1", 2)]))
    assert [line.split()[:3] for line in tell(run).splitlines() if " fault " in line] == [
        [str(run.history.lines[at].us // 1_000), "nemesis", "fault"]
        for at, line in enumerate(run.history.lines)
        if line.did == "fault"
    ]


JUMPS = [Strike("clock-back", (60_000,), at_us=5_000_000), Strike("clock-forward", (60_000,), at_us=5_000_000)]


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize(("calm_ms", "late_ms", "found"), [(20_000, 4_000, 1), (20_000, 900, 0), (4_900, 2_500, 0)])
def test_the_dead_are_looked_for_although_the_servers_clock_jumped(jump, calm_ms, late_ms, found):
    """LIV-02: once holders have had their grace. A reaper that waited for the clock to catch up went unseen."""
    plan = plan_for(1)
    reclaimed = Line(plan.storm_us + calm_ms * 1_000, "w2", "reclaimed", "J0", "A", 7, f"{late_ms} ms late")
    assert len(list(dead_are_noticed(History([reclaimed]), terms_of(plan, [jump])))) == found


@pytest.mark.parametrize("jump", JUMPS)
def test_moves_are_dated_by_the_world_although_the_servers_clock_jumped(jump):
    """Or a picture would show a job that ends before it begins."""
    with quiet():
        run = run_plan(plan_for(3).with_strikes([jump]))
    begun = {line.execution: line.us // 1_000 for line in run.history.of("begin")}
    claims = [(move, ms) for move, ms in zip(run.history.moves, world_ms(run), strict=True) if move.move == "claim"]
    assert any(ms > 5_000 for _, ms in claims)
    # A core that is lent to somebody else is away for 50 ms, now and then twice; a clock that jumps, for a minute.
    assert all(0 <= begun[move.execution] - ms < 500 for move, ms in claims)
    assert [move.ms for move in in_world_time(run).moves] == world_ms(run)


def test_a_body_is_told_to_begin_after_its_claim_and_before_its_moves():
    """Within a millisecond too: a story in the wrong order blames the wrong one."""
    with quiet():
        told = tell(run_plan(plan_for(1, only="FM-008"))).splitlines()
    order = {}
    for line in told[2:]:
        did, execution = line[17:31].strip(), line[41:49].strip()
        order.setdefault(execution, []).append(did)
    begun = [did for did in order.values() if "begin" in did]
    assert begun
    for did in begun:
        made = [did.index(move) for move in ("begin_effect", "complete", "postpone") if move in did]
        assert did.index("claim") < did.index("begin") < min(made, default=len(did))
