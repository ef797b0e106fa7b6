"""started -> finished: a success is recorded once, as RQ reads it, and lets go of who waited."""

import sys

import pytest
from rq import Queue as StockQueue
from rq.job import Dependency
from rq.results import Result

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Completed
from holdfast.jobs.store.records import return_value

FINISHED = {"status": "finished", "place": "finished default"}


def held(pool, **options):
    pool.enqueue(**options)
    worker = pool.worker()
    return worker, worker.hold()


def defer(pool, *parents, job_id="child", queue="default", **options):
    """Let a stock producer enqueue a job that waits for others."""
    waits = Dependency(list(parents), **options)
    return pool.stock_queue(queue).enqueue("shop.pack", job_id=job_id, depends_on=waits)


@pytest.mark.parametrize(
    ("result_ttl", "after", "score"),
    [
        pytest.param(500, FINISHED | {"ttl_s": 500}, 500, id="kept for 500 s"),
        pytest.param(-1, FINISHED | {"ttl_s": None}, float("inf"), id="kept for ever"),
        pytest.param(sys.maxsize, FINISHED | {"ttl_s": None}, float("inf"), id="for longer than Redis can count"),
        pytest.param(0, {"status": None, "place": "", "ttl_s": None}, None, id="not kept at all"),
    ],
)
def test_a_finished_job_is_kept_for_as_long_as_its_producer_wished(pool, result_ttl, after, score):
    """RQ's result_ttl: seconds, 0 for not at all, -1 for ever; result and record alike."""
    worker, lease = held(pool)
    assert worker.complete(lease, value="dmFsdWU=", result_ttl=result_ttl) == Completed()
    assert pool.state("job-1", *after) == after
    told = pool.redis.zscore(keys.finished("default"), "job-1")
    assert (told and told - pool.now_ms() / 1_000) == (score and pytest.approx(score, abs=2))
    kept = pool.redis.ttl(keys.results("job-1"))
    assert kept == {500: 500, 0: -2}.get(result_ttl, -1)


def test_nothing_is_left_of_the_lease(pool):
    """INV-02: no lease, no wip entry, no execution, no mark on the record or on the worker."""
    worker, lease = held(pool)
    worker.complete(lease)
    gone = [keys.leases("default"), keys.wip("default"), keys.executions("job-1")]
    assert not pool.redis.exists(*gone, keys.execution("job-1", lease.execution))
    assert pool.state("job-1", "hf_lease", "hf_lease_queue") == {"hf_lease": None, "hf_lease_queue": None}
    done_by = pool.redis.hmget(keys.worker("w1"), "current_job", "successful_job_count", "total_working_time")
    assert done_by == [None, b"1", b"2"]


@pytest.mark.parametrize("value", [None, 42, {"receipt": "R-7"}, b"\x00\xff\n"], ids=repr)
def test_the_result_is_what_rq_reads(pool, value):
    """job.return_value() and job.latest_result() of stock RQ tell it, whoever asks."""
    worker, lease = held(pool)
    job = Job.fetch("job-1", connection=pool.redis)
    worker.complete(lease, value=return_value(job.serializer, value))
    job.refresh()
    result = job.latest_result()
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, value)
    assert (result.worker_name, result.execution_id) == ("w1", lease.execution)
    assert result.execution_started_at.timestamp() == 10
    assert result.execution_ended_at.timestamp() == 12
    assert job.return_value() == value


def test_a_success_forgets_the_failures_before_it(pool):
    """What the retries left on the record would look like a failure that is still open."""
    worker, lease = held(pool)
    worker.postpone(lease, error="bank is away")
    worker.complete(worker.hold())
    after = FINISHED | {"hf_error": None, "hf_retry_state": None, "hf_next_run_ms": None}
    assert pool.state("job-1", *after) == after


def test_a_job_that_repeats_goes_on_after_its_interval(pool):
    """Each repeat is due by the server's clock, and is kept until it ran."""
    worker, lease = held(pool)
    worker.complete(lease, repeat_ms=3_000, repeats_left=2)
    after = {"status": "scheduled", "place": "scheduled default", "due_ms": 3_000, "repeats_left": "2"}
    assert pool.state("job-1", *after, "ttl_s") == after | {"ttl_s": None}
    assert Job.fetch("job-1", connection=pool.redis).repeats_left == 2


def test_a_job_that_repeats_at_once_goes_in_line(pool):
    """An interval of 0 is no wait."""
    worker, lease = held(pool)
    worker.complete(lease, result_ttl=0, repeat_ms=0, repeats_left=1)
    after = {"status": "queued", "place": "queue default", "ttl_s": None}
    assert pool.state("job-1", *after) == after


