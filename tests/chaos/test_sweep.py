"""The sweep: a slice of it, and that it can see what it looks for."""

import os
import time
from dataclasses import replace

import pytest

from holdfast.chaos.sweep import sweep
from holdfast.chaos.sweep.boundaries import Sightings, name_of, operation_of
from holdfast.chaos.sweep.cases import SIDES, Boundary, Case, Fault, Setting, Side, Slice, cases_at
from holdfast.chaos.sweep.judge import Verdict, judge
from holdfast.chaos.sweep.report import reproductions, write
from holdfast.chaos.sweep.run import NoBaseline, Report, Result
from holdfast.chaos.sweep.works import OURS
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load
from tests.chaos.played import played, told
from tests.chaos.sweeping import mistaken, run

#: Some dozen cases each: another slice every day, or the one that SWEEP_SLICE names, such as 3.
SLICES = 160
PLAIN, EFFECT = Setting(1, "plain"), Setting(1, "effect")
DEATH = Case("renew#1", Side.BEFORE, Fault.KILL_TREE, PLAIN)


# -- the sweep itself


@pytest.mark.processes
def test_a_job_ends_well_wherever_its_worker_is_hurt():
    """A slice of all cases, another each day; `make sweep` runs them all."""
    number = int(os.environ.get("SWEEP_SLICE") or time.time() // 86_400 % SLICES + 1)
    found = run(Slice(part=(number, SLICES)), jobs=8)
    assert len(found.results) > 6
    assert not found.bad, "\n".join([f"slice {number} of {SLICES}", *reproductions(found, ""), found.bad[0].logs])


@pytest.mark.processes
def test_a_claim_in_two_steps_is_found_to_lose_jobs():
    """Killed between taking the id out of its line and putting it elsewhere."""
    only = Slice("rpush-queue#1/before/kill-tree/1q/plain")
    (result,) = run(only, mistaken("TwoStepClaim", patience_s=6)).results
    assert result.verdict.wrongs[:2] == (
        "it was not over when patience was",
        "it is queued and stands in no structure",
    )


@pytest.mark.processes
def test_a_worker_that_overlooks_doubt_is_found_to_charge_twice():
    """Killed after the charge and before the record of it."""
    only = Slice("commit_effect#1/before/kill-tree/1q/effect")
    (result,) = run(only, mistaken("SeesNoDoubt")).results
    assert result.verdict == Verdict("2 runs", ("finished, and charged 2 times",))


@pytest.mark.processes
def test_a_worker_that_fails_unhurt_is_no_baseline():
    """Else the sweep would hurt it nowhere, and find nothing wrong."""
    with pytest.raises(NoBaseline, match="1q/plain, unhurt"):
        run(Slice("*/*/*/1q/plain"), replace(OURS, worker="no_such_module.Worker", patience_s=3))


# -- what is a case


def test_every_fault_strikes_on_its_sides_and_a_horse_only_where_there_is_one():
    """A reply cannot be lost before there is one, and nobody kills a horse that is not there."""
    without = list(cases_at([Boundary("claim#1", has_horse=False)], PLAIN, SIDES))
    with_horse = list(cases_at([Boundary("claim#1", has_horse=True)], PLAIN, SIDES))
    assert [str(case) for case in without] == [
        "claim#1/before/kill-parent/1q/plain",
        "claim#1/after/kill-parent/1q/plain",
        "claim#1/before/kill-tree/1q/plain",
        "claim#1/after/kill-tree/1q/plain",
        "claim#1/before/sigterm/1q/plain",
        "claim#1/after/sigterm/1q/plain",
        "claim#1/after/reply-eaten/1q/plain",
        "claim#1/after/reply-late/1q/plain",
        "claim#1/before/request-lost/1q/plain",
    ]
    assert {case.fault for case in with_horse} - {case.fault for case in without} == {Fault.KILL_HORSE}


def test_the_parts_of_a_sweep_are_the_whole():
    """Each case is in one of them, and none in two."""
    boundaries = [Boundary(f"renew#{number}", has_horse=True) for number in range(5)]
    cases = list(cases_at(boundaries, PLAIN, SIDES))
    parts = [case for number in range(1, 8) for case in Slice(part=(number, 7)).of(cases)]
    assert sorted(parts, key=str) == sorted(cases, key=str)


def test_a_case_is_found_by_its_name_and_a_group_by_stars():
    """What a report prints can be typed in again."""
    cases = list(cases_at([Boundary("claim#1", has_horse=True), Boundary("claim#2", has_horse=True)], EFFECT, SIDES))
    assert [str(case) for case in Slice(str(cases[3])).of(cases)] == [str(cases[3])]
    assert {case.boundary for case in Slice("claim#2/*/*/*/*").of(cases)} == {"claim#2"}
    assert not Slice("*/*/*/*/plain").may_hold(EFFECT)


@pytest.mark.parametrize(("only", "part"), [("claim#1", (1, 1)), ("*/*/*/*/*", (9, 8)), ("*/*/*/*/*", (0, 8))])
def test_a_slice_that_cannot_be_meant_is_refused(only, part):
    """Before any server is started: status 2."""
    with pytest.raises(ValueError, match=r"is not boundary|no part"):
        Slice(only, part)
    assert sweep(part=part, only=only, stock=False, jobs=1, report=None) == 2


# -- what is a boundary


def test_requests_have_names():
    """A move its own, taught or not; another its command, what it is about, and what it sets first."""
    script = load(record=True)["claim"]
    assert name_of((b"EVALSHA", script.sha.encode(), b"0")) == "claim"
    assert name_of((b"EVAL", script.sent.encode(), b"0")) == "claim"
    assert name_of((b"HSET", keys.worker("w").encode(), b"hf_beat", b"1")) == "hset-worker-hf_beat"
    assert name_of((b"BLPOP", keys.bell("q").encode(), b"1")) == "blpop-bell"
    assert name_of((b"BLMOVE", keys.queue("q").encode())) == "blmove-queue"
    assert name_of((b"SUBSCRIBE", b"a-channel")) == "subscribe"
    assert name_of((b"TIME",)) == "time"
    renew = load(record=True)["renew"].sha.encode()
    assert name_of((b"EVALSHA", renew, b"0", b"0.412")) == "renew"
    assert name_of((b"EVALSHA", renew, b"0", b"0.000")) == "renew-for-callback"


def test_what_comes_by_the_clock_is_one_boundary_in_each_stage():
    """However often it comes: on a slow machine that is more often. What is not awaited is none."""
    seen = Sightings(frozenset({"renew", "promote"}), frozenset({"renew"}))
    assert seen.see("promote", 1) is None
    came = [("claim", 0), ("renew", 0), ("renew", 1), ("renew", 1), ("hset", 1), ("renew", 2), ("hset", 2)]
    assert [seen.see(*each) for each in came] == ["claim#1", None, "renew#1", None, "hset#1", "renew#2", "hset#2"]


def test_what_is_sent_once_more_is_no_second_boundary():
    """On a busy machine an answer comes late, and the same operation goes out again, dated anew."""
    complete = load(record=True)["complete"]

    def words(op, stamp):
        named = dict.fromkeys(complete.header.arguments, "x") | {"op": op, "stamp": stamp}
        return [b"EVALSHA", complete.sha.encode(), b"0", *(str(word).encode() for word in complete.arguments(named))]

    seen = Sightings(frozenset(), frozenset())
    came = [words(7, "then"), words(7, "later"), words(8, "later")]
    assert [seen.see("complete", 1, operation_of(each)) for each in came] == ["complete#1", None, "complete#2"]


# -- what is well


def test_a_job_that_ran_once_or_again_went_well():
    """A second run is what a death may cost."""
    again = played(moves=told("claim 1", "reclaim 1", "claim 2", "complete 2"), place={"executions": 2})
    assert judge(DEATH, "plain", played()) == Verdict("1 run")
    assert judge(DEATH, "plain", again) == Verdict("2 runs")


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ({"is_stuck": True}, "it was not over when patience was"),
        ({"place": {"places": ("finished", "line")}}, "it is finished and stands in finished, line"),
        ({"place": {"places": ()}}, "it is finished and stands in no structure"),
        ({"moves": told("claim 1", "claim 2", "complete 2")}, "claim of a job that was started"),
        ({"moves": told("claim 1", "complete 1", "complete 1")}, "finished with 2 completes"),
        ({"told": ("body the-job", "two-at-once the-job", "body the-job")}, "two bodies ran at once"),
        ({"told": ("body the-job", "body the-job")}, "2 bodies ran under 1 claims"),
        ({"leftovers": ("holdfast:held",)}, "left behind: holdfast:held"),
        ({"place": None}, "the job's record is gone"),
        ({"moves": told("claim 2", "crash 2", "claim 1", "complete 1")}, "fence 1 came after 2"),
        ({"moves": told("claim 1", "complete 3")}, "complete by execution e3 while e1 held the job"),
        ({"place": {"executions": 2}}, "1 claims, and the record counts 2 executions"),
        ({"logs": "Traceback (most recent call last)"}, "a worker logged a traceback"),
    ],
)
def test_what_may_not_be_is_seen(what, wrong):
    """Whatever the fault was."""
    wrongs = judge(DEATH, "plain", played(**what)).wrongs
    assert any(each.startswith(wrong) for each in wrongs), wrongs


