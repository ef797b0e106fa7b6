"""The sweep's works beyond a plain job: each way in which one may not end is seen."""

import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from holdfast.chaos.server import PrivateServer
from holdfast.chaos.sweep.cases import Case, Fault, Setting, Side, Slice
from holdfast.chaos.sweep.ends import ENDS, OUTAGE
from holdfast.chaos.sweep.judge import judge
from holdfast.chaos.sweep.nursery import Nursery
from holdfast.chaos.sweep.remains import is_at_rest, leftovers, places
from holdfast.chaos.sweep.run import NoBaseline
from holdfast.chaos.sweep.stage import Stage, environment_of
from holdfast.chaos.sweep.tasks import SEVERAL
from holdfast.chaos.sweep.works import OURS
from holdfast.jobs import events
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.store import keys
from holdfast.workers.say import Say
from tests.chaos.played import place, played, told
from tests.chaos.sweeping import mistaken, run

CHILD, FORGIVING = "the-child", "the-forgiving-child"
FAILED = {"status": "failed", "dead": "failures"}
UNCHARGED = {"status": "failed", "dead": "interrupted", "crashes": 0}
PARENT = ("claim 1", "complete 1")
RELEASED = ("released 0 the-child", "claim 2 the-child", "complete 2 the-child")

#: Of each work, a case that went well.
WELL = {
    "plain": {},
    "effect": {"charges": 1},
    "probe": {"charges": 1},
    "child": {
        "others": {CHILD: place()},
        "moves": told(*PARENT, *RELEASED),
        "told": ("body the-job", "body the-child"),
    },
    "failing-parent": {
        "place": FAILED,
        "others": {CHILD: place(status="deferred", executions=0), FORGIVING: place()},
        "moves": told("claim 1", "bury 1", *(f"{move.rsplit(' ', 1)[0]} {FORGIVING}" for move in RELEASED)),
        "told": ("body the-job", "body the-forgiving-child"),
    },
    "several": {
        "others": {job: place() for job in SEVERAL[1:]},
        "moves": told(*(f"{move} 1 {job}" for job in SEVERAL for move in ("claim", "complete"))),
        "told": tuple(f"body {job}" for job in SEVERAL),
    },
    "repeat": {"moves": told("claim 1", "again 1", "claim 2", "again 2", "claim 3", "complete 3")},
    "unkept": {"place": None},
    "on-success": {"told": ("body the-job", "success the-job")},
    "on-failure": {
        "place": FAILED,
        "moves": told("claim 1", "bury 1"),
        "told": ("body the-job", "failure the-job"),
    },
    "raising-callbacks": {
        "place": FAILED,
        "moves": told("claim 1", "bury 1"),
        "told": ("body the-job", "success the-job", "failure the-job"),
    },
    "last-crash": {
        "place": {"status": "failed", "dead": "interrupted", "crashes": 1},
        "moves": told("claim 1", "reclaim 1"),
        "told": ("body the-job", "failure the-job"),
    },
    "second-crash": {
        "place": {"status": "failed", "dead": "crashes", "crashes": 2, "executions": 2},
        "moves": told("claim 1", "crash 1", "claim 2", "reclaim 2"),
        "told": ("body the-job", "body the-job", "failure the-job"),
    },
    "aftermath": {
        "place": {"status": "failed", "dead": "interrupted", "crashes": 1},
        "moves": told("claim 1", "crash 1"),
        "told": ("failure the-job",),
    },
}


def verdict(work, **what):
    """Judge a case of a work after a death, with what is said in place of what went well."""
    case = Case("renew#1", Side.BEFORE, Fault.KILL_TREE, Setting(1, work))
    return judge(case, work, played(**(WELL[work] | what)))


def test_every_work_has_an_end():
    """One without could not be judged."""
    assert set(ENDS) == set(OURS.works) == set(WELL)


@pytest.mark.parametrize("work", WELL)
def test_what_went_well_is_good(work):
    """Else the tests below would show nothing."""
    assert verdict(work).wrongs == ()
    assert verdict(work).is_good