def test_a_job_that_was_enqueued_again_meanwhile_does_so_although_nothing_is_kept(pool):
    """FM-050: result_ttl=0 deletes a job, but not the one that was asked for while it ran."""
    worker, lease = held(pool, result_ttl=0)
    pool.enqueue()
    worker.complete(lease, result_ttl=0)
    after = {"status": "queued", "place": "queue default", "ttl_s": None, "hf_again": None}
    assert pool.state("job-1", *after) == after


def test_an_attempts_results_go_with_a_job_that_is_not_kept(pool):
    """An earlier attempt wrote one that has no end of its own."""
    worker, lease = held(pool)
    worker.postpone(lease, retried="cmV0cmllZA==")
    worker.complete(worker.hold(), result_ttl=0)
    assert not pool.redis.exists(keys.results("job-1"))


def test_who_waited_goes_in_line_with_the_parents_end(pool):
    """FM-051: in one script, so that no crash leaves a child waiting for ever. Each in its own queue."""
    worker, lease = held(pool)
    defer(pool, "job-1", job_id="pack", queue="packing")
    defer(pool, "job-1", job_id="thank", queue="mail")
    worker.complete(lease)
    assert (pool.places("pack"), pool.places("thank")) == (["queue packing"], ["queue mail"])
    assert pool.state("pack", "status") == {"status": "queued"}
    assert not pool.redis.exists(keys.dependents("job-1"))
    assert {queue.name for queue in StockQueue.all(connection=pool.redis)} == {"default", "packing", "mail"}


def test_a_child_that_is_in_a_hurry_goes_to_the_front(pool):
    """A dependency may ask for the front of the line it leads into."""
    worker, lease = held(pool)
    pool.enqueue("other")
    defer(pool, "job-1", enqueue_at_front=True)
    worker.complete(lease)
    assert pool.line() == ["child", "other"]


def test_a_child_waits_for_all_its_parents(pool):
    """The last of them lets it go."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    defer(pool, "job-1", "job-2")
    worker = pool.worker()
    worker.complete(worker.hold())
    assert pool.places("child") == ["deferred default"]
    worker.complete(worker.hold())
    assert pool.places("child") == ["queue default"]


def test_a_parent_that_is_not_kept_counts_as_finished(pool):
    """Its record is gone when the second parent ends: RQ reads no record as no obstacle."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    defer(pool, "job-1", "job-2")
    worker = pool.worker()
    worker.complete(worker.hold(), result_ttl=0)
    worker.complete(worker.hold(), result_ttl=0)
    assert pool.places("child") == ["queue default"]


@pytest.mark.parametrize(
    ("first_end", "allow_failure", "place"),
    [
        ("bury", False, "deferred default"),
        ("bury", True, "queue default"),
        ("complete", False, "queue default"),
    ],
)
def test_a_second_parents_success_does_not_hide_the_firsts_failure(pool, first_end, allow_failure, place):
    """Unless the child allows it."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    defer(pool, "job-1", "job-2", allow_failure=allow_failure)
    worker = pool.worker()
    getattr(worker, first_end)(worker.hold())
    worker.complete(worker.hold())
    assert pool.places("child") == [place]


def test_a_child_that_a_person_canceled_is_not_let_go(pool):
    """INV-06: it is not deferred any more, whoever ends."""
    worker, lease = held(pool)
    defer(pool, "job-1").cancel()
    worker.complete(lease)
    assert pool.places("child") == ["canceled default"]


def test_a_child_that_registers_after_a_new_enqueue_is_not_forgotten(pool):
    """INV-01: the list of who waits must not end with the earlier generation's result."""
    worker, lease = held(pool)
    defer(pool, "job-1", job_id="gone").cancel()
    worker.complete(lease, result_ttl=5)
    pool.enqueue()
    defer(pool, "job-1")
    pool.time_passes(6_000)
    worker.complete(worker.hold())
    assert pool.places("child") == ["queue default"]


def test_a_settle_sent_again_releases_nobody_twice(pool):
    """FM-008, FM-051: the child has run and gone meanwhile."""
    worker, lease = held(pool)
    defer(pool, "job-1")
    worker.complete(lease)
    number = worker.op
    other = pool.worker("w2")
    other.complete(other.hold())
    with pool.nothing_changes():
        assert worker.complete(lease, op=number) == Completed()
