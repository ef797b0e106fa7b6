"""A key that somebody wrote by hand costs the operator nothing but what stands under it."""

import pytest
from redis.exceptions import BusyLoadingError, NoPermissionError, ResponseError

from holdfast.jobs.store import keys
from holdfast.jobs.store.people import People, Wish


def bury(pool, *job_ids, queue="default"):
    for job_id in job_ids:
        pool.enqueue(job_id, queue)
        worker = pool.worker()
        worker.bury(worker.hold(queue))


def spoil(pool, job_id):
    """Put a string where the job's hash was; its place among the failed stays."""
    pool.redis.delete(keys.job(job_id))
    pool.redis.set(keys.job(job_id), "x")


def test_a_drop_says_of_each_what_became_of_it(pool, holdfast):
    """The others are gone for good: not a word of them would be worse than the error."""
    bury(pool, "a", "b", "c")
    spoil(pool, "b")
    done = holdfast("dead", "drop", "a", "b", "c", "--yes")
    assert done.exit_code == 1
    assert {"a: deleted", "c: deleted"} < set(done.output.splitlines())
    assert "b: Redis answered with an error: WRONGTYPE" in done.output
    assert "2 deleted, 1 left as they were." in done.output


def test_a_requeue_says_of_each_what_became_of_it(pool, holdfast):
    """The same, and what can be in line is."""
    bury(pool, "a", "b", "c")
    spoil(pool, "b")
    done = holdfast("dead", "requeue", "a", "b", "c")
    assert done.exit_code == 1
    assert {"a: in line in default", "c: in line in default"} < set(done.output.splitlines())
    assert "b: Redis answered with an error: WRONGTYPE" in done.output
    assert "2 in line again, 1 left as they were." in done.output
    assert sorted(pool.line()) == ["a", "c"]


@pytest.mark.parametrize("error", [BusyLoadingError("not now"), NoPermissionError("no right to evalsha")])
def test_what_is_said_of_no_single_job_is_an_error_as_before(pool, monkeypatch, error):
    """A server that is not there now is asked again by its caller; a right that is missing is missing for all."""
    monkeypatch.setattr("redis.client.Pipeline.execute", lambda _, **__: [error, error])
    wishes = [Wish(job_id="a", op="1"), Wish(job_id="b", op="2")]
    with pytest.raises(type(error)):
        People(pool.scripts).drop(wishes)


def test_an_error_in_the_settling_of_a_doubt_is_said(pool, holdfast, monkeypatch):
    """Not that there was no doubt."""
    bury(pool, "a")
    wrong = ResponseError("WRONGTYPE of all things")
    monkeypatch.setattr(People, "_send_once", lambda *_: [wrong])
    done = holdfast("dead", "resolve", "a", "charge", "--happened")
    assert done.exit_code == 1
    assert "a: Redis answered with an error: WRONGTYPE of all things" in done.output
