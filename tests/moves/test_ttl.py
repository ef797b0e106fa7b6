"""RQ's `ttl`: how long a job may wait in line, from when it is put there."""

from datetime import timedelta

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.people import People, Wish


def test_what_waited_for_another_has_its_time_from_when_it_is_in_line(pool):
    """Else one whose parent took 55 of 60 seconds is gone after 5 more."""
    pool.enqueue("parent")
    pool.enqueue("child", depends_on="parent", ttl=60)
    pool.redis.expire(keys.job("child"), 5)
    worker = pool.worker()
    worker.complete(worker.hold())
    assert (pool.line(), pool.redis.ttl(keys.job("child"))) == (["child"], 60)


def test_what_was_scheduled_has_its_time_from_when_it_is_in_line(pool):
    """By our Queue, and by a stock one, which has it counted from the enqueue."""
    pool.queue().enqueue_in(timedelta(seconds=5), "shop.fulfil", job_id="ours", ttl=60)
    pool.stock_queue().enqueue_in(timedelta(seconds=5), "shop.fulfil", job_id="stock", ttl=60)
    pool.redis.zadd(keys.scheduled("default"), {"stock": pool.now_ms() / 1000 + 4})
    pool.time_passes(6_000)
    pool.promote()
    assert sorted(pool.line()) == ["ours", "stock"]
    assert [pool.redis.ttl(keys.job(job_id)) for job_id in ("ours", "stock")] == [60, 60]


def test_what_is_taken_out_of_line_does_not_expire(pool):
    """A job at work has no such end."""
    pool.enqueue(ttl=60)
    pool.worker().hold()
    assert pool.redis.ttl(keys.job("job-1")) == -1


def test_what_is_tried_again_at_once_has_its_time_anew(pool):
    """As in RQ: it is put in line."""
    pool.enqueue(ttl=60)
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=0)
    assert (pool.line(), pool.redis.ttl(keys.job("job-1"))) == (["job-1"], 60)


def test_what_a_person_requeues_has_its_time_anew(pool):
    """As in RQ."""
    pool.enqueue(ttl=60)
    worker = pool.worker()
    worker.bury(worker.hold())
    People(pool.scripts).requeue([Wish(job_id="job-1", op="a1")], asked_s=1_800_000_000.0)
    assert (pool.line(), pool.redis.ttl(keys.job("job-1"))) == (["job-1"], 60)


@pytest.mark.parametrize("settle", ["complete", "turn"])
def test_what_is_left_of_earlier_attempts_goes_with_the_record_where_no_results_are_kept(pool, settle):
    """HOLDFAST_KEEP_RESULTS=0: a failure's result is kept all the same, and for ever where a person requeues it."""
    frugal = type(pool)(pool.redis, pool.clock, settings=Settings(keep_results=False))
    pool.enqueue()
    worker = frugal.worker()
    worker.bury(worker.hold())
    People(pool.scripts).requeue([Wish(job_id="job-1", op="a1")], asked_s=1_800_000_000.0)
    lease = worker.hold()
    pool.enqueue("job-2")
    assert pool.redis.ttl(keys.results("job-1")) == -1
    worker.complete(lease, value="dmFsdWU=", result_ttl=500) if settle == "complete" else worker.turn(lease)
    assert pool.redis.ttl(keys.results("job-1")) == pool.redis.ttl(keys.job("job-1")) == 500


def test_results_of_an_id_that_is_enqueued_again_do_not_outlast_it(pool):
    """RQ's delete() leaves them to their expiry."""
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold(), value="dmFsdWU=")
    pool.enqueue()
    Job.fetch("job-1", connection=pool.redis).delete()
    assert pool.redis.ttl(keys.results("job-1")) == 500


def test_what_waits_for_a_failure_that_stock_rq_requeued_is_known_as_long_as_that_runs(pool):
    """INV-10: the failure was kept for a while, with those who wait; a stock requeue leaves it at that."""
    pool.enqueue("parent", failure_ttl=90)
    pool.enqueue("child", depends_on="parent")
    worker = pool.worker()
    worker.bury(worker.hold())
    Job.fetch("parent", connection=pool.redis).requeue()
    assert 0 < pool.redis.ttl(keys.dependents("parent")) <= 90
    lease = worker.hold()
    assert pool.redis.ttl(keys.dependents("parent")) == -1
    worker.complete(lease)
    assert pool.line() == ["child"]


def test_what_a_job_waited_for_is_forgotten_when_its_id_is_enqueued_again_as_it_runs(pool):
    """The new generation waits for nothing, and its end would not look there."""
    pool.enqueue("parent")
    pool.enqueue("child", depends_on="parent")
    worker = pool.worker()
    worker.complete(worker.hold())
    lease = worker.hold()
    pool.enqueue("child")
    assert not pool.redis.exists(keys.dependencies("child"))
    worker.complete(lease)
    assert worker.hold().job_id == "child"
