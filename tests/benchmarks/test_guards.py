"""What a benchmark takes out of the scripts is still there to be taken out, and nothing else goes with it."""

import re
import sys
import threading

import pytest

from benchmarks import guards
from benchmarks.guards import GUARDS, SAFETY, Calls, Guard, NoLongerThere, Whole, Words, without
from benchmarks.loop import QUEUE, WORKER, Ask, OurLoop
from benchmarks.unguarded import take_out
from holdfast.jobs.store import keys, scripts
from holdfast.workers import runtime

#: The second line of a job's journal: the first is its enqueue's.
CLAIMED = "hf_move_2"
LEASES = {keys.FAMILIES[name](QUEUE) for name in ("leases", "held", "leased")}
RECORD = rf"hf_lease|hf_fence|{CLAIMED}"


@pytest.fixture
def drained(server, redis):
    """Give what is on the server while a loop has two jobs in hand and two are done, without some guards."""

    def drain(*names):
        loop = OurLoop(redis, Ask(server.url, want=2, out=names), trips=3)
        loop.go(2)
        loop.check()
        return redis

    return drain


def kept(redis):
    """Name all keys, and the fields of jobs' records."""
    names = [key.decode() for key in redis.scan_iter()]
    records = [name for name in names if re.fullmatch(r"rq:job:[0-9a-f-]+", name)]
    return names, {field.decode() for record in records for field in redis.hkeys(record)}


@pytest.mark.parametrize("name", GUARDS)
def test_each_guard_can_still_be_taken_out_and_jobs_are_done_without_it(drained, name):
    """A script that has changed is noticed here, not in a table."""
    redis = drained(name)
    assert redis.zcard(keys.finished(QUEUE)) == 2


@pytest.mark.parametrize("names", [(), *((name,) for name in GUARDS), SAFETY], ids=" ".join)
def test_a_plain_job_is_plain_without_a_guard_too(server, redis, names):
    """Or the whole move would be compared with the plain one, and a guard with nothing."""
    loop = OurLoop(redis, Ask(server.url, out=names), trips=8)
    redis.config_resetstat()
    loop.go(8)
    loop.check()
    asked = redis.info("commandstats")
    assert "cmdstat_mget" not in asked, "the whole move was made"
    assert asked["cmdstat_lindex"]["calls"] == 8, "one for the claim, and for each of the turns"


def test_all_can_be_taken_out_together(drained):
    """None is in another's way."""
    assert drained(*GUARDS).zcard(keys.finished(QUEUE)) == 2


def test_as_shipped_all_three_leave_their_traces(drained):
    """Or the tests below would see nothing."""
    names, fields = kept(drained())
    assert set(names) >= LEASES
    assert {"hf_lease", "hf_fence", CLAIMED} <= fields


def test_without_leases_no_lease_is_written_anywhere(drained):
    """No deadline, no holder, no field."""
    names, fields = kept(drained("leases"))
    assert not LEASES & set(names)
    assert not [field for field in fields if field.startswith("hf_lease")]
    assert "hf_fence" in fields


def test_without_fencing_no_fence_is_written(drained):
    """The rest stays."""
    names, fields = kept(drained("fencing"))
    assert "hf_fence" not in fields
    assert keys.leases(QUEUE) in names


def test_without_the_journal_no_move_is_written(drained):
    """But for that of the enqueue, which is no part of what is measured."""
    _, fields = kept(drained("journal"))
    assert CLAIMED not in fields
    assert {"hf_lease", "hf_fence"} <= fields


def test_without_all_three_rqs_own_is_written_all_the_same(drained):
    """What RQ's tools read is no part of what is compared."""
    redis = drained(*SAFETY)
    names, fields = kept(redis)
    assert not [field for field in fields if re.match(RECORD, field)]
    assert redis.zcard(keys.wip(QUEUE)) == 2
    assert {"status", "started_at", "worker_name", "ended_at"} <= fields
    assert sum(name.startswith(keys.results("")) for name in names) == 2
    assert sum(name.startswith("rq:execution:") for name in names) == 2


@pytest.mark.parametrize(
    ("name", "trace"),
    [
        ("replay", keys.replay("")),
        ("RQ's records of attempts", keys.wip(QUEUE)),
        ("RQ's records of attempts", "rq:execution:"),
        ("RQ's records of attempts", "rq:executions:"),
    ],
)
def test_what_else_can_be_taken_out_leaves_no_key(drained, redis, name, trace):
    """One that is written in another way than it was would still be there."""
    assert any(key.startswith(trace) for key in kept(drained())[0])
    redis.flushdb()
    assert not any(key.startswith(trace) for key in kept(drained(name))[0])


