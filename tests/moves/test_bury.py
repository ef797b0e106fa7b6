"""started -> failed, stopped: a failure for good, kept for a person with its cause."""

import sys

import pytest
from rq.job import Dependency
from rq.results import Result

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Buried
from holdfast.jobs.store.work import Stint

A_YEAR_S = 365 * 86_400


def held(pool, **options):
    pool.enqueue(**options)
    worker = pool.worker()
    return worker, worker.hold()


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_a_buried_job_is_kept_with_its_cause(pool, status):
    """A person finds it where RQ keeps failures, and `rq requeue` reads it."""
    worker, lease = held(pool)
    assert worker.bury(lease, cause="failures", error="no such order", status=status) == Buried()
    after = {
        "status": status,
        "place": "failed default",
        "ttl_s": A_YEAR_S,
        "hf_dead": "failures",
        "hf_retry_state": "EXHAUSTED",
        "hf_error": "no such order",
        "hf_failures": "1",
        "hf_lease": None,
    }
    assert pool.state("job-1", *after) == after
    assert pool.redis.hget(keys.worker("w1"), "failed_job_count") == b"1"


@pytest.mark.parametrize(
    ("failure_ttl", "ttl_s"),
    [(600, 600), (-1, None), (sys.maxsize, None), (10**30, None), ("1.5", 1), ("soon", A_YEAR_S)],
)
def test_a_buried_job_is_kept_for_as_long_as_its_producer_wished(pool, failure_ttl, ttl_s):
    """RQ's failure_ttl, for the record and for its traceback. What Redis would refuse in mid-script is for ever."""
    worker, lease = held(pool)
    pool.redis.hset(keys.job("job-1"), "failure_ttl", failure_ttl)
    worker.bury(lease)
    assert pool.state("job-1", "place", "ttl_s") == {"place": "failed default", "ttl_s": ttl_s}
    assert pool.redis.ttl(keys.results("job-1")) == (ttl_s or -1)


def test_a_failure_that_is_not_to_be_kept_is_gone_as_in_rq(pool):
    """RQ's failure_ttl=0: record, traceback and place; its id is known for a while, so that its fence does not fall."""
    worker, lease = held(pool, failure_ttl=0)
    pool.redis.zadd(keys.failed("default"), {f"old-{number}": number for number in range(5)})
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on=Dependency("job-1", allow_failure=True))
    assert worker.bury(lease) == Buried()
    assert pool.places("job-1") == []
    assert not pool.redis.exists(keys.job("job-1"), keys.results("job-1"), keys.dependents("job-1"))
    assert pool.redis.get(keys.tombstone("job-1")).endswith(f" {lease.fence}".encode())
    assert pool.places("child") == ["queue default"]


def test_a_failure_that_is_not_to_be_kept_is_kept_until_it_was_told_of(pool):
    """Its horse died: whoever runs its callback needs the record."""
    worker, lease = held(pool, failure_ttl=0)
    worker.moves.bury(lease, 5, Stint(10, 12), cause="failures", error="boom", status="failed", is_unspoken=True)
    assert pool.state("job-1", "place", "ttl_s") == {"place": "failed default", "ttl_s": 600}


@pytest.mark.parametrize(
    "error", ["ValueError: no such order", "", "long " * 2_000, "caf\xe9 \u2615", "bad name \udcff"]
)
def test_the_error_is_whole_where_rq_reads_it_and_short_on_the_record(pool, error):
    """FM-033: whatever text a traceback holds, the settle must not die of it."""
    worker, lease = held(pool)
    worker.bury(lease, error=error)
    readable = error.encode(errors="backslashreplace").decode()
    result = Job.fetch("job-1", connection=pool.redis).latest_result()
    assert (result.type, result.exc_string) == (Result.Type.FAILED, readable)
    assert result.execution_id == lease.execution
    assert readable.endswith(pool.state("job-1", "hf_error")["hf_error"])
    assert len(pool.state("job-1", "hf_error")["hf_error"]) <= 2_000


@pytest.mark.parametrize(
    ("status", "allow_failure", "place"),
    [
        pytest.param("failed", True, "queue default", id="a child that allows failure goes on"),
        pytest.param("failed", False, "deferred default", id="a child that does not goes on waiting"),
        pytest.param("stopped", False, "deferred default", id="a stopped parent lets nobody go"),
        pytest.param("stopped", True, "deferred default", id="a stopped parent is no failure, as in RQ"),
    ],
)
def test_who_waited_for_a_failure(pool, status, allow_failure, place):
    """FM-051: decided in the same script as the parent's end."""
    worker, lease = held(pool)
    waits = Dependency("job-1", allow_failure=allow_failure)
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on=waits)
    worker.bury(lease, status=status)
    assert pool.places("child") == [place]


def test_a_job_that_was_enqueued_again_meanwhile_goes_on(pool):
    """FM-050: the old attempt failed, and the new generation has not been tried yet."""
    worker, lease = held(pool)
    pool.enqueue()
    assert worker.bury(lease) == Buried()
    after = {"status": "queued", "place": "queue default", "ttl_s": None}
    assert pool.state("job-1", *after) == after
    assert worker.hold().generation == "2"
