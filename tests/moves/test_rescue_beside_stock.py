"""What a stock worker took and lost is put back wherever its id was listed before."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Rescued


def finished_by_stock(pool):
    pool.redis.zadd(keys.finished("default"), {"job-1": pool.now_ms() / 1_000 + 500})


def failed_by_stock(pool):
    pool.redis.zadd(keys.failed("default"), {"job-1": pool.now_ms() / 1_000 + 31_536_000})


def finished_by_ours(pool):
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold())


def failed_by_ours(pool):
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())


def lose_in_hand_over(pool):
    pool.redis.lmove(keys.queue("default"), keys.intermediate("default"), "LEFT", "LEFT")


@pytest.mark.parametrize("earlier", [finished_by_stock, failed_by_stock, finished_by_ours, failed_by_ours])
def test_what_a_stock_worker_took_and_lost_is_missed_wherever_its_id_ended_before(pool, earlier):
    """LIV-01: RQ keeps an id listed that is enqueued again, that of a failure for a year."""
    earlier(pool)
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    lose_in_hand_over(pool)
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "intermediate"),)
    assert pool.worker().hold().job_id == "job-1"


def test_what_a_person_canceled_is_not(pool):
    """INV-07: also where an app has saved an old status over that."""
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    stale = Job.fetch("job-1", connection=pool.redis)
    Job.fetch("job-1", connection=pool.redis).cancel()
    stale.save()
    pool.redis.lpush(keys.intermediate("default"), "job-1")
    assert pool.rescue_in_time() == ()
    assert pool.line() == []


def test_what_our_worker_had_in_hand_when_our_keys_were_deleted_is_missed(pool):
    """INV-01: among those at work there is its execution, for an hour and more; no stock worker is behind it."""
    pool.enqueue()
    pool.worker().hold()
    pool.redis.delete(*pool.redis.keys("holdfast:*"))
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "hands"),)
    pool.time_passes(1_000)
    pool.promote()
    assert pool.places("job-1") == ["queue default"]