@pytest.mark.parametrize(("out", "rings"), [((), 1), (("bells",), 0)])
def test_without_bells_nobody_is_woken(server, redis, out, rings):
    """For what is left in line when some of it is taken."""
    loop = OurLoop(redis, Ask(server.url, want=2, out=out), trips=3)
    redis.delete(keys.bell(QUEUE))  # the enqueue's own
    loop.go(2)
    assert redis.llen(keys.bell(QUEUE)) == rings


@pytest.mark.parametrize(("name", "field"), [("generations", "hf_generation"), ("generations", "hf_executions")])
def test_without_generations_no_attempt_is_counted(drained, redis, name, field):
    """On no record."""
    assert field in kept(drained())[1]
    redis.flushdb()
    assert field not in kept(drained(name))[1]


def test_without_counts_a_worker_has_done_nothing(drained, redis):
    """By what RQ's tools would say."""
    counted = "successful_job_count"
    assert drained().hget(keys.worker(WORKER), counted) == b"2"
    redis.flushdb()
    assert drained("RQ's counts").hget(keys.worker(WORKER), counted) is None


@pytest.mark.parametrize(("name", "commands"), [("looks", ("exists", "hmget", "zrem")), ("bells", ("exists",))])
def test_without_looks_or_bells_a_server_is_asked_less(drained, redis, name, commands):
    """They leave no trace; what they ask is counted by the server."""

    def asked(*names):
        redis.flushdb()
        redis.config_resetstat()
        drained(*names)
        told = redis.info("commandstats")
        return {each: told.get(f"cmdstat_{each}", {"calls": 0})["calls"] for each in commands}

    shipped, without_it = asked(), asked(name)
    assert all(without_it[each] < calls for each, calls in shipped.items())


def test_a_worker_without_leases_sends_other_scripts_and_has_no_guard(monkeypatch):
    """In its own process, for as long as that lives."""
    shipped = runtime.guard
    users = [module for module in list(sys.modules.values()) if getattr(module, "guard", None) is shipped]
    for module in users:
        monkeypatch.setattr(module, "guard", shipped)
    monkeypatch.setattr(scripts, "load", scripts.load)
    take_out(SAFETY)
    assert scripts.load()["turn"].sha == without(SAFETY)["turn"].sha
    assert len(users) > 1
    for module in users:
        assert module.guard(lambda: False, lambda: 1_000) is None
    assert "holdfast-guard" not in {thread.name for thread in threading.enumerate()}


def test_taking_out_leaves_what_is_shipped_as_it_is():
    """Production code has no switch; the next Scripts are whole."""
    shipped = scripts.load()
    assert without(SAFETY)["turn"].sha != shipped["turn"].sha
    assert scripts.load() is shipped
    assert without([])["turn"].text == shipped["turn"].text


@pytest.mark.parametrize("cut", [Calls(("no_such_key",)), Whole("no_such_function", ""), Words("no such words")])
def test_what_is_no_longer_there_is_an_error_that_says_so(monkeypatch, cut):
    """A stub that stubs nothing would be a cost of nothing."""
    monkeypatch.setitem(guards.GUARDS, "old", Guard("old", "gone", (cut,)))
    with pytest.raises(NoLongerThere, match=r"old cannot be taken out(?s:.*)no.such(?s:.*)benchmarks/guards.py"):
        without(["old"])


def test_a_call_is_taken_out_whole_however_many_lines_it_has():
    """And what is asked in an expression stays: somebody uses the answer."""
    lua = (
        "a()\n  redis.call('HSET', keys.wip(q), 'x', f(1),\n    'y', g(2))\nlocal n = redis.call('GET', keys.wip(q))\n"
    )
    assert Calls(("wip",)).of(lua) == ("a()\n\nlocal n = redis.call('GET', keys.wip(q))\n", 1)


def test_a_write_that_is_gathered_is_taken_out_like_one_that_is_done_at_once():
    """What several jobs write to the same key is done together."""
    assert Calls(("held",)).of("  write('HDEL', keys.held(), job_id)\nb()\n") == ("\nb()\n", 1)
