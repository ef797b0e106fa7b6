"""What a stock worker left that died is taken back like a lease: once its heartbeats ended, and no sooner."""

from datetime import timedelta

import pytest
from rq.executions import Execution
from rq.job import JobStatus

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Empty, Pass, Promoted, Renewed


def begin_as_stock(pool, job_id="job-1", *, heard_of_for_s=90):
    """Do as a stock worker does when it begins a job, and give the execution."""
    pool.stock_queue().enqueue("shop.fulfil", job_id=job_id)
    pool.redis.lpop(keys.queue("default"))
    job = Job.fetch(job_id, connection=pool.redis)
    with pool.redis.pipeline() as pipeline:
        execution = Execution.create(job, heard_of_for_s, worker_name="stock", pipeline=pipeline)
        job.prepare_for_execution("stock", pipeline=pipeline)
        pipeline.execute()
    pool.redis.zadd(keys.wip("default"), {f"{job_id}:{execution.id}": pool.now_ms() / 1_000 + heard_of_for_s})
    return execution


def words(told):
    return [taken.word for taken in told.reclaimed]


def pass_by(pool, seconds):
    """Let time pass with somebody looking each second: a pass that comes late finds an outage instead of a death."""
    told = []
    for _ in range(seconds):
        pool.time_passes(1_000)
        told += pool.reap().reclaimed
    return told


def test_a_dead_stock_workers_job_comes_back(pool):
    """FM-001: RQ itself would fail it, minutes later. A crash is charged, as for one of ours."""
    execution = begin_as_stock(pool, heard_of_for_s=5)
    pool.reap()
    (taken,) = pass_by(pool, 7)
    assert (taken.word, taken.job_id, taken.execution, taken.worker) == ("reclaimed", "job-1", execution.id, "stock")
    after = {"status": "queued", "place": "queue default", "hf_crashes": "1", "hf_last_crash": "stock worker died"}
    assert pool.state("job-1", *after) == after
    assert not pool.redis.exists(keys.wip("default"), keys.executions("job-1"))


def test_a_stock_worker_that_is_heard_of_keeps_its_job(pool):
    """Each leaves the other's living executions alone."""
    begin_as_stock(pool, heard_of_for_s=30)
    pool.reap()
    assert pass_by(pool, 10) == []
    assert pool.record()["status"] == "started"


def test_what_a_stock_worker_runs_is_not_put_in_line_by_what_it_was_put_off_to(pool):
    """Enqueued for later and then for now: a stock producer leaves the id among what is due later."""
    pool.stock_queue().enqueue_in(timedelta(seconds=2), "shop.fulfil", job_id="job-1")
    begin_as_stock(pool)
    pool.time_passes(2_001)
    assert pool.promote() == Promoted(0, 1)
    assert pool.worker().claim() == Empty()
    assert pool.record()["status"] == "started"


