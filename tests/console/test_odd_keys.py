"""A key that somebody wrote by hand costs the operator nothing but what stands under it."""

import json

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


def test_all_but_the_odd_one_are_requeued(pool, holdfast):
    """At three in the morning, with a hundred and fifty of them: one that cannot be read is left and named."""
    bury(pool, *(f"job-{number}" for number in range(6)))
    spoil(pool, "job-3")
    done = holdfast("dead", "requeue", "--all", "default")
    assert done.exit_code == 1
    assert "5 in line again, 1 left as they were." in done.output
    assert "job-3: Redis answered with an error: WRONGTYPE" in done.output


def test_the_dead_are_listed_beside_one_that_cannot_be_read(pool, holdfast):
    """It is in the list, with the reason; so are those of other queues than the one whose set is none."""
    bury(pool, "a", "b")
    bury(pool, "c", queue="high")
    spoil(pool, "b")
    pool.redis.hset(keys.job("a"), mapping={"ended_at": "2026-01-02T03:04:05+00:00", "hf_failures": "many"})
    pool.enqueue("d", "other")
    pool.redis.set(keys.failed("other"), "x")
    done = holdfast("dead", "list")
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line for line in done.output.splitlines()}
    assert {"a", "b", "c"} < set(rows)
    assert "not readable" in rows["b"]
    assert " d ago" in rows["a"]
    assert "other: rq:failed:other is not readable: WRONGTYPE" in done.output


def test_the_fleet_is_shown_beside_what_cannot_be_read(pool, holdfast):
    """Each column and row but that one, and the key is named."""
    bury(pool, "a", "b")
    spoil(pool, "b")
    pool.enqueue("c", "other")
    pool.redis.set(keys.failed("other"), "x")
    pool.redis.set(keys.worker("w9"), "x")
    pool.redis.hset(keys.worker("w8"), mapping={"hostname": "box-7", "pid": "none", "last_heartbeat": "some day"})
    pool.redis.sadd(keys.workers(), keys.worker("w9"), keys.worker("w8"))
    seen = json.loads(holdfast("status", "--json").output)
    queues = {queue["name"]: queue for queue in seen["queues"]}
    assert queues["default"]["causes"] == {"failures": 1, "not readable": 1}
    assert queues["other"]["in_line"] == 1
    assert seen["unreadable"] == ["rq:failed:other", "rq:worker:w9"]
    assert [(worker["name"], worker["pid"], worker["silent_ms"]) for worker in seen["workers"]] == [("w8", 0, None)]
    shown = holdfast("status").output
    assert "! rq:failed:other is not readable: " in shown
    assert next(line for line in shown.splitlines() if line.startswith("other")).split()[6:8] == ["not", "readable"]
