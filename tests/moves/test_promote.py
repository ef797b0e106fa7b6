"""scheduled -> queued: what is due goes in line, once, and nothing else does."""

from datetime import timedelta

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import NotDue, Promoted
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import BATCH, Upkeep


def schedule(pool, job_id="job-1", ms=5_000, queue="default", **options):
    delay = timedelta(milliseconds=ms)
    return pool.queue(queue).enqueue_in(delay, "shop.fulfil", job_id=job_id, **options)


def test_a_due_job_goes_in_line(pool):
    """LIV-02: with the moment written down, as RQ does, and a bell for who sleeps."""
    schedule(pool)
    pool.time_passes(5_001)
    assert pool.promote() == Promoted(1, 1)
    after = {"status": "queued", "place": "queue default", "ttl_s": None}
    assert pool.state("job-1", *after) == after
    assert pool.redis.llen(keys.bell("default")) == 1
    assert pool.promote() == Promoted(0, 0)


@pytest.mark.parametrize("early_us", [1, 400, 1_000])
def test_nothing_is_promoted_before_it_is_due(new_pool, early_us):
    """INV-12: not by the breadth of a rounding."""
    with new_pool() as pool:
        schedule(pool)
        pool.clock.sleep(5 - early_us / 1_000_000)
        assert pool.promote() == Promoted(0, 0)
        pool.clock.sleep(early_us / 1_000_000)
        assert pool.promote() == Promoted(1, 1)


def test_jobs_are_promoted_in_the_order_in_which_they_are_due(pool):
    """Of all queues; the first due stands first."""
    schedule(pool, "second", 2_000)
    schedule(pool, "first", 1_000)
    schedule(pool, "elsewhere", 1_000, queue="other")
    pool.time_passes(2_001)
    pool.promote()
    assert (pool.line(), pool.line("other")) == (["first", "second"], ["elsewhere"])


def test_a_job_that_asked_for_the_front_gets_it(pool):
    """RQ's at_front of a scheduled job counts when it comes in line."""
    schedule(pool, "patient")
    schedule(pool, "hasty", at_front=True)
    pool.time_passes(5_001)
    pool.promote()
    assert pool.line() == ["hasty", "patient"]


@pytest.mark.parametrize("fails", [True, False])
def test_only_a_retry_gets_the_front_that_its_policy_asked_for(pool, fails):
    """enqueue_at_front_on_retry says nothing of the first attempt."""
    pool.enqueue()
    worker = pool.worker()
    if fails:
        worker.postpone(worker.hold(), delay_ms=5_000)
    else:
        schedule(pool)
    pool.redis.hset(keys.job("job-1"), "enqueue_at_front_on_retry", 1)
    pool.enqueue("other")
    pool.time_passes(5_001)
    pool.promote()
    assert pool.line() == (["job-1", "other"] if fails else ["other", "job-1"])


def test_a_ghost_is_noted_and_dropped(pool):
    """FM-027, INV-12: a record that is gone stops nobody."""
    schedule(pool, "job-1")
    schedule(pool, "job-2")
    pool.redis.delete(keys.job("job-1"))
    pool.time_passes(5_001)
    assert pool.promote() == Promoted(1, 2)
    assert (pool.places("job-1"), pool.line()) == ([], ["job-2"])
    (ghost,) = pool.redis.lrange(keys.ghosts(), 0, -1)
    assert ghost.endswith(b" default job-1")


def test_a_ghost_is_told_where_moves_are_recorded(pool):
    """FM-027: who reads the stream sees a job that was accepted come to nothing, as where a claim meets it."""
    pool.redis.zadd(keys.scheduled("default"), {"job-1": 1})
    pool.redis.sadd(keys.queues(), keys.queue("default"))
    recording = Upkeep(Scripts(pool.redis, record=True), pool.clock, pool.settings)
    assert recording.promote(every_ms=0) == Promoted(0, 1)
    [(_, told)] = pool.redis.xrange(keys.moves())
    assert (told[b"move"], told[b"job"], told[b"to"], told[b"who"]) == (b"ghost", b"job-1", b"none", b"promoter")


