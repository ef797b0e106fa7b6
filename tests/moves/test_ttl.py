"""RQ's `ttl`: how long a job may wait in line, from when it is put there."""

from datetime import timedelta

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
