"""none -> queued, scheduled: a job comes in once, however often it is sent."""

from datetime import timedelta

import pytest

from holdfast.jobs.rq_surface import DuplicateJobError, Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.entrance import Placement
from holdfast.jobs.store.outcomes import Duplicate, Queued, Scheduled
from tests.moves.pool import Worker

NEW = {"status": "queued", "place": "queue default", "ttl_s": None}


def put(pool, op="a1", job_id="job-1", **where):
    return pool.entrance.enqueue(
        Placement(queue="default", job_id=job_id, op=op, asked_s=pool.clock.wall_s(), key_horizon_ms=60_000, **where),
        ["data", "work", "created_at", f"made by {op}", "origin", "default"],
    )


def schedule(pool, job_id="job-1", **options):
    return pool.queue().enqueue_in(timedelta(seconds=5), "shop.fulfil", job_id=job_id, **options)


def complete(pool, **options):
    pool.enqueue()
    worker = pool.worker()
    worker.complete(worker.hold(), **options)


def bury(pool, **options):
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold(), **options)


def cancel(pool):
    pool.enqueue().cancel()


def defer(pool):
    parent = pool.enqueue("parent")
    pool.enqueue(depends_on=parent)
    pool.worker().hold()


@pytest.mark.parametrize(
    ("where", "says", "after"),
    [
        pytest.param({}, Queued("job-1"), NEW, id="a plain job goes in line and is kept until it ran"),
        pytest.param({"ttl": 30}, Queued("job-1"), NEW | {"ttl_s": 30}, id="RQ's ttl counts while it waits"),
        pytest.param({"ttl": 10**19}, Queued("job-1"), NEW, id="a ttl longer than Redis can count is for ever"),
        pytest.param(
            {"delay_ms": 2_000},
            Scheduled("job-1"),
            {"status": "scheduled", "place": "scheduled default", "due_ms": 2_000},
            id="a job with a delay waits for it by the server's clock",
        ),
        pytest.param(
            {"delay_ms": 0},
            Scheduled("job-1"),
            {"status": "scheduled", "place": "scheduled default"},
            id="no delay, too, waits for the promoter, as in RQ",
        ),
        pytest.param(
            {"delay_ms": -5_000},
            Scheduled("job-1"),
            {"status": "scheduled", "place": "scheduled default"},
            id="a delay that has passed does, too",
        ),
        pytest.param(
            {"due_ms": 1},
            Scheduled("job-1"),
            {"status": "scheduled", "place": "scheduled default"},
            id="a moment that has passed does, too",
        ),
        pytest.param(
            {"due_ms": 4_000_000_000_000},
            Scheduled("job-1"),
            {"status": "scheduled", "place": "scheduled default", "ttl_s": None},
            id="a job is scheduled for its moment",
        ),
        pytest.param(
            {"delay_ms": 2_000, "ttl": 30},
            Scheduled("job-1"),
            {"status": "scheduled", "ttl_s": None},
            id="the ttl of a job that is not in line does not run",
        ),
    ],
)
def test_a_new_job_goes_where_it_is_due(pool, where, says, after):
    """From none, to the line or the scheduled set, with its record."""
    assert put(pool, **where) == says
    assert pool.state("job-1", *after) == after
    assert pool.redis.smembers(keys.queues()) == {b"rq:queue:default"}


def test_jobs_stand_in_the_order_in_which_they_came(pool):
    """First come, first served, but for those who ask for the front."""
    put(pool, "a", "first")
    put(pool, "b", "second")
    put(pool, "c", "hasty", at_front=True)
    assert pool.line() == ["hasty", "first", "second"]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(lambda pool: pool.enqueue(), id="in line"),
        pytest.param(schedule, id="scheduled"),
        pytest.param(complete, id="finished"),
        pytest.param(bury, id="failed"),
        pytest.param(lambda pool: bury(pool, status="stopped", cause="stopped"), id="stopped"),
        pytest.param(cancel, id="canceled"),
        pytest.param(defer, id="deferred"),
    ],
)
def test_an_id_enqueued_again_is_in_one_place(pool, before):
    """INV-02: it leaves the place where it was, whatever that was, and is kept again without an end."""
    before(pool)
    assert put(pool, "a2") == Queued("job-1")
    assert pool.state("job-1", *NEW) == NEW
    assert pool.state("job-1", "created_at") == {"created_at": "made by a2"}


