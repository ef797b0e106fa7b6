"""started -> queued: a worker that must stop hands its job back, and no attempt is burned."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.outcomes import Buried, GivenBack


def held(pool, **options):
    pool.enqueue(**options)
    worker = pool.worker()
    return worker, worker.hold()


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_given_back_has_lost_nothing(pool, begun):
    """FM-044: a deploy is nobody's failure, whether or not the body had begun."""
    worker, lease = held(pool)
    assert worker.give_back(lease, begun=begun) == GivenBack()
    after = {
        "status": "queued",
        "place": "queue default",
        "worker_name": "",
        "hf_crashes": "0",
        "hf_failures": "0",
        "hf_lease": None,
        "ttl_s": None,
    }
    assert pool.state("job-1", *after) == after


def test_a_job_is_given_back_to_the_front_once(pool):
    """It had its turn; but one whose body hangs at each stop must not hold the queue's head for ever."""
    worker, lease = held(pool)
    pool.enqueue("other")
    worker.give_back(lease)
    assert pool.line() == ["job-1", "other"]
    worker.give_back(worker.hold())
    assert pool.line() == ["other", "job-1"]


def test_a_job_that_only_waited_keeps_its_place_however_often_it_is_given_back(pool):
    """It stood behind a slow one in its worker's hands: no fault of its own, so it may still go to the front once."""
    worker, lease = held(pool)
    pool.enqueue("other")
    for _ in range(3):
        worker.give_back(lease, waited=True)
        assert pool.line() == ["job-1", "other"]
        lease = worker.hold()
    worker.give_back(lease)
    assert pool.line() == ["job-1", "other"]


@pytest.mark.parametrize("where", ["this job's own", "the pool's"])
def test_a_job_that_may_run_once_and_has_begun_is_buried(pool, where):
    """At most once means that no one can know whether it did: a person must look."""
    wish = {"crashes": 0}
    if where == "the pool's":
        pool.settings, wish = Settings(crashes=0), {}
    worker, lease = held(pool, **wish)
    assert worker.give_back(lease, begun=True) == Buried()
    after = {"status": "failed", "place": "failed default", "hf_dead": "interrupted"}
    assert pool.state("job-1", *after) == after
    told = Job.fetch("job-1", connection=pool.redis).latest_result().exc_string
    assert "at most once" in told


def test_a_job_that_may_run_once_and_has_not_begun_is_given_back(pool):
    """Nothing has been done yet, so nothing could be done twice."""
    worker, lease = held(pool, crashes=0)
    assert worker.give_back(lease, begun=False) == GivenBack()
    assert pool.state("job-1", "place") == {"place": "queue default"}


def test_a_job_that_may_run_once_is_buried_whatever_was_enqueued_meanwhile(pool):
    """FM-050: the new generation runs; what became of the old one is not forgotten."""
    worker, lease = held(pool, crashes=0)
    pool.enqueue(crashes=0)
    assert worker.give_back(lease, begun=True) == Buried()
    assert pool.state("job-1", "place") == {"place": "queue default"}
    assert worker.hold().generation == "2"
