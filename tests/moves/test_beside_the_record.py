"""What a move does beside the job's record: other places, those who wait, who listens, and what a worker is seen at."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Empty, Rescued
from holdfast.jobs.store.work import Stint
from tests.moves.pool import PATIENCE_MS

STINT = Stint(10, 12)


@pytest.mark.parametrize("place", [keys.failed, keys.canceled, keys.deferred, keys.scheduled, keys.finished])
@pytest.mark.parametrize("take", ["claim", "turn"])
def test_what_is_taken_stands_nowhere_else(pool, place, take):
    """INV-02: a stock producer leaves an id listed where it ended under a stock worker."""
    worker = pool.worker()
    pool.enqueue("first")
    lease = worker.hold()
    pool.redis.zadd(place("default"), {"job-1": pool.now_ms() / 1_000 + 3_600})
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    worker.claim() if take == "claim" else worker.turn(lease)
    assert pool.places("job-1") == ["leases default"]


def test_who_waits_for_more_is_known_no_longer_than_what_has_finished(pool):
    """A child of two parents: of the first, nothing is left for ever."""
    for name in ("first", "second"):
        pool.enqueue(name)
    pool.enqueue("child", depends_on=["first", "second"])
    worker = pool.worker()
    worker.complete(worker.hold(), result_ttl=500)
    assert pool.redis.ttl(keys.dependents("first")) == 500


def test_a_failure_that_no_list_names_keeps_its_record(pool):
    """--disable-default-exception-handler: also where failures are not to be kept; a person may look at it."""
    pool.enqueue(failure_ttl=0)
    worker = pool.worker()
    held = worker.hold()
    worker.moves.bury(held, worker.op + 1, STINT, cause="failures", error="boom", is_listed=False)
    assert pool.record()["status"] == "failed"
    assert pool.places("job-1") == []


def test_a_worker_is_seen_at_the_job_that_it_still_has(pool):
    """Of two in hand the second is given back: RQ's tools name the first."""
    pool.enqueue("first")
    pool.enqueue("second")
    worker = pool.worker()
    first, second = (claimed.lease for claimed in worker.claim_some(2))
    worker.give_back(second)
    assert pool.redis.hget(keys.worker("w1"), "current_job") == first.job_id.encode()


def test_who_listened_and_takes_a_job_listens_no_more(pool):
    """LIV-03: another is woken to listen in his place."""
    worker = pool.worker()
    claim = worker.moves.begin_claim(1, ("default",), seen_fence=0, listens=False, stands=False)
    claim.answer()
    assert pool.redis.exists(keys.listener("default"))
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    worker.moves.begin_claim(2, ("default",), seen_fence=0, listens=True, stands=False).answer()
    assert pool.places("job-1") == ["leases default"]
    assert not pool.redis.exists(keys.listener("default"))
    assert pool.redis.llen(keys.bell("default")) == 1


def test_a_queue_that_somebody_asks_is_one_where_chores_look(pool):
    """INV-01: also if RQ forgets it."""
    assert isinstance(pool.worker().claim("low"), Empty)
    assert pool.redis.smembers(keys.leased()) == {b"low"}


def test_what_is_to_wait_for_another_when_its_run_is_over_says_so(pool):
    """Decision 6: enqueued again as it ran, behind a job that has not ended."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    pool.enqueue("before", queue="other")
    pool.enqueue(depends_on="before")
    worker.complete(lease)
    assert (pool.record()["status"], pool.places("job-1")) == ("deferred", ["deferred default"])


def test_what_is_put_off_is_not_missed_in_line(pool):
    """INV-12: an app has saved an object that says `queued`."""
    pool.enqueue()
    stale = Job.fetch("job-1", connection=pool.redis)
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=3_600_000)
    stale.save()
    for _ in range(3):
        assert pool.rescue() == ()
        pool.time_passes(PATIENCE_MS)
    assert pool.places("job-1") == ["scheduled default"]


def test_a_child_that_is_in_no_list_waits_on_while_its_parent_has_not_ended(pool):
    """INV-01: it is put back among those that wait, and not in line."""
    pool.enqueue("parent", queue="other")
    pool.enqueue(depends_on="parent")
    pool.redis.delete(keys.deferred("default"))
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "deferred"),)
    assert pool.places("job-1") == ["deferred default"]


def test_who_is_given_the_same_job_again_is_seen_at_it(pool):
    """Enqueued again as it ran, with nothing else in line: the turn that ends it takes it."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    pool.enqueue()
    worker.turn(lease)
    assert pool.places("job-1") == ["leases default"]
    assert pool.redis.hget(keys.worker("w1"), "current_job") == b"job-1"
