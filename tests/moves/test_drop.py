"""failed, stopped, canceled -> none: a person deletes what has ended, and nothing that came after."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Dropped, Kept
from holdfast.jobs.store.people import People, Wish


@pytest.fixture
def drop(pool):
    """Give a function that asks for a drop of one job, and gives the answer."""

    def ask(job_id="job-1", op="a1"):
        [answer] = People(pool.scripts).drop([Wish(job_id=job_id, op=op)])
        return answer

    return ask


def bury(pool, status="failed"):
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.bury(held, status=status)
    return held


@pytest.mark.parametrize("status", ["failed", "stopped", "canceled"])
def test_of_what_is_dropped_a_tombstone_is_left(pool, drop, status):
    """No record, no place, no results: RQ's delete, in one move."""
    if status == "canceled":
        pool.enqueue().cancel()
    else:
        bury(pool, status)
    assert drop() == Dropped("job-1", ())
    assert pool.places("job-1") == []
    about = {key.decode() for key in pool.redis.scan_iter("*job-1*")}
    assert about == {keys.tombstone("job-1")}


def test_a_drop_sent_twice_does_not_take_the_next_job_of_that_id(pool, drop):
    """FM-008: the reply was lost, and the producer has enqueued the id anew; that job even failed."""
    bury(pool)
    drop()
    bury(pool)
    with pool.nothing_changes():
        assert drop() == Dropped("job-1", ())
    assert pool.places("job-1") == ["failed default"]
    assert drop(op="a2") == Dropped("job-1", ())
    assert pool.places("job-1") == []


def test_the_enqueue_of_a_dropped_job_sent_again_brings_nothing_back(pool, drop):
    """FM-008: the tombstone remembers who made it."""
    made = []
    call = pool.scripts.call
    pool.scripts.call = lambda move, **named: (made.append((move, named)), call(move, **named))[1]
    queue = pool.queue()
    queue._way.entrance._scripts = pool.scripts
    queue.enqueue("shop.fulfil", job_id="job-1")
    worker = pool.worker()
    worker.bury(worker.hold())
    drop()
    [(move, named), *_] = made
    with pool.nothing_changes():
        assert call(move, **named) == [b"queued", b"job-1"]


def test_a_fence_is_above_that_of_a_job_that_was_dropped(pool, drop):
    """INV-03: the id is used again on a server whose clock went back."""
    held = bury(pool)
    drop()
    tombstone, ahead = keys.tombstone("job-1"), held.fence + 60_000_000
    pool.redis.set(tombstone, pool.redis.get(tombstone).replace(b"%d" % held.fence, b"%d" % ahead))
    pool.enqueue()
    assert pool.worker().hold().fence == ahead + 1


def test_who_waits_for_what_is_dropped_is_named(pool, drop):
    """They would wait for ever, and nobody would know why."""
    pool.enqueue()
    for child in ("b", "a"):
        pool.stock_queue().enqueue("shop.pack", job_id=child, depends_on="job-1")
    worker = pool.worker()
    worker.bury(worker.hold())
    assert drop() == Dropped("job-1", ("a", "b"))
    with pool.nothing_changes():
        assert drop() == Dropped("job-1", ("a", "b")), "the reply was lost, and the person is to be told all the same"


@pytest.mark.parametrize(
    ("status", "reach"),
    [
        ("queued", lambda pool: pool.enqueue()),
        ("scheduled", lambda pool: (pool.enqueue(), pool.worker().postpone(pool.worker().hold(), delay_ms=5_000))),
        ("finished", lambda pool: (pool.enqueue(), pool.worker().complete(pool.worker().hold()))),
    ],
)
def test_what_has_not_ended_badly_is_not_dropped(pool, drop, status, reach):
    """INV-01: a job that was accepted is not lost by a slip of a finger."""
    reach(pool)
    with pool.nothing_changes():
        assert drop() == Kept("job-1", "not_ended", (status,))


def test_what_somebody_works_on_is_not_dropped(pool, drop):
    """INV-02: also when a stock tool has canceled it, and its holder has not heard."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    assert drop() == Kept("job-1", "running", ())
    Job.fetch("job-1", connection=pool.redis).cancel()
    with pool.nothing_changes():
        assert drop() == Kept("job-1", "running", ())
    worker.renew(held)
    assert drop() == Dropped("job-1", ())


def test_what_is_not_there_is_said(drop):
    """A misspelled id is not "dropped"."""
    assert drop("job-7") == Kept("job-7", "none", ())
