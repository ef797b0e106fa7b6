"""Under a key of one job stands something of another type: that job lives with it, and nobody else hears of it."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Completed, Rescued
from holdfast.jobs.store.people import People, Wish

PATIENCE_MS = 60_000


def spoil_executions(pool, job_id="job-1"):
    pool.redis.set(keys.executions(job_id), "x")


@pytest.fixture
def line_of_three(pool):
    """Give a pool with a job in line whose executions are no set, between two others."""
    for job_id in ("before", "job-1", "behind"):
        pool.enqueue(job_id)
    spoil_executions(pool)
    return pool


def test_a_job_whose_executions_are_no_set_is_claimed_like_any_other(line_of_three):
    """INV-01, LIV-03: the claim had taken it out of line, and ended its worker."""
    pool, worker = line_of_three, line_of_three.worker()
    for job_id in ("before", "job-1", "behind"):
        held = worker.hold()
        assert held.job_id == job_id
        assert pool.redis.zrange(keys.executions(job_id), 0, -1) == [held.execution.encode()]
        assert worker.complete(held) == Completed()


def test_those_taken_with_it_are_taken(line_of_three):
    """INV-01: what a claim of several had taken before it was in no place."""
    worker = line_of_three.worker()
    assert [each.lease.job_id for each in worker.claim_some(3)] == ["before", "job-1", "behind"]
    turned = worker.turn(*(each.lease for each in worker.claim_some(3, op=1)), want=0)
    assert turned.said == (Completed(),) * 3


@pytest.mark.parametrize("move", ["complete", "bury", "crash", "postpone", "give_back"])
def test_executions_that_are_spoilt_at_work_do_not_keep_a_job_from_its_end(pool, move):
    """LIV-03: whatever its holder says of it, it is let go."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    spoil_executions(pool)
    getattr(worker, move)(held)
    assert len(pool.places("job-1")) == 1
    assert not pool.redis.exists(keys.executions("job-1"), keys.leases("default"), keys.wip("default"))


def test_a_dead_workers_job_comes_back_although_its_executions_are_no_set(pool):
    """LIV-02: each worker that looked would end, and nobody took anything back from the dead."""
    for job_id in ("job-1", "job-2"):
        pool.enqueue(job_id)
        pool.worker().hold()
    spoil_executions(pool)
    pool.time_passes(10_001)
    assert [taken.word for taken in pool.reap().reclaimed] == ["reclaimed"] * 2
    assert sorted(pool.line()) == ["job-1", "job-2"]


def test_a_job_in_nobodys_hands_is_put_back_although_its_executions_are_no_set(pool):
    """INV-01: the orphans chore asks them whether a stock worker has it."""
    pool.enqueue()
    pool.worker().hold()
    spoil_executions(pool)
    pool.redis.delete(keys.leases("default"), keys.wip("default"))
    pool.rescue()
    pool.time_passes(PATIENCE_MS)
    assert pool.rescue() == (Rescued("job-1", "default", "hands"),)


def test_a_person_requeues_a_job_whose_executions_are_no_set(pool):
    """It is in nobody's hands."""
    pool.enqueue()
    Job.fetch("job-1", connection=pool.redis).cancel()
    spoil_executions(pool)
    People(pool.scripts).requeue([Wish(job_id="job-1", op="a1")], asked_s=0)
    assert pool.places("job-1") == ["queue default"]
