"""started -> queued, scheduled: a failure with another attempt left comes back, and not before its time."""

import sys

import pytest
from rq import Retry
from rq.results import Result

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Empty, Postponed
from holdfast.jobs.store.records import return_value

WAITS = {"status": "scheduled", "place": "scheduled default", "due_ms": 5_000}


def held(pool, **options):
    pool.enqueue(**options)
    worker = pool.worker()
    return worker, worker.hold()


@pytest.mark.parametrize(
    ("delay_ms", "after"),
    [
        pytest.param(5_000, WAITS, id="later"),
        pytest.param(1, WAITS | {"due_ms": 1}, id="a moment later"),
        pytest.param(0, {"status": "queued", "place": "queue default"}, id="at once"),
    ],
)
def test_a_postponed_job_waits_for_its_delay(pool, delay_ms, after):
    """Counted by the server; with its error, its count, and no owner."""
    worker, lease = held(pool)
    assert worker.postpone(lease, delay_ms=delay_ms, error="bank is away") == Postponed()
    after = after | {
        "worker_name": "",
        "hf_error": "bank is away",
        "hf_retry_state": "RETRY_SCHEDULED",
        "hf_failures": "1",
        "hf_lease": None,
        "ttl_s": None,
    }
    assert pool.state("job-1", *after) == after


@pytest.mark.parametrize(("failure_ttl", "ttl_s"), [("", -1), (600, 600), (sys.maxsize, -1)])
def test_a_retry_that_was_asked_for_is_on_record_for_as_long_as_its_producer_wished(pool, failure_ttl, ttl_s):
    """As RQ's own. For longer than Redis can count is for ever."""
    worker, lease = held(pool)
    pool.redis.hset(keys.job("job-1"), "failure_ttl", failure_ttl)
    assert worker.postpone(lease, retried="1") == Postponed()
    assert pool.redis.ttl(keys.results("job-1")) == ttl_s


def test_what_the_attempt_used_up_is_on_the_record(pool):
    """RQ's own field, so that a stock worker goes on where we stopped."""
    worker, lease = held(pool)
    worker.postpone(lease, used=["retries_left", 2])
    assert Job.fetch("job-1", connection=pool.redis).retries_left == 2


def test_an_immediate_retry_goes_to_the_back_unless_it_may_go_to_the_front(pool):
    """A retry must not hold the queue's head by default."""
    worker, lease = held(pool)
    pool.enqueue("other")
    worker.postpone(lease)
    assert pool.line() == ["other", "job-1"]
    worker.postpone(worker.hold(), at_front=True)
    assert pool.line() == ["other", "job-1"]


def test_a_returned_retry_is_in_the_results_as_rq_writes_it(pool):
    """A job that returns Retry has a result of that kind; one that raised has none until its end."""
    worker, lease = held(pool)
    job = Job.fetch("job-1", connection=pool.redis)
    worker.postpone(lease)
    assert job.results() == []
    worker.postpone(worker.hold(), retried=return_value(job.serializer, Retry(max=1)))
    assert [result.type for result in job.results()] == [Result.Type.RETRIED]


@pytest.mark.parametrize("early_ms", [5_000, 1])
def test_a_postponed_job_is_not_taken_before_its_time(pool, early_ms):
    """INV-12: nobody promotes it early, and a claim of what somebody pushed early puts it back."""
    worker, lease = held(pool)
    worker.postpone(lease, delay_ms=60_000 + early_ms)
    pool.time_passes(60_000 - 1_000)
    pool.promote()
    assert pool.state("job-1", "place") == {"place": "scheduled default"}

    pool.redis.zrem(keys.scheduled("default"), "job-1")
    pool.redis.hset(keys.job("job-1"), "status", "queued")
    pool.redis.rpush(keys.queue("default"), "job-1")
    assert worker.claim() == Empty()
    assert pool.state("job-1", "place", "status") == {"place": "scheduled default", "status": "scheduled"}
    pool.time_passes(1_000 + early_ms)
    pool.promote()
    assert worker.hold().job_id == "job-1"


def test_an_enqueue_of_the_id_meanwhile_takes_the_place_of_the_retry(pool):
    """FM-050: the producer's new wish neither waits for the old attempt's delay nor pays for it."""
    worker, lease = held(pool)
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), "retries_left", 5)
    worker.postpone(lease, delay_ms=60_000, used=["retries_left", 0])
    claimed = worker.claim()
    assert (claimed.lease.generation, claimed.record[b"retries_left"]) == ("2", b"5")
