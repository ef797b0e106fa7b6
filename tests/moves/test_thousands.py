"""A job may have more effects, or jobs that wait for it, than Lua spreads out at once."""

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.keys import effect_field
from holdfast.jobs.store.outcomes import Dropped, Kept, Requeued
from holdfast.jobs.store.people import People, Wish

#: Lua spreads out fewer than 8,000.
MANY = 9_000


@pytest.fixture
def people(real_pool):
    """Give what people do, on the real server."""
    return People(real_pool.scripts)


def make_effects(pool, word):
    marks = {effect_field(f"mail-{n:04}"): f"{word} 7 " for n in range(MANY)}
    pool.redis.hset(keys.job("job-1"), mapping=marks)


def test_a_job_that_made_thousands_of_effects_is_claimed_for_its_next_life(real_pool):
    """INV-01, LIV-03: a newsletter with a fixed id, an effect for each mail; the worker would end, and the next too."""
    real_pool.enqueue()
    worker = real_pool.worker()
    held = worker.hold()
    make_effects(real_pool, "done")
    worker.complete(held)
    real_pool.enqueue()
    assert worker.hold().generation == "2"
    assert not [name for name in real_pool.record() if name.startswith(effect_field(""))]


def test_thousands_of_doubts_are_all_named(real_pool, people):
    """INV-07: a person sees which, and may leave them to the job."""
    real_pool.enqueue()
    worker = real_pool.worker()
    worker.bury(worker.hold())
    make_effects(real_pool, "intent")
    [kept] = people.requeue([Wish(job_id="job-1", op="a1")], asked_s=0)
    assert kept == Kept("job-1", "in_doubt", tuple(f"mail-{n:04}" for n in range(MANY)))
    answer = people.requeue([Wish(job_id="job-1", op="a2")], asked_s=0, even_in_doubt=True)
    assert answer == [Requeued("job-1", "default")]


def test_a_job_that_thousands_wait_for_is_dropped(real_pool, people):
    """It would be gone, and the person told of an error."""
    real_pool.enqueue()
    worker = real_pool.worker()
    worker.bury(worker.hold())
    children = [f"child-{n:04}" for n in range(MANY)]
    with real_pool.redis.pipeline(transaction=False) as pipe:
        for child in children:
            pipe.hset(keys.job(child), "status", "deferred")
        pipe.sadd(keys.dependents("job-1"), *children)
        pipe.execute()
    assert people.drop([Wish(job_id="job-1", op="a1")]) == [Dropped("job-1", tuple(children))]
