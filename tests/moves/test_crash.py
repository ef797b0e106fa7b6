"""started -> queued, scheduled, failed: a horse died while its parent watched."""

import pytest
from rq.job import Dependency

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Buried, Crashed, Empty


def crash(pool, worker):
    """Let the job's worker die, and give what came of it."""
    pool.time_passes(60_000)
    pool.promote()
    return worker.crash(worker.hold(), cause="signal 9")


def test_three_crashes_are_forgiven_and_the_fourth_buries(pool):
    """FM-034: poison ends up with a person, whatever it does to its workers."""
    pool.enqueue()
    worker = pool.worker()
    assert [crash(pool, worker) for _ in range(4)] == [Crashed(), Crashed(), Crashed(), Buried()]
    after = {
        "status": "failed",
        "place": "failed default",
        "hf_dead": "crashes",
        "hf_crashes": "4",
        "hf_last_crash": "signal 9",
        "hf_retry_state": "EXHAUSTED",
        "hf_next_run_ms": None,
    }
    assert pool.state("job-1", *after) == after
    assert "signal 9" in Job.fetch("job-1", connection=pool.redis).latest_result().exc_string


@pytest.mark.parametrize(
    ("crashes", "after"),
    [
        pytest.param(1, {"status": "queued", "place": "queue default"}, id="the first comes back at once"),
        pytest.param(2, {"place": "scheduled default", "due_ms": 1_000}, id="the second after 1 s"),
        pytest.param(3, {"place": "scheduled default", "due_ms": 2_000}, id="the third after 2 s"),
        pytest.param(9, {"place": "scheduled default", "due_ms": 60_000}, id="no wait exceeds a minute"),
    ],
)
def test_each_crash_waits_longer(pool, crashes, after):
    """FM-034: a job that takes its worker down must not take the next one down at once."""
    pool.enqueue(crashes=20)
    worker = pool.worker()
    for _ in range(crashes):
        crash(pool, worker)
    after = after | {"hf_crashes": str(crashes), "hf_lease": None, "ttl_s": None}
    assert pool.state("job-1", *after) == after


def test_a_crashed_job_goes_to_the_back(pool):
    """Poison must never hold the queue's head."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    pool.enqueue("other")
    worker.crash(lease)
    assert pool.line() == ["other", "job-1"]


def test_a_crash_that_waits_is_not_taken_early(pool):
    """INV-12: not even if a stock scheduler pushes it."""
    pool.enqueue()
    worker = pool.worker()
    crash(pool, worker)
    worker.crash(worker.hold())
    pool.redis.zrem(keys.scheduled("default"), "job-1")
    pool.redis.hset(keys.job("job-1"), "status", "queued")
    pool.redis.rpush(keys.queue("default"), "job-1")
    assert worker.claim() == Empty()
    assert pool.state("job-1", "place") == {"place": "scheduled default"}


def test_a_job_that_may_run_once_is_buried_by_its_first_crash(pool):
    """crashes=0: it may have done its work, and must not do it twice."""
    pool.enqueue(crashes=0)
    assert crash(pool, pool.worker()) == Buried()
    after = {"status": "failed", "place": "failed default", "hf_dead": "interrupted"}
    assert pool.state("job-1", *after) == after


def test_a_crash_is_not_a_failure(pool):
    """Two budgets: a job that retries its failures has not used one up by a dead worker."""
    pool.enqueue()
    worker = pool.worker()
    worker.crash(worker.hold())
    after = {"hf_crashes": "1", "hf_failures": "0", "hf_retry_state": None}
    assert pool.state("job-1", *after) == after


def test_who_allowed_failure_goes_on_when_the_parent_is_buried(pool):
    """FM-051: also where no horse was left to say so."""
    pool.enqueue(crashes=0)
    waits = Dependency("job-1", allow_failure=True)
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on=waits)
    crash(pool, pool.worker())
    assert pool.places("child") == ["queue default"]


def test_a_job_that_was_enqueued_again_meanwhile_begins_anew(pool):
    """FM-050: in line at once, and with all its crashes to come."""
    pool.enqueue()
    worker = pool.worker()
    for _ in range(2):
        crash(pool, worker)
    pool.time_passes(60_000)
    pool.promote()
    lease = worker.hold()
    pool.enqueue()
    worker.crash(lease)
    assert pool.state("job-1", "place") == {"place": "queue default"}
    assert worker.hold().generation == "2"
    assert pool.state("job-1", "hf_crashes") == {"hf_crashes": "0"}