@pytest.mark.parametrize(
    ("work", "what", "wrong"),
    [
        ("child", {"others": {CHILD: None}}, "the-child: its record is gone"),
        ("child", {"others": {CHILD: place(status="deferred", executions=0)}}, "the-child ended deferred"),
        ("child", {"told": ("body the-job",)}, "the-child ran 0 times"),
        ("child", {"told": ("body the-child", "body the-child")}, "the-child: 2 bodies ran under 1 claims"),
        ("child", {"moves": told(*RELEASED, *PARENT)}, "the-child did not wait"),
        ("child", {"moves": told(*PARENT, RELEASED[0], *RELEASED)}, "the-child was released 2 times"),
        ("child", {"others": {CHILD: place(places=("finished", "leases"))}}, "the-child: it is finished and stands in"),
        ("failing-parent", {"others": {CHILD: place(), FORGIVING: place()}}, "the-child of a job that failed"),
        ("failing-parent", {"others": {CHILD: None, FORGIVING: place()}}, "the-child of a job that failed is gone"),
        ("failing-parent", {"told": ("body the-job", "body the-child")}, "the-forgiving-child ran 0 times"),
        ("failing-parent", {"place": {"status": "finished"}}, "it ended finished"),
        ("repeat", {"moves": told("claim 1", "complete 1")}, "finished with 1 completes, not 3"),
        ("repeat", {"place": {"status": "queued", "places": ()}}, "it ended queued, not finished"),
        ("repeat", {"place": {"places": ("finished", "line")}}, "it is finished and stands in"),
        ("unkept", {"place": {}}, "its record is kept"),
        ("unkept", {"moves": told("claim 1", "complete 1", "claim 2", "complete 2")}, "it ended with 2 completes"),
        ("unkept", {"moves": told("claim 1", "reclaim 1")}, "it ended with 0 completes"),
        ("unkept", {"leftovers": ("rq:results:the-job",)}, "left behind: rq:results:the-job"),
        ("on-success", {"told": ()}, "on_success was called 0 times"),
        ("on-success", {"told": ("success the-job", "success the-job")}, "on_success was called 2 times"),
        ("on-success", {"told": ("success the-job", "failure the-job")}, "on_failure was called 1 times"),
        ("on-failure", {"told": ()}, "on_failure was called 0 times"),
        ("on-failure", {"told": ("success the-job", "failure the-job")}, "on_success was called 1 times"),
        ("raising-callbacks", {"told": ("success the-job",)}, "on_failure was called 0 times"),
        ("raising-callbacks", {"place": {}, "moves": told("claim 1", "complete 1")}, "it ended finished"),
        ("last-crash", {"told": ("body the-job",)}, "on_failure was called 0 times"),
        ("last-crash", {"place": UNCHARGED}, "buried after 0 crashes, and 0 were allowed"),
        ("last-crash", {"place": UNCHARGED, "moves": told("claim 1", "crash 1"), "logs": OUTAGE}, "buried after 0"),
        ("last-crash", {"told": ("failure the-job",) * 4}, "on_failure was called 4 times"),
        ("last-crash", {"leftovers": ("holdfast:aftermath:q",)}, "left behind: holdfast:aftermath:q"),
        ("last-crash", {"place": {}, "moves": told("claim 1", "complete 1")}, "on_failure was called 1 times"),
        ("second-crash", {"place": WELL["second-crash"]["place"] | {"crashes": 1}}, "buried after 1 crashes"),
        ("aftermath", {"told": ()}, "on_failure was called 0 times"),
        ("aftermath", {"place": {}}, "it ended finished"),
    ],
)
def test_each_wrong_end_is_seen(work, what, wrong):
    """Whatever is made up: a loss, a double, a leftover, a call too many or too few."""
    wrongs = verdict(work, **what).wrongs
    assert any(each.startswith(wrong) for each in wrongs), wrongs


def test_a_death_that_passed_for_an_outage_is_charged_to_nobody(caplog):
    """What the judge looks for in the log is what a worker says there of an outage."""
    with caplog.at_level("WARNING"):
        say = Say(logging.getLogger("of-a-worker"), "w", SystemClock(), log_description=True)
        say(events.HoldersGraced(700))
    assert verdict("last-crash", place=UNCHARGED, logs=caplog.text).is_good


def test_a_meant_traceback_hides_no_other():
    """What a job raises on purpose is told by its name."""
    meant = "Traceback (most recent call last)\nholdfast.chaos.sweep.tasks.Meant: to fail\n"
    assert verdict("on-failure", logs=meant).is_good
    assert verdict("on-failure", logs=f"{meant}Traceback: of another").wrongs == ("a worker logged a traceback",)


# -- what is left on the server