def test_an_entry_of_ours_whose_time_for_stock_tools_is_over_is_left_to_its_lease(pool):
    """A job far past its time-out, whose holder still renews."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    pool.redis.zadd(keys.wip("default"), {f"job-1:{lease.execution}": 1})
    assert pool.reap() == Pass(())
    assert isinstance(worker.renew(lease), Renewed)
    assert pool.redis.zcard(keys.wip("default")) == 1


@pytest.mark.parametrize("status", ["finished", "failed", "canceled"])
def test_an_entry_of_a_job_that_has_ended_is_only_removed(pool, status):
    """A stock worker died between its last two commands."""
    begin_as_stock(pool, heard_of_for_s=1)
    pool.redis.hset(keys.job("job-1"), "status", status)
    pool.reap()
    assert [taken.word for taken in pass_by(pool, 3)] == ["removed"]
    assert pool.record()["status"] == status
    assert not pool.redis.exists(keys.wip("default"))


def test_an_old_entry_beside_a_living_execution_is_only_removed(pool):
    """The job was begun again, by us or by a stock worker, before anybody looked."""
    begin_as_stock(pool, heard_of_for_s=1)
    pool.redis.hset(keys.job("job-1"), "status", JobStatus.QUEUED)
    pool.redis.rpush(keys.queue("default"), "job-1")
    pool.time_passes(2_000)
    lease = pool.worker().hold()
    assert words(pool.reap()) == ["removed"]
    assert pool.state("job-1", "place") == {"place": "leases default"}
    assert pool.redis.zrange(keys.wip("default"), 0, -1) == [f"job-1:{lease.execution}".encode()]


def test_an_old_entry_of_a_job_that_another_stock_worker_runs_is_only_removed(pool):
    """FM-053, INV-04: RQ itself gave it to that one; to take it back would run it a second time, beside that."""
    begin_as_stock(pool, heard_of_for_s=1)
    execution = begin_as_stock(pool, heard_of_for_s=90)
    pool.reap()
    assert [taken.word for taken in pass_by(pool, 3)] == ["removed"]
    assert (pool.record()["status"], pool.places("job-1")) == ("started", [])
    assert pool.redis.zrange(keys.wip("default"), 0, -1) == [f"job-1:{execution.id}".encode()]


def test_what_kills_its_stock_worker_each_time_is_buried(pool):
    """FM-004: adopted three times, and not a fourth."""
    begin_as_stock(pool, heard_of_for_s=1)
    pool.reap()
    for _ in range(3):
        assert [taken.word for taken in pass_by(pool, 3)] == ["reclaimed"]
        pass_by(pool, 3)
        pool.promote()
        execution = f"{pool.now_ms():x}"
        pool.redis.hset(keys.job("job-1"), mapping={"status": "started", "worker_name": "stock"})
        pool.redis.delete(keys.queue("default"), keys.scheduled("default"))
        pool.redis.zadd(keys.wip("default"), {f"job-1:{execution}": pool.now_ms() / 1_000 + 1})
        pool.redis.zadd(keys.executions("job-1"), {execution: pool.now_ms() / 1_000 + 1})
    assert [taken.word for taken in pass_by(pool, 3)] == ["buried"]
    assert pool.state("job-1", "status", "hf_dead") == {"status": "failed", "hf_dead": "crashes"}


def test_an_old_entry_in_another_queue_than_the_living_execution_is_only_removed(pool):
    """INV-02, INV-04: the stock worker died, and its operator sent the id to a queue where ours took it."""
    begin_as_stock(pool, heard_of_for_s=5)
    pool.reap()
    pool.stock_queue("other").enqueue("shop.fulfil", job_id="job-1")
    worker = pool.worker()
    lease = worker.hold("other")
    told = []
    for _ in range(7):
        pool.time_passes(1_000)
        assert isinstance(worker.renew(lease), Renewed)
        told += words(pool.reap())
    assert told == ["removed"]
    after = {"status": "started", "place": "leases other", "hf_crashes": "0"}
    assert pool.state("job-1", *after) == after


def list_as_rq_1(pool, job_id, **record):
    """List a job as RQ 1 did, by its id alone, which was heard of last a moment ago."""
    pool.redis.sadd(keys.queues(), keys.queue("default"))
    pool.redis.zadd(keys.wip("default"), {job_id: pool.now_ms() / 1_000 - 1})
    pool.redis.hset(keys.job(job_id), mapping={"data": b"x", "origin": "default", "worker_name": "old", **record})


def test_what_a_worker_of_rq_1_left_comes_back(pool):
    """INV-01, LIV-03: its entry names no execution. Each worker that looked at it would end, and reclaim nothing."""
    list_as_rq_1(pool, "job-1", status="started")
    list_as_rq_1(pool, "job-2", status="finished")
    pool.enqueue("job-3")
    lease = pool.worker().hold()
    pool.redis.zadd(keys.leases("default"), {f"job-3:{lease.execution}": pool.now_ms() - 1})
    told = {(taken.job_id, taken.word) for taken in pool.reap().reclaimed}
    assert told == {("job-1", "reclaimed"), ("job-2", "removed"), ("job-3", "reclaimed")}
    assert pool.places("job-1") == pool.places("job-3") == ["queue default"]
    assert (pool.record("job-2")["status"], pool.redis.exists(keys.wip("default"))) == ("finished", 0)
