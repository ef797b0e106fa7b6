"""What an app saves of an object from before its id was enqueued again moves nothing of what was made since."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import First
from tests.moves.pool import PATIENCE_MS


def finds_nothing_missing(pool):
    """Look for what is in no place more often than it takes to put it back."""
    for _ in range(3):
        assert pool.rescue() == ()
        pool.time_passes(PATIENCE_MS)


def fetched(pool):
    return Job.fetch("job-1", connection=pool.redis)


def failed_once(pool, worker):
    """Leave a failure with an effect in doubt."""
    pool.enqueue()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.bury(held)


def test_a_new_generation_does_not_go_on_with_an_old_ones_effects(pool):
    """INV-07, INV-09: saved before the claim, it was taken for a retry, and buried in a doubt that was not its own."""
    worker = pool.worker()
    failed_once(pool, worker)
    stale = fetched(pool)
    pool.enqueue()
    stale.save()
    held = worker.hold()
    assert (held.generation, worker.moves.begin_effect(held, "charge")) == ("2", First())
    assert pool.record()["hf_executions"] == "1"


def test_what_was_enqueued_again_as_it_ran_is_begun_anew(pool):
    """INV-09: however the run before it ended."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    stale = fetched(pool)
    pool.enqueue()
    stale.save()
    worker.crash(held)
    assert worker.hold().generation == "2"


@pytest.mark.parametrize("end", ["give_back", "postpone", "crash"])
def test_an_attempt_knows_what_the_one_before_it_has_done(pool, end):
    """INV-07: saved while it ran, it was begun anew, and acted again under another key."""
    pool.enqueue()
    stale = fetched(pool)
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    born = pool.record()["created_at"]
    worker.moves.begin_effect(held, "charge")
    stale.save()
    getattr(worker, end)(held)
    held = worker.hold()
    assert held.generation == "1"
    assert worker.moves.begin_effect(held, "charge") != First()
    assert pool.record()["created_at"] == born


def test_what_has_ended_is_not_missed(pool):
    """INV-06: it says that it is to run, in another queue, where no list has it."""
    pool.enqueue(queue="low")
    stale = fetched(pool)
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold())
    stale.save()
    finds_nothing_missing(pool)
    assert pool.line() == []


def test_what_has_left_nothing_is_not_missed(pool):
    """INV-06: what its end has left is of a later birth."""
    pool.enqueue()
    stale = fetched(pool)
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold(), result_ttl=0)
    pool.redis.delete(keys.job("job-1"))
    stale.save()
    finds_nothing_missing(pool)
    assert pool.line() == []


def test_what_a_person_has_canceled_since_is_not_missed(pool):
    """INV-06: a list says so, and the record that it is in line."""
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold())
    pool.enqueue()
    stale = fetched(pool)
    fetched(pool).cancel()
    stale.save()
    finds_nothing_missing(pool)
    assert pool.places("job-1") == ["canceled default"]