def test_a_failed_plain_job_is_wrong():
    """It did nothing that could fail."""
    failed = played(
        place={"status": "failed", "places": ("failed",), "dead": "crashes"}, moves=told("claim 1", "bury 1")
    )
    assert judge(DEATH, "plain", failed) == Verdict("failed (crashes)", ("it ended failed, not finished",))


def test_a_lost_reply_may_not_cost_a_crash_or_a_worker():
    """Nobody died."""
    eaten = replace(DEATH, fault=Fault.REPLY_EATEN, side=Side.AFTER)
    wrongs = judge(eaten, "plain", played(place={"crashes": 1}, exit_code=1)).wrongs
    assert wrongs == ("the worker ended by itself with 1", "nobody died, and the job was charged 1 crashes")


def test_a_worker_asked_to_stop_ends_in_good_order():
    """With status 0, and not by itself for another reason."""
    asked = replace(DEATH, fault=Fault.SIGTERM)
    assert judge(asked, "plain", played(exit_code=0)) == Verdict("1 run")
    assert judge(asked, "plain", played(exit_code=1)).wrongs == ("asked to stop, the worker ended with 1",)


@pytest.mark.parametrize(("charges", "is_good"), [(0, False), (1, True), (2, False)])
def test_a_finished_effect_happened_once(charges, is_good):
    """Never twice, and never not."""
    assert judge(DEATH, "effect", played(charges=charges)).is_good is is_good