@pytest.mark.parametrize(
    ("status", "family"),
    [
        ("canceled", "canceled"),
        ("finished", "finished"),
        ("queued", "queue"),
        ("deferred", "deferred"),
    ],
)
def test_an_entry_of_a_job_that_has_gone_on_is_only_dropped(pool, status, family):
    """INV-02, FM-050: a person ended it, or a stock scheduler was quicker."""
    waits = {"depends_on": pool.enqueue("parent", queue="other")} if status == "deferred" else {}
    pool.enqueue(**waits)
    worker = pool.worker()
    match status:
        case "canceled":
            Job.fetch("job-1", connection=pool.redis).cancel()
        case "finished":
            worker.complete(worker.hold())
    pool.redis.zadd(keys.scheduled("default"), {"job-1": 1})
    assert pool.promote() == Promoted(0, 1)
    after = {"status": status, "place": f"{family} default"}
    assert pool.state("job-1", *after) == after


def test_an_entry_of_a_job_that_somebody_has_was_made_since_and_runs_once_more(pool):
    """INV-01: a claim leaves none in its queue. One in another queue is what RQ has left there."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    pool.redis.zadd(keys.scheduled("other"), {"job-1": 1})
    pool.redis.sadd(keys.queues(), keys.queue("other"))
    assert pool.promote() == Promoted(0, 1)
    assert pool.places("job-1") == ["leases default"]
    pool.redis.zadd(keys.scheduled("default"), {"job-1": 1})
    assert pool.promote() == Promoted(1, 1)
    worker.complete(lease)
    assert pool.places("job-1") == ["queue default"]


def test_a_pass_takes_a_bounded_batch(pool):
    """FM-035: an hour's worth of retries comes due at once, and no script runs long."""
    for number in range(BATCH + 5):
        pool.redis.zadd(keys.scheduled("default"), {f"ghost-{number}": 1})
    pool.redis.sadd(keys.queues(), keys.queue("default"))
    assert [pool.promote().seen for _ in range(3)] == [BATCH, 5, 0]


def test_the_fleet_promotes_once_an_interval(pool):
    """A thousand workers ask; one of them does it, the others learn how long to wait."""
    pool.promote(every_ms=1_000)
    told = pool.promote(every_ms=1_000)
    assert isinstance(told, NotDue)
    assert 0 < told.ms <= 1_000
    pool.time_passes(1_001)
    assert isinstance(pool.promote(every_ms=1_000), Promoted)


def test_who_goes_on_keeps_the_turn(pool):
    """FM-035: for longer than an interval, and the others do not join in."""
    pool.promote(every_ms=1_000)
    for _ in range(2):
        pool.time_passes(800)
        assert isinstance(pool.promote(every_ms=1_000, goes_on=True), Promoted)
        assert isinstance(pool.promote(every_ms=1_000), NotDue)


def test_what_was_put_off_anew_in_another_queue_is_not_put_in_line_by_where_it_was(pool):
    """INV-12: a stock enqueue_in() leaves the id in the schedule of the queue that it was for before."""
    pool.stock_queue("first").enqueue_in(timedelta(seconds=2), "shop.fulfil", job_id="job-1")
    pool.stock_queue("second").enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="job-1")
    pool.time_passes(3_000)
    pool.promote()
    assert (pool.line("first"), pool.line("second")) == ([], [])
    pool.time_passes(3_600_000)
    pool.promote()
    assert (pool.line("first"), pool.line("second")) == ([], ["job-1"])


def test_a_due_job_whose_record_names_no_queue_goes_in_line_where_it_waited(pool):
    """INV-12: what somebody wrote by hand, or cut, stops nobody."""
    schedule(pool)
    schedule(pool, "job-2")
    pool.redis.hdel(keys.job("job-1"), "origin")
    pool.time_passes(5_001)
    assert pool.promote() == Promoted(2, 2)
    assert sorted(pool.line()) == ["job-1", "job-2"]


def test_which_queue_comes_first_is_not_by_chance(pool):
    """A set has no order of its own: of two servers with the same keys each would do otherwise."""
    names = [f"q{number:02}" for number in range(12)]
    for name in reversed(names):
        schedule(pool, f"job-{name}", queue=name)
    pool.time_passes(5_001)
    one_by_one = Upkeep(pool.scripts, pool.clock, pool.settings, batch=1)
    for name in names:
        one_by_one.promote(every_ms=0)
        assert pool.line(name) == [f"job-{name}"]


def test_nor_is_one_over_which_an_app_has_written_a_status(pool):
    """INV-12, decision 9: the place counts, also where the id is listed in two."""
    pool.stock_queue("first").enqueue_in(timedelta(seconds=2), "shop.fulfil", job_id="job-1")
    pool.stock_queue("second").enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="job-1").set_status("queued")
    pool.time_passes(3_000)
    pool.promote()
    assert pool.places("job-1") == ["scheduled second"]
    pool.time_passes(3_600_000)
    pool.promote()
    assert pool.places("job-1") == ["queue second"]