@pytest.fixture(scope="module")
def redis():
    with PrivateServer() as server, server.client() as client:
        yield client


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (lambda redis: redis.zadd(keys.leases("q"), {"j:e": 1}), "holdfast:leases:q"),
        (lambda redis: redis.zadd(keys.wip("q"), {"j:e": 1}), "rq:wip:q"),
        (lambda redis: redis.hset(keys.held(), "j", "q:e"), "holdfast:held"),
        (lambda redis: redis.hset(keys.execution("j", "e"), "id", "e"), "rq:execution:j:e"),
        (lambda redis: redis.zadd(keys.executions("j"), {"e": 1}), "rq:executions:j"),
        (lambda redis: redis.zadd(keys.aftermath("q"), {"0 failed j:e": 1}), "holdfast:aftermath:q"),
        (lambda redis: redis.rpush(keys.queue("q"), "j"), "rq:queue:q"),
        (lambda redis: redis.zadd(keys.scheduled("q"), {"j": 1}), "rq:scheduled:q"),
        (lambda redis: redis.set(keys.tombstone("j"), "1 1"), "holdfast:tombstone:j"),
    ],
)
def test_each_leftover_is_named(redis, write, left):
    """Of a job that is finished and kept: its record, its results, and nothing else."""
    redis.flushall()
    redis.hset(keys.job("j"), "status", "finished")
    redis.zadd(keys.finished("q"), {"j": 1})
    found = places(redis, ["q"], ["j"])
    assert is_at_rest(found.values())
    assert leftovers(redis, found) == ()
    write(redis)
    assert leftovers(redis, found) == (left,)


def test_a_job_without_a_record_leaves_its_tombstone_and_nothing_else(redis):
    """Not its results, nor those that wait for it."""
    redis.flushall()
    redis.xadd(keys.results("j"), {"type": 1})
    found = places(redis, ["q"], ["j"])
    assert found == {"j": None}
    assert leftovers(redis, found) == ("no holdfast:tombstone:j", "rq:results:j")
    redis.delete(keys.results("j"))
    redis.set(keys.tombstone("j"), "1 1")
    assert leftovers(redis, found) == ()


@pytest.mark.parametrize("status", ["queued", "scheduled", "started", "deferred"])
def test_what_has_not_ended_is_not_at_rest(status):
    """Also where it stands in no structure; one that waits in its own does rest."""
    assert not is_at_rest([place(status=status, places=())])


# -- workers with mistakes


@pytest.mark.processes
def test_children_released_in_a_second_step_are_found_to_wait_for_ever():
    """As in stock RQ, where a worker may die between the end of a job and that."""
    cast = mistaken("ReleasesLater", patience_s=6)
    (result,) = run(Slice("eval#1/before/kill-tree/1q/child"), cast).results
    assert "the-child ended deferred, not finished" in result.verdict.wrongs


@pytest.mark.processes
def test_a_repeat_put_in_line_in_a_second_step_is_found_to_be_lost():
    """Its record says queued, and nobody will look for it."""
    cast = mistaken("RepeatsLater", patience_s=6)
    (result,) = run(Slice("rpush-queue#1/before/kill-tree/1q/repeat"), cast).results
    assert "it is queued and stands in no structure" in result.verdict.wrongs


@pytest.mark.processes
def test_a_death_that_counts_as_told_before_it_is_told_is_found_to_be_kept_silent():
    """The speaker dies between the two."""
    cast = mistaken("TellsAtMostOnce")
    (result,) = run(Slice("reclaim#1/before/kill-tree/1q/aftermath"), cast).results
    assert result.verdict.outcome == "told 1x"
    (result,) = run(Slice("zrem-aftermath#1/after/kill-tree/1q/aftermath"), cast).results
    assert result.verdict.wrongs == ("on_failure was called 0 times, not 1 to 3",)


@pytest.mark.processes
def test_a_job_that_is_written_to_after_its_end_is_found_to_be_raised_from_the_dead():
    """Before any fault: such a worker is no baseline."""
    with pytest.raises(NoBaseline, match="1q/unkept, unhurt"):
        run(Slice("*/*/*/1q/unkept"), mistaken("WritesLast", patience_s=4))


@pytest.mark.processes
def test_what_a_dead_worker_left_standing_on_the_server_takes_nothing_of_the_next_case(tmp_path):
    """Its connection outlives it by a moment, and with it the claim that stands behind its bell."""
    with Nursery({"rq"}, environment_of(OURS), tmp_path) as nursery, Stage(OURS, nursery) as stage:
        left = stage._redis.connection_pool.make_connection()
        left.send_packed_command(left.pack_commands([("BLPOP", "nobody", 0), ("LPOP", "rq:queue:only")]))
        assert stage.play(Setting(1, "plain")).places["the-job"].executions == 1
        with pytest.raises(RedisConnectionError):
            left.read_response()