def test_an_id_enqueued_again_goes_to_the_back(pool):
    """Its place in line is that of its last enqueue."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    pool.enqueue("job-1")
    assert pool.line() == ["job-2", "job-1"]


def test_an_id_enqueued_to_another_queue_leaves_the_first(pool):
    """INV-02: two lines with one id would run it twice."""
    pool.enqueue("job-1", "slow")
    pool.enqueue("job-1", "quick")
    assert pool.places("job-1") == ["queue quick"]


def test_an_id_enqueued_while_it_is_worked_on_waits_for_its_turn(pool):
    """FM-050: not beside itself. It runs again as a generation of its own, with what it was told last."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    assert put(pool, "a2") == Queued("job-1")
    running = {"status": "started", "place": "leases default", "hf_again": "1"}
    assert pool.state("job-1", *running) == running

    worker.complete(held)
    assert pool.state("job-1", *NEW) == NEW
    claimed = worker.claim()
    assert claimed.lease.generation == "2"
    assert claimed.record[b"created_at"] == b"made by a2"


def test_an_enqueue_of_a_held_id_leaves_what_the_record_says_of_the_work_going_on(pool):
    """A reaper and a person read there who holds it, and since when."""
    pool.enqueue()
    pool.worker("w1").hold()
    facts = ("status", "worker_name", "started_at", "last_heartbeat", "hf_lease", "hf_fence")
    before = pool.state("job-1", *facts)
    pool.enqueue(meta={"who": "Ada"})
    assert pool.state("job-1", *facts) == before


@pytest.mark.parametrize(
    "end",
    [
        *(
            pytest.param(getattr(Worker, name), id=name)
            for name in ("complete", "postpone", "bury", "give_back", "crash")
        ),
        pytest.param(lambda worker, held: worker.claim(), id="asked anew"),
        pytest.param(lambda worker, held: None, id="died"),
    ],
)
def test_an_id_enqueued_elsewhere_while_it_is_worked_on_goes_where_it_was_sent(pool, end):
    """INV-02: the producer named the queue, and whatever ends the lease puts the job there."""
    pool.enqueue("job-1", "slow")
    worker = pool.worker()
    held = worker.hold_unheard("slow")
    pool.enqueue("job-1", "quick")
    end(worker, held)
    pool.time_passes(10_001)
    pool.reap()
    assert pool.places("job-1") == ["queue quick"]
    pool.enqueue("job-1", "quick")
    assert pool.places("job-1") == ["queue quick"]


def test_what_an_earlier_generation_was_told_is_not_told_to_the_next(pool):
    """Its retries, its wish for the front and its budget were the producer's of that time."""
    schedule(pool, at_front=True, crashes=0, meta={"who": "Ada"}, result_ttl=9, failure_ttl=9, ttl=9)
    pool.enqueue()
    told = dict.fromkeys(["hf_crashes_max", "enqueue_at_front", "meta", "result_ttl", "failure_ttl", "ttl"])
    assert pool.state("job-1", *told) == told


def test_a_new_generation_does_not_wait_for_what_an_earlier_one_waited_for(pool):
    """INV-01: nobody waits any more for the parent of that time, which may never end."""
    pool.enqueue("never", "slow")
    pool.enqueue(depends_on="never")
    complete(pool)
    pool.enqueue("parent")
    pool.enqueue(depends_on="parent")
    worker = pool.worker()
    worker.complete(worker.hold())
    assert pool.line() == ["job-1"]


def test_an_enqueue_sent_twice_is_one(pool):
    """FM-008: the reply was lost and the same operation came again: nothing moves, not even in line."""
    assert put(pool) == Queued("job-1")
    put(pool, "other", "job-2")
    with pool.nothing_changes():
        assert put(pool) == Queued("job-1")


