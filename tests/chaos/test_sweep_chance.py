"""The sweep on a busy machine: what came by chance is no boundary, and no case is bad for want of processor time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from holdfast.chaos.link import Request
from holdfast.chaos.sweep.boundaries import Sightings, agreed, operation_of
from holdfast.chaos.sweep.cases import Boundary, Case, Fault, Setting, Side
from holdfast.chaos.sweep.director import Director
from holdfast.chaos.sweep.report import by_chance_of, write
from holdfast.chaos.sweep.run import NoBaseline, Report, _Players
from holdfast.chaos.sweep.tasks import arrival, gate
from holdfast.chaos.sweep.works import OURS
from holdfast.jobs.store.scripts import load
from tests.chaos.played import played, told

PLAIN, EFFECT = Setting(1, "plain"), Setting(1, "effect")
DEATH = (Side.BEFORE, Fault.KILL_TREE, PLAIN)


def spelled(names):
    """Read `claim#1 renew#1+ complete#1`: with a plus there was a horse."""
    return tuple(Boundary(name.rstrip("+"), has_horse=name.endswith("+")) for name in names.split())


def words(move, **said):
    """Spell a move as it is sent."""
    script = load(record=True)[move]
    named = dict.fromkeys(script.header.arguments, "x") | said
    return [b"EVALSHA", script.sha.encode(), b"0", *(str(word).encode() for word in script.arguments(named))]


# -- one run


def test_a_horse_that_asks_once_more_before_a_callback_passes_no_second_boundary():
    """Its question is dated anew whenever it is sent; only in the next stage does it ask for the next callback."""
    seen = Sightings(frozenset(), frozenset())
    asked = [(0, "1.0"), (0, "1.3"), (1, "2.0"), (1, "2.3")]
    sent = [(stage, operation_of(words("renew", epoch=epoch, worked_s="0.000"))) for stage, epoch in asked]
    found = [seen.see("renew-for-callback", stage, operation) for stage, operation in sent]
    assert found == ["renew-for-callback#1", None, "renew-for-callback#2", None]


def test_a_claim_that_is_sent_once_more_does_not_end_the_watch(tmp_path):
    """Its answer was late; what the job passes after that belongs to the same taking."""
    director = Director(OURS.clockwork, OURS.works["unkept"], tmp_path, None)
    director.worker = SimpleNamespace(horses=list)
    for each in [words("claim", op=1), words("claim", op=1), words("complete", op=2), words("claim", op=3)]:
        director(Request(0, 1, tuple(each)))
    assert [each.name for each in director.boundaries] == ["claim#1", "complete#1"]
    assert director.looks == 2


def test_a_parent_that_has_no_work_to_tell_of_is_not_taken_for_its_horse(tmp_path):
    """It renews on the connection on which it claimed; nobody looks at processes for that, which takes long."""
    director = Director(OURS.clockwork, OURS.works["on-success"], tmp_path, Case("no#1", *DEATH))
    director.worker = None
    renew = words("renew", epoch="1.0", worked_s="0.000")
    arrival(str(tmp_path), 1).touch()
    director(Request(1, 1, tuple(words("claim", op=1))))
    director(Request(2, 2, tuple(renew)))
    assert not gate(str(tmp_path), 1).exists()
    director(Request(3, 1, tuple(renew)))
    assert gate(str(tmp_path), 1).exists()


# -- several runs


@pytest.mark.parametrize(
    ("two", "alone", "kept", "by_chance"),
    [
        (["claim#1 renew#1+"] * 2, [], "claim#1 renew#1+", ()),
        (["claim#1 rescue#1", "claim#1"], ["claim#1"], "claim#1", ("rescue#1",)),
        (["claim#1", "claim#1 renew#1+"], ["claim#1 renew#1+"], "claim#1 renew#1+", ()),
        (["claim#1 renew#1+ bury#1"] * 2, ["renew#1+ claim#1"], "claim#1 renew#1+ bury#1", ()),
        (["claim#1 renew#1", "renew#1+ claim#1"], ["claim#1 renew#1"], "claim#1 renew#1", ("a horse at renew#1",)),
        ([], ["claim#1 renew#1+"], "claim#1 renew#1+", ()),
    ],
    ids=["alike", "one more", "one less", "alone cut short", "a horse that was early", "both too slow"],
)
def test_a_boundary_is_what_both_runs_came_to_or_the_one_alone(two, alone, kept, by_chance):
    """In the order of the requests."""
    groups = [[spelled(run) for run in group] for group in (two, alone)]
    assert agreed(*groups) == (spelled(kept), by_chance)


# -- the cases


class Script:
    """A stage: runs without a fault pass what they are told to, and a fault strikes at the try that it is told to."""

    def __init__(self, *unhurt, strikes_at=1):
        self._unhurt = list(unhurt)
        self._strikes_at = strikes_at
        #: Which case was played, and whether in the thread that plays nothing beside it.
        self.tries = []

    def play(self, setting, case=None):
        """Play a run without a fault as the next one was written, or a case."""
        if case is None:
            return self._unhurt.pop(0)
        self.tries.append((case, threading.current_thread() is threading.main_thread()))
        return played(has_struck=sum(each == case for each, _ in self.tries) >= self._strikes_at)


@pytest.fixture
def players():
    """Give a function that has a script played, on one stage and in one thread."""
    with ThreadPoolExecutor(1) as pool:

        def on(script):
            stages = SimpleQueue()
            stages.put(script)
            return _Players(OURS, stages, pool)

        yield on


def unhurt(names, **what):
    """Give a run without a fault that passed those boundaries."""
    return played(exit_code=None, boundaries=spelled(names), **what)


def case_at(boundary):
    return Case(boundary, *DEATH)


def test_runs_that_agree_are_enough_and_others_need_a_third(players):
    """What only one of them came to is left out, and told."""
    twice = players(Script(unhurt("claim#1 complete#1"), unhurt("claim#1 complete#1")))
    assert twice.baselines([PLAIN]) == {PLAIN: spelled("claim#1 complete#1")}
    assert not twice.by_chance
    thrice = players(Script(unhurt("claim#1 scan#1"), unhurt("claim#1 complete#1"), unhurt("claim#1 complete#1")))
    assert thrice.baselines([PLAIN]) == {PLAIN: spelled("claim#1 complete#1")}
    assert list(thrice.by_chance) == [("scan#1", PLAIN)]


def test_a_run_whose_worker_was_too_slow_for_its_lease_is_none_without_a_fault(players):
    """However well it ended: it was cut short, and what it came to belongs to a death."""
    slow = unhurt("claim#1 give_back#1", moves=told("claim 1", "give_back 1", "claim 2", "complete 2"))
    some = players(Script(slow, slow, slow, unhurt("claim#1 complete#1")))
    assert some.baselines([PLAIN]) == {PLAIN: spelled("claim#1 complete#1")}
    assert not some.by_chance


def test_a_worker_that_loses_its_job_each_time_is_no_baseline(players):
    """Not even alone does it keep it: that is not the machine."""
    slow = unhurt("claim#1", moves=told("claim 1", "reclaim 1"))
    with pytest.raises(NoBaseline, match="1q/plain, unhurt: this machine is too slow"):
        players(Script(*[slow] * 5)).baselines([PLAIN])


def test_a_worker_that_fails_unhurt_is_no_baseline_at_once(players):
    """No other run is asked for."""
    with pytest.raises(NoBaseline, match="1q/plain, unhurt: it was not over"):
        players(Script(*[unhurt("claim#1", is_stuck=True)] * 2)).baselines([PLAIN])


def test_what_could_not_be_played_among_others_is_played_at_the_end_and_alone(players):
    """A worker may have been too slow to come to its boundary in time."""
    late = [case_at("renew#1"), case_at("renew#2")]
    script = Script(unhurt("claim#1 renew#1 renew#2"), strikes_at=4)
    assert [result.verdict.is_good for result in players(script).play(late)] == [True, True]
    assert sorted(is_alone for _, is_alone in script.tries) == [False] * 6 + [True] * 2
    assert script.tries[6:] == [(late[0], True), (late[1], True)]


def test_a_case_that_cannot_be_played_even_alone_is_bad(players):
    """A worker comes to that boundary each time, and nothing befalls it there."""
    (result,) = players(Script(unhurt("claim#1 renew#1"), strikes_at=99)).play([case_at("renew#1")])
    assert result.verdict.is_unknown


def test_a_boundary_that_does_not_come_again_is_told_as_chance_and_not_as_bad(players):
    """Two busy runs came to it, and a run alone does not."""
    script = Script(unhurt("claim#1"), strikes_at=99)
    some = players(script)
    assert list(some.play([case_at("give_back#1")])) == []
    assert list(some.by_chance) == [("give_back#1", PLAIN)]
    assert len(script.tries) == 3


def test_a_report_says_what_came_by_chance():
    """On the page as on the terminal; where nothing did, there is no such line."""
    report = Report(
        (), {}, 1.0, "a server 1.0", by_chance=(("scan#1", PLAIN), ("give_back#1", PLAIN), ("scan#1", EFFECT))
    )
    line = "Left out: 3 boundaries that came by chance: scan#1 (2), give_back#1 (1)"
    assert by_chance_of(report) == line
    assert line in write(report, "holdfast", "")
    assert "by chance" not in write(Report((), {}, 1.0, "a server 1.0"), "holdfast", "")
