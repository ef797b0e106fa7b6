"""started -> started: the holder pushes its deadline back, and writes on its job's record."""

from datetime import timedelta

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Annotated, Fenced, Lost, Renewed


def test_a_renewal_counts_from_the_servers_now(pool):
    """INV-05: the deadline moves, and is the one that the reaper reads."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.time_passes(4_000)
    renewed = worker.renew(held)
    assert renewed.deadline_ms - pool.now_ms() == pytest.approx(10_000, abs=500)
    assert pool.redis.zscore(keys.leases("default"), f"job-1:{held.execution}") == renewed.deadline_ms
    assert pool.redis.hget(keys.worker("w1"), "current_job_working_time") == b"1.500"


def test_a_renewed_lease_outlives_its_first_deadline(pool):
    """A body may run for hours as long as its parent renews."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    for _ in range(4):
        pool.time_passes(4_000)
        pool.reap()
        assert isinstance(worker.renew(held), Renewed)


def test_a_renewal_does_not_bring_back_a_lease_that_was_taken(pool):
    """FM-012: it slept past its deadline; someone newer holds the job, and then nobody."""
    pool.enqueue()
    slow, quick = pool.worker("slow"), pool.worker("quick")
    held = slow.hold()
    pool.time_passes(10_001)
    pool.reap()
    assert slow.renew(held) == Lost()
    newer = quick.hold()
    assert slow.renew(held) == Fenced(newer.fence)
    quick.complete(newer)
    assert slow.renew(held) == Fenced(newer.fence)


def test_a_lease_past_its_deadline_that_nobody_took_is_renewed(pool):
    """It slept, and no reaper came: the job is still its own."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.time_passes(60_000)
    assert isinstance(worker.renew(held), Renewed)


def test_an_annotation_is_on_the_record_that_stock_tools_read(pool):
    """What job.save_meta() becomes inside a horse."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    job = Job.fetch("job-1", connection=pool.redis)
    assert worker.annotate(held, "meta", job.serializer.dumps({"pages": 7})) == Annotated()
    assert job.get_meta() == {"pages": 7}


@pytest.mark.parametrize("move", ["renew", "complete", "give_back"])
def test_a_stock_enqueue_of_a_held_id_does_not_end_its_lease(pool, move):
    """FM-053: a stock producer knows nothing of leases; its wish is kept for after the settle."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.stock_queue().enqueue("shop.fulfil", "A-1", job_id="job-1")
    assert not isinstance(getattr(worker, move)(held), Lost)
    place = "leases default" if move == "renew" else "queue default"
    assert pool.state("job-1", "place") == {"place": place}


@pytest.mark.parametrize("status", ["canceled", "stopped", "finished", "failed"])
@pytest.mark.parametrize("move", ["renew", "complete", "give_back"])
def test_a_status_that_an_app_has_saved_by_itself_does_not_end_a_lease(pool, move, status):
    """FM-050: whoever ends a job lists it where such an end is listed; what only says so is an old object's word."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.redis.hset(keys.job("job-1"), "status", status)
    assert not isinstance(getattr(worker, move)(held), Lost)


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_the_end_of_a_stock_workers_run_of_the_same_id_is_not_the_end_of_ours(pool, status):
    """FM-053: it ran beside ours, and what it wrote of it is not left in a second place."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.redis.hset(keys.job("job-1"), "status", status)
    pool.redis.zadd(keys.FAMILIES[status]("default"), {"job-1": 2_000_000_000})
    assert not isinstance(worker.renew(held), Lost)
    assert not isinstance(worker.complete(held), Lost)
    assert pool.places("job-1") == ["finished default"]


def test_a_stock_enqueue_of_a_held_id_for_later_waits_until_the_settle(pool):
    """INV-02: beside its lease it is not put off as well, or the promoter would put it in line while it runs."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.stock_queue().enqueue_in(timedelta(days=1), "shop.fulfil", "A-1", job_id="job-1")
    worker.renew(held)
    assert pool.places("job-1") == ["leases default"]
    worker.complete(held)
    assert pool.places("job-1") == ["scheduled default"]


@pytest.mark.parametrize("way", ["before the settle", "before a claim", "just before the settle"])
def test_a_stock_enqueue_of_a_held_id_to_another_queue_goes_there_once(pool, way):
    """INV-02, FM-053: whoever notices it, the job is in one place, and that is where the producer wanted it."""
    pool.enqueue("job-1", "slow")
    worker = pool.worker()
    held = worker.hold("slow")
    pool.stock_queue("quick").enqueue("shop.fulfil", "A-1", job_id="job-1")
    if way == "before the settle":
        worker.renew(held)
    if way == "before a claim":
        pool.worker().claim("quick")
    worker.complete(held)
    assert pool.places("job-1") == ["queue quick"]


def test_how_long_one_job_worked_is_not_said_of_the_next(pool):
    """As in RQ: who watches a fleet would see an idle worker at a job for ever."""
    worker = pool.worker()

    def said():
        return pool.redis.hget(keys.worker("w1"), "current_job_working_time")

    for job_id in ("a", "b", "c"):
        pool.enqueue(job_id)
    held = worker.hold()
    worker.renew(held)
    assert float(said()) == 1.5
    [following] = worker.turn(held).next
    assert float(said()) == 0
    worker.renew(following.lease)
    worker.complete(following.lease)
    assert said() is None
    worker.hold()
    assert float(said()) == 0
