"""A person's wish goes by where a job stands: a failure that an app has saved over it is none."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Dropped, Kept, Requeued
from holdfast.jobs.store.people import People, Wish


@pytest.fixture(params=["requeue", "drop"])
def ask(pool, request):
    """Give a function that asks for one or the other, and gives the answer."""
    more = {"asked_s": 0} if request.param == "requeue" else {}

    def ask():
        [answer] = getattr(People(pool.scripts), request.param)([Wish(job_id="job-1", op="a1")], **more)
        return answer

    return ask


def reach_line(pool):
    pass


def reach_scheduled(pool):
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=5_000)


def reach_deferred(pool):
    pool.redis.delete(keys.queue("default"))
    pool.redis.zadd(keys.deferred("default"), {"job-1": 1})


def reach_end(pool):
    worker = pool.worker()
    worker.complete(worker.hold())


PLACES = {"queued": reach_line, "scheduled": reach_scheduled, "deferred": reach_deferred, "finished": reach_end}


@pytest.fixture
def old(pool):
    """Give an object that an app read when its job had failed; the job is in line again by now."""
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())
    old = Job.fetch("job-1", connection=pool.redis)
    Job.fetch("job-1", connection=pool.redis).requeue()
    return old


@pytest.mark.parametrize("status", PLACES)
def test_a_failure_that_an_app_saved_over_a_job_is_none(pool, ask, old, status):
    """INV-01, INV-06: it would be in line twice, or deleted though it lives, or run again though it is done."""
    PLACES[status](pool)
    where = pool.places("job-1")
    old.save()
    assert pool.record()["status"] == "failed"
    with pool.nothing_changes():
        assert ask() == Kept("job-1", "not_ended", (status,))
    assert pool.places("job-1") == where != []


def test_an_earlier_end_that_a_stock_producer_left_listed_is_no_place(pool, ask, old):
    """It finished once, was made anew by RQ, failed, and a requeue of RQ's was cut off: nobody else would find it."""
    reach_end(pool)
    pool.time_passes(1_000)
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.delete(keys.queue("default"))
    pool.redis.hset(keys.job("job-1"), mapping={"status": "failed", "created_at": "2027-01-01T00:00:00.000000Z"})
    assert ask() in {Requeued("job-1", "default"), Dropped("job-1", ())}


@pytest.mark.parametrize("status", ["queued", "scheduled", "deferred", "started"])
@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_what_an_app_saved_over_a_dead_job_does_not_make_it_live(pool, ask, status, end):
    """Else it could neither be requeued nor dropped, and nobody would ever run it."""
    pool.enqueue()
    worker = pool.worker()
    if end == "failed":
        worker.bury(worker.hold())
    else:
        Job.fetch("job-1", connection=pool.redis).cancel()
    pool.redis.hset(keys.job("job-1"), "status", status)
    assert ask() in {Requeued("job-1", "default"), Dropped("job-1", ())}
    assert pool.places("job-1") in (["queue default"], [])


def test_a_failed_record_without_a_status_is_a_failed_one(pool, ask):
    """FM-033: somebody deleted the field. The script ended in an error, and with it all wishes beside this one."""
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())
    pool.redis.hdel(keys.job("job-1"), "status")
    assert isinstance(ask(), Requeued | Dropped)
    assert "failed default" not in pool.places("job-1")


def test_a_failed_record_without_a_queue_can_be_dropped_alone(pool, ask):
    """FM-033: there is no line for it."""
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())
    pool.redis.hdel(keys.job("job-1"), "origin")
    assert ask() in {Kept("job-1", "none", ()), Dropped("job-1", ())}