@pytest.mark.parametrize(
    ("work", "charges", "outcome", "is_good"),
    [
        ("effect", 0, "in doubt, not charged", True),
        ("effect", 1, "in doubt, charged", True),
        ("effect", 2, "in doubt, charged", False),
        ("probe", 1, "failed (in_doubt)", False),
    ],
)
def test_a_doubt_is_told_at_most_once_charged_and_never_where_one_could_ask(work, charges, outcome, is_good):
    """A job that stops and says that it does not know has kept its promise, unless there was a probe."""
    stopped = played(
        place={"status": "failed", "places": ("failed",), "dead": "in_doubt"},
        moves=told("claim 1", "bury 1"),
        charges=charges,
    )
    verdict = judge(DEATH, work, stopped)
    assert (verdict.outcome, verdict.is_good) == (outcome, is_good)


@pytest.mark.parametrize("what", [{"has_struck": False}, {"has_missed": True}])
def test_a_fault_that_did_not_happen_proves_nothing(what):
    """Unknown is not good: it is tried again, and else told."""
    verdict = judge(DEATH, "plain", played(**what))
    assert verdict.is_unknown
    assert not verdict.is_good


# -- what is told


def test_a_page_gets_the_tables_between_its_marks_and_keeps_the_rest():
    """And a page without marks gets them at its end."""
    bad = Result(DEATH, Verdict("2 runs", ("it hurts",)), 1.0)
    report = Report((bad,), {PLAIN: ("renew#1",)}, 1.0, "a server 1.0")
    first = write(report, "holdfast", "# A page\n")
    again = write(report, "holdfast", f"{first}\nIts end.\n")
    assert again == f"{first}\nIts end.\n"
    assert "| renew#1 | **BAD: 2 runs** |" in first
    assert list(reproductions(report, " --stock"))[1] == (
        '  holdfast chaos sweep --stock --only "renew#1/before/kill-tree/1q/plain"'
    )