def test_a_scheduled_enqueue_sent_twice_is_one(pool):
    """The delay counts from the first sending."""
    assert put(pool, delay_ms=2_000) == Scheduled("job-1")
    pool.time_passes(1_000)
    with pool.nothing_changes():
        assert put(pool, delay_ms=2_000) == Scheduled("job-1")


def test_an_enqueue_that_was_due_already_is_answered_the_same_when_sent_again(pool):
    """INV-10: it is scheduled, whatever has become of it since."""
    first = put(pool, delay_ms=-5_000)
    pool.promote()
    assert [first, put(pool, delay_ms=-5_000)] == [Scheduled("job-1"), Scheduled("job-1")]
    assert pool.line() == ["job-1"]


@pytest.mark.parametrize("settle", [{"result_ttl": 500}, {"result_ttl": 0}], ids=["kept", "not kept"])
def test_an_enqueue_sent_twice_does_not_run_a_finished_job_again(pool, settle):
    """FM-010: the second sending comes after the job has run; a tombstone speaks for one that is not kept."""
    put(pool)
    worker = pool.worker()
    worker.complete(worker.hold(), **settle)
    with pool.nothing_changes():
        assert put(pool) == Queued("job-1")


def test_a_new_enqueue_of_a_job_that_left_a_tombstone_is_new(pool):
    """The tombstone names one enqueue, not the id."""
    put(pool)
    worker = pool.worker()
    worker.complete(worker.hold(), result_ttl=0)
    assert put(pool, "a2") == Queued("job-1")
    assert pool.state("job-1", *NEW) == NEW


def test_a_key_keeps_a_second_job_out_for_its_horizon(pool):
    """INV-11: the first job is the answer, and nothing is written."""
    put(pool, "a", "job-1", key="invoice-7")
    with pool.nothing_changes():
        assert put(pool, "b", "job-2", key="invoice-7") == Duplicate("job-1")
    pool.time_passes(61_000)
    assert put(pool, "c", "job-3", key="invoice-7") == Queued("job-3")


def test_a_key_holds_in_its_own_queue(pool):
    """Two teams may number their work alike."""
    pool.enqueue("job-1", "team-a", key="7")
    pool.enqueue("job-2", "team-b", key="7")
    assert pool.line("team-b") == ["job-2"]


def test_keys_of_two_queues_are_two_however_they_are_spelled(pool):
    """A colon stands in many names of queues and in many keys."""
    pool.queue("tenant").enqueue("shop.fulfil", job_id="job-1", key="mail:1")
    other = pool.queue("tenant:mail").enqueue("shop.fulfil", job_id="job-2", key="1")
    assert (other.id, pool.line("tenant:mail")) == ("job-2", ["job-2"])


def test_an_enqueue_with_a_key_sent_twice_finds_itself(pool):
    """A replay is told what the first was told, not that it is a duplicate of itself."""
    assert put(pool, key="invoice-7") == Queued("job-1")
    with pool.nothing_changes():
        assert put(pool, key="invoice-7") == Queued("job-1")


def test_a_unique_id_that_exists_is_refused(pool):
    """Nothing is written, neither for the id nor for the key that came with it."""
    put(pool)
    with pool.nothing_changes():
        assert put(pool, "b", unique=True, key="invoice-7") == Duplicate("job-1")
        with pytest.raises(DuplicateJobError):
            pool.enqueue(unique=True)


def test_a_unique_enqueue_sent_twice_is_not_refused(pool):
    """FM-008: it is unique beside itself."""
    assert put(pool, unique=True) == Queued("job-1")
    assert put(pool, unique=True) == Queued("job-1")


def test_a_bell_rings_once_for_any_number_of_jobs(pool):
    """It is a hint that wakes one worker, not a count."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    assert pool.redis.lrange(keys.bell("default"), 0, -1) == [b"1"]


def test_an_enqueue_after_a_success_keeps_its_own_failure(pool):
    """The success was to be kept for a short while; the next failure is a person's, for a year."""
    complete(pool, result_ttl=5)
    bury(pool)
    assert pool.redis.ttl(keys.results("job-1")) == pool.redis.ttl(keys.job("job-1")) == 365 * 24 * 3600
    assert Job.fetch("job-1", connection=pool.redis).latest_result().exc_string == "boom"
