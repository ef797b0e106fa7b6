"""A doubt is settled by a person: told of which effect, by which key to ask, and what cannot be meant."""

import random

import pytest

from holdfast.jobs import effect
from holdfast.jobs.running import Running, exchange
from holdfast.jobs.store.connections import Courier


@pytest.fixture
def key(pool):
    """Let job-1 fail for good inside of its effect, and give the key with which it went outside."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    execution = Running(
        lease=held,
        moves=worker.moves,
        courier=Courier(pool.redis, pool.clock, random.Random(7)),
        serializer=pool.queue().serializer,
        born=pool.record()["created_at"],
        is_out_of_time=lambda: False,
    )
    before = exchange(execution)
    try:
        with pytest.raises(TimeoutError), effect("charge") as charge:
            raise TimeoutError
    finally:
        exchange(before)
    worker.bury(held, cause="failures", error="Traceback\nTimeoutError")
    return charge.key


def test_the_key_of_a_doubt_is_shown_where_the_job_died_of_something_else(key, holdfast):
    """A time-out in the body, and no retries: its error names neither the effect nor the key."""
    shown = holdfast("dead", "show", "job-1").output
    assert "effect:      charge: in doubt (fence " in shown
    assert f", key {key})" in shown
    assert f"Find out (ask the outside by its key {key}), then: holdfast dead resolve job-1 charge" in shown
    assert f"effect charge: in doubt (fence {shown.partition('fence ')[2][:16]}, key {key})" in shown
    assert f", key {key})" in holdfast("timeline", "job-1").output


def test_the_key_is_still_the_same_after_a_requeue(key, pool, holdfast):
    """The record says when this generation was born; a requeue does not change that."""
    holdfast("dead", "requeue", "job-1", "--even-in-doubt")
    worker = pool.worker()
    worker.bury(worker.hold())
    assert f", key {key})" in holdfast("dead", "show", "job-1").output


def test_a_refused_requeue_says_where_the_key_is(key, holdfast):
    """Who was told to find out can ask by nothing else."""
    refused = holdfast("dead", "requeue", "job-1").output
    assert "`holdfast dead show job-1` tells its key" in refused
