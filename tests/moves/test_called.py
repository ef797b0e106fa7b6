"""A claim that stands on the server until there is a job: it is made when its worker may have gone to sleep."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.jobs.store.keys import spelled_out
from holdfast.jobs.store.outcomes import Aftermath, Again, Closed
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.scripts import shared
from tests.moves.several import enqueue, ids, take

DAYS = [(1, 1), (2, 28), (3, 1), (12, 31)]
MIDNIGHTS = [datetime(year, *day, tzinfo=UTC) for year in (1970, 2000, 2026, 2028, 2100) for day in DAYS]
DAY_ENDS = timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)


@pytest.mark.parametrize("midnight", [*MIDNIGHTS, datetime(2028, 2, 29, tzinfo=UTC)], ids=str)
def test_the_server_writes_a_moment_as_rq_does(redis, midnight):
    """It has no calendar, and who asked a while ago cannot say when this is: leap years, and both ends of a day."""
    ask = redis.register_script(f"{spelled_out(shared())}\nreturn as_a_date(tonumber(ARGV[1]))")
    for later in (timedelta(), timedelta(microseconds=1), DAY_ENDS):
        moment = midnight + later
        us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert ask(args=[us]).decode() == stamp(moment.timestamp())


def test_what_is_gathered_is_done_in_its_order(redis):
    """Also where one command writes to a key and another takes out of it, which no move does at once today."""
    code = "begin_gathering() write('SADD', 'k', 'a') write('SREM', 'k', 'a') write('SADD', 'k', 'b') do_gathered()"
    redis.register_script(f"{spelled_out(shared())}\n{code}")()
    assert redis.smembers("k") == {b"b"}


def test_a_job_is_told_to_have_started_when_it_was_claimed(new_pool):
    """Not when the claim was sent: that was before there was a job."""
    with new_pool() as pool:
        called = pool.worker().stand()
        pool.time_passes(60_000)
        pool.enqueue()
        pool.time_passes(500)
        [claimed] = called()
        now = stamp(pool.now_ms() / 1_000)
        record = pool.record("job-1")
        assert record["enqueued_at"] < record["started_at"] == record["last_heartbeat"] == now
        assert claimed.lease.deadline_ms == pool.now_ms() + pool.settings.lease_ms


def test_what_was_asked_again_before_it_was_called_is_made_once(pool):
    """FM-008: a job was heard of in another way. What stands arrives later, and is a replay."""
    enqueue(pool, "a", "b")
    worker = pool.worker()
    called = worker.stand()
    [first] = worker.claim_some(1, op=worker.op)
    with pool.nothing_changes():
        [again] = called()
    assert again.lease == first.lease
    assert pool.line() == ["b"]


def test_what_was_withdrawn_takes_nothing(pool):
    """INV-10: its worker has left, and what stands arrives in the moment before its connection is closed."""
    enqueue(pool, "a")
    worker = pool.worker()
    called = worker.stand()
    worker.turn(want=0)
    with pool.nothing_changes():
        assert called() == Closed("late")


def test_what_was_taken_and_not_heard_of_goes_back_with_the_withdrawal(pool):
    """LIV-04, INV-09: to the front, and nobody is charged."""
    enqueue(pool, "a", "b")
    worker = pool.worker()
    called = worker.stand()
    called()
    worker.seen_fence = 0
    worker.turn(want=0)
    assert pool.line() == ["a", "b"]
    assert pool.state("a", "status", "hf_crashes") == {"status": "queued", "hf_crashes": "0"}


def test_what_may_run_at_most_once_is_not_given_to_who_may_be_asleep(pool):
    """INV-09: it would be dead of that, and never have run. It keeps its place; who asks again is awake."""
    enqueue(pool, "once", crashes=0)
    enqueue(pool, "behind")
    worker = pool.worker()
    assert worker.stand()() == Again()
    assert pool.line() == ["once", "behind"]
    assert ids(worker.claim_some(1)) == ["once"]


def test_nor_is_anything_where_the_fleet_runs_all_at_most_once(pool):
    """HOLDFAST_CRASHES=0."""
    other = type(pool)(pool.redis, pool.clock, settings=replace(pool.settings, crashes=0))
    enqueue(other, "a")
    assert other.worker().stand()() == Again()
    assert other.line() == ["a"]


def test_nor_is_who_may_have_brought_others_down(pool):
    """INV-09: alone in a sleeper's hands it would be charged for that."""
    take(pool, pool.worker(), "a", "b")
    pool.time_passes(10_001)
    pool.reap()
    assert pool.worker("other").stand()() == Again()
    assert pool.line() == ["a", "b"]


def test_who_is_called_may_be_given_the_dead_to_speak_for(pool):
    """As any claim is: before any job in line."""
    enqueue(pool, "a", crashes=0)
    dead = pool.worker("dead")
    dead.crash(dead.hold())
    enqueue(pool, "b")
    answer = pool.worker().stand()()
    assert isinstance(answer, Aftermath)
    assert pool.line() == ["b"]
