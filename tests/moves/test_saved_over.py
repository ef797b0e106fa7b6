"""What an app saves of an object that it fetched long ago brings back nothing that is over, and moves nothing."""

from datetime import timedelta

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Empty, Rescued
from holdfast.jobs.store.people import People, Wish
from tests.moves.pool import PATIENCE_MS


def fetched(pool, job_id="job-1"):
    return Job.fetch(job_id, connection=pool.redis)


def finish_and_keep_nothing(pool, worker, lease):
    worker.complete(lease, result_ttl=0)


def finish_and_keep_it_briefly(pool, worker, lease):
    worker.complete(lease, result_ttl=1)
    pool.time_passes(1_100)
    pool.redis.delete(keys.job(lease.job_id))  # a real server needs a while for that
    pool.redis.zrem(keys.finished(lease.queue), lease.job_id)


def fail_and_keep_nothing(pool, worker, lease):
    pool.redis.hset(keys.job(lease.job_id), "failure_ttl", "0")
    worker.bury(lease)


def fail_and_be_dropped(pool, worker, lease):
    worker.bury(lease)
    People(pool.scripts).drop([Wish(job_id=lease.job_id, op="a1")])


ENDS = [finish_and_keep_nothing, finish_and_keep_it_briefly, fail_and_keep_nothing, fail_and_be_dropped]


@pytest.mark.parametrize("is_begun", [False, True], ids=["queued", "started"])
@pytest.mark.parametrize("end", ENDS)
def test_an_object_of_a_job_that_is_gone_makes_no_new_one(pool, end, is_begun):
    """INV-06, FM-028: it says that it is to run, and is in no place; it has run, and may have been let run once."""
    pool.enqueue(crashes=0)
    worker = pool.worker()
    waiting = fetched(pool)
    lease = worker.hold()
    stale = fetched(pool) if is_begun else waiting
    end(pool, worker, lease)
    stale.meta["seen"] = True
    stale.save()
    for wait_ms in (PATIENCE_MS, PATIENCE_MS, 600_000, PATIENCE_MS, PATIENCE_MS):
        assert pool.rescue() == ()
        pool.time_passes(wait_ms)
    assert (pool.line(), pool.places("job-1")) == ([], [])


def test_its_id_may_be_used_again(pool):
    """By a stock producer, whose job a stock worker then loses."""
    pool.enqueue()
    worker = pool.worker()
    stale = fetched(pool)
    finish_and_keep_nothing(pool, worker, worker.hold())
    stale.save()
    pool.rescue()
    pool.time_passes(PATIENCE_MS)
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.delete(keys.queue("default"))
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "line"),)
    assert worker.hold().job_id == "job-1"


@pytest.fixture
def family(pool):
    """Give what runs a parent, its lease, and an object of the child that waits for it."""
    pool.enqueue("parent")
    pool.stock_queue().enqueue("shop.fulfil", job_id="child", depends_on="parent")
    worker = pool.worker()
    return worker, worker.hold(), fetched(pool, "child")


def cancel(job):
    job.cancel()


def delete(job):
    job.delete()


@pytest.mark.parametrize("end", [cancel, delete])
def test_a_child_that_a_person_has_ended_is_not_let_go_by_its_parents_end(pool, family, end):
    """INV-07: the record says `deferred`, and no list does."""
    worker, lease, stale = family
    end(fetched(pool, "child"))
    stale.save()
    worker.complete(lease)
    assert isinstance(worker.claim(), Empty)
    assert pool.places("child") == (["canceled default"] if end is cancel else [])


def test_a_child_that_has_run_does_not_run_again_with_its_parents_end(pool, family):
    """A person did not wait for the parent, and enqueued it."""
    worker, lease, stale = family
    pool.stock_queue().enqueue("shop.fulfil", job_id="child")
    worker.complete(worker.hold())
    stale.save()
    worker.complete(lease)
    assert isinstance(worker.claim(), Empty)


def test_a_child_that_was_put_off_keeps_its_time_when_its_parent_ends(pool, family):
    """INV-12: by a stock producer, which leaves it among what waits."""
    worker, lease, _ = family
    pool.stock_queue().enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="child")
    worker.complete(lease)
    assert isinstance(worker.claim(), Empty)
    pool.time_passes(3_601_000)
    pool.promote()
    assert pool.line() == ["child"]
    worker.complete(worker.hold())
    assert pool.places("child") == ["finished default"]


def test_what_is_put_off_while_it_runs_runs_once_more_whatever_is_saved_over_it(pool):
    """INV-01: the record says `started` where the producer had written `scheduled`."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    stale = fetched(pool)
    pool.stock_queue().enqueue_in(timedelta(seconds=5), "shop.fulfil", job_id="job-1")
    stale.save()
    pool.time_passes(6_000)
    worker.renew(lease)
    pool.promote()
    worker.renew(lease)
    worker.complete(lease)
    assert worker.hold().job_id == "job-1"
