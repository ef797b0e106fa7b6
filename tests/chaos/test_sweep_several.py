"""The sweep's several jobs in hand: what a death may not cost them is seen, in made-up cases and of real workers."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from holdfast.chaos.sweep.cases import Case, Fault, Setting, Side, Slice
from holdfast.chaos.sweep.judge import judge
from holdfast.chaos.sweep.run import NoBaseline, _Players
from holdfast.chaos.sweep.tasks import JOB, SEVERAL
from holdfast.chaos.sweep.works import OURS, ours_in
from tests.chaos.played import place, played, told
from tests.chaos.sweeping import mistaken, run

SECOND, LAST = SEVERAL[1], SEVERAL[-1]
EACH = [f"{move} 1 {job}" for job in SEVERAL for move in ("claim", "complete")]


def again(job, *ends, before=()):
    """Write the history of several of which some were in hand more than once: `ends` of each time but the last."""
    lives = [f"{move} {fence} {job}" for fence, end in enumerate(ends, 1) for move in ("claim", end)]
    last = len(ends) + 1
    own = [*lives, f"claim {last} {job}", f"complete {last} {job}"]
    return told(*before, *own, *(each for each in EACH if not each.endswith(f" {job}")))


def both_died(*after):
    """Write a history in which the second and the last died together, and what came then."""
    these = [f"{move} 1 {job}" for move in ("claim", "reclaim") for job in (SECOND, LAST)]
    return told(*these, *after, *(each for each in EACH if each.split()[2] not in {SECOND, LAST}))


def among(**places):
    """Say where several stand: finished, but for what is said of the second and the last."""
    own = {"second": SECOND, "last": LAST}
    return {job: place() for job in SEVERAL[1:]} | {own[name]: where for name, where in places.items()}


RAN = tuple(f"body {job}" for job in SEVERAL)
RAN_TWICE = {"told": (*RAN, RAN[-1]), "others": among(last=place(executions=2))}
CHARGED = place(executions=2, crashes=1)
APART = [f"{move} 2 {job}" for job in (SECOND, LAST) for move in ("claim", "complete")]
TOGETHER = [f"{move} 2 {job}" for move in ("claim", "complete") for job in (SECOND, LAST)]


def verdict(fault=Fault.KILL_TREE, **what):
    """Judge a case of several after a death, with what is said in place of what went well."""
    well = {"others": among(), "moves": told(*EACH), "told": RAN}
    return judge(Case("renew#1", Side.BEFORE, fault, Setting(1, "several")), "several", played(**(well | what)))


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ({"others": among(last=None)}, "the-job-9: its record is gone"),
        ({"others": among(last=place(status="queued"))}, "the-job-9 ended queued"),
        ({"told": RAN[:-1]}, "the-job-9 ran 0 times"),
        ({"told": (*RAN, RAN[-1])}, "the-job-9: 2 bodies ran under 1 claims"),
        (RAN_TWICE | {"moves": again(LAST, "give_back")}, "the-job-9 ran 2 times, and died 0 times"),
        ({"others": among(second=CHARGED, last=CHARGED)}, "one death with 0 leases that ran out"),
        ({"others": among(last=CHARGED), "moves": both_died(*APART)}, "one death with 2 leases"),
        ({"moves": both_died(*TOGETHER)}, "the-job-2, the-job-9 died in company, and"),
        ({"moves": again(LAST, "reclaim"), "exit_code": None}, "left to run out by a parent that lived"),
    ],
)
def test_each_wrong_end_of_several_is_seen(what, wrong):
    """A loss, a run too many, a charge too many, company that is not to be, and a lease that nobody looks after."""
    wrongs = verdict(**what).wrongs
    assert any(each.startswith(wrong) for each in wrongs), wrongs


@pytest.mark.parametrize(
    "what",
    [
        RAN_TWICE | {"moves": again(LAST, "crash"), "others": among(last=CHARGED), "exit_code": None},
        RAN_TWICE | {"moves": again(LAST, "reclaim"), "others": among(last=CHARGED)},
        {"moves": again(LAST, "give_back"), "others": among(last=place(executions=2))},
        {"moves": both_died(*APART), "others": among(second=place(executions=2), last=place(executions=2))},
    ],
    ids=["its horse died", "all died with it alone", "it waited", "two died together"],
)
def test_of_several_one_that_died_may_run_again(what):
    """And is charged where it was alone; what only waited is neither."""
    assert verdict(**what).wrongs == ()


def test_a_job_that_was_in_hand_for_long_may_be_given_back_in_its_middle():
    """Its worker was too slow for its lease: nobody died, and its code runs again."""
    moves = again(LAST, "give_back")
    late = [replace(move, ms=move.ms + 1_000) if number else move for number, move in enumerate(moves)]
    assert verdict(**RAN_TWICE, moves=tuple(late)).wrongs == ()


@pytest.mark.parametrize("job", [JOB, LAST])
def test_a_fault_that_kills_nobody_charges_none_of_several(job):
    """Not only the one whose worker was hurt is looked at."""
    others = among() | ({} if job == JOB else {job: place(crashes=1)})
    own = {"place": {"crashes": 1}} if job == JOB else {}
    harmless = verdict(Fault.REPLY_EATEN, others=others, exit_code=None, **own)
    assert harmless.wrongs == ("nobody died, and the job was charged 1 crashes",)


# -- runs without a fault


@pytest.mark.parametrize(("job", "is_one"), [(LAST, True), (SECOND, False)])
def test_only_what_waits_behind_the_slow_one_is_given_back_without_a_fault(job, is_one):
    """Of another it was the machine, too slow for its worker's lease: such a run is none without a fault."""
    others = {each: place(executions=1 + (each == job)) for each in SEVERAL[1:]}
    unhurt = played(others=others, moves=again(job, "give_back"), told=RAN, exit_code=None)
    stages = SimpleQueue()
    stages.put(SimpleNamespace(play=lambda _setting, _case: unhurt))
    with ThreadPoolExecutor(1) as pool, nullcontext() if is_one else pytest.raises(NoBaseline, match="too slow"):
        _Players(OURS, stages, pool).baselines([Setting(1, "several")])


# -- workers with mistakes


@pytest.mark.processes
def test_a_parent_that_does_not_note_what_its_dead_horse_took_is_found_to_have_it_run_twice():
    """The next horse's turn gives back what waits in its hands."""
    (result,) = run(
        Slice("turn#1/after/kill-horse/1q/several"), mistaken("ForgetsWhatWasTaken", ours_in("prefetch"))
    ).results
    assert f"{SECOND} ran 2 times, and died 0 times" in result.verdict.wrongs


@pytest.mark.processes
def test_a_parent_that_finishes_no_turn_is_found_to_let_leases_run_out():
    """Asked to stop with a turn under way. Nobody is charged, and all end: nothing else shows it."""
    (result,) = run(Slice("turn#1/after/sigterm/1q/several"), mistaken("FinishesNoTurn", ours_in("prefetch"))).results
    assert [wrong.partition(": ")[0] for wrong in result.verdict.wrongs] == ["left to run out by a parent that lived"]


@pytest.mark.processes
def test_a_reaper_that_overlooks_company_is_found_to_charge_all_that_died_together():
    """Of a worker's whole tree, at a slow job with another behind it."""
    (result,) = run(
        Slice("give_back#1/before/kill-tree/1q/several"), mistaken("OverlooksCompany", ours_in("prefetch"))
    ).results
    assert any(wrong.startswith("one death with ") for wrong in result.verdict.wrongs), result.verdict.wrongs
