"""Under a key of one job stands something of another type: that job lives with it, and nobody else hears of it."""

from datetime import timedelta

import pytest
from rq.job import Dependency

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Completed, PassedOver, Promoted, Rescued
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


@pytest.mark.parametrize("move", ["complete", "turn", "bury", "crash"])
def test_a_job_whose_results_are_no_stream_ends_with_its_own(pool, move):
    """INV-02: it was in nobody's hands, and in no place."""
    pool.enqueue(crashes=0)
    worker = pool.worker()
    held = worker.hold()
    pool.redis.set(keys.results("job-1"), "x")
    getattr(worker, move)(held)
    assert len(pool.places("job-1")) == 1
    assert pool.redis.xlen(keys.results("job-1")) == 1
    assert not pool.redis.exists(keys.leases("default"), keys.wip("default"))


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


def words(told):
    return [(taken.job_id, taken.word) for taken in told.reclaimed]


def test_a_dead_workers_job_whose_record_is_none_does_not_stand_before_the_others(pool):
    """LIV-02: it is passed over, told of, and looked at again a minute later; the others come back."""
    entries = []
    for job_id in ("job-1", "job-2"):
        pool.enqueue(job_id)
        entries.append(f"{job_id}:{pool.worker().hold().execution}")
    pool.redis.set(keys.job("job-1"), "x")
    pool.time_passes(10_001)
    told = pool.reap()
    assert words(told) == [("job-2", "reclaimed")]
    ((passed_over, why),) = [(found.job_id, found.why) for found in told.passed_over]
    assert (passed_over, "WRONGTYPE" in why) == (entries[0], True)
    assert pool.redis.zscore(keys.leases("default"), entries[0]) - pool.now_ms() == pytest.approx(60_000, abs=2_000)
    assert pool.reap().passed_over == ()
    pool.redis.delete(keys.job("job-1"))
    pool.redis.zadd(keys.leases("default"), {entries[0]: 1})
    assert words(pool.reap()) == [("job-1", "removed")]


def test_a_stock_workers_entry_that_cannot_be_read_does_not_stand_before_the_others(pool):
    """LIV-02: the same where stock workers leave their jobs."""
    pool.redis.sadd(keys.queues(), keys.queue("default"))
    pool.redis.zadd(keys.wip("default"), {"draft:e1": 1, "gone:e2": 2})
    pool.redis.set(keys.job("draft"), "x")
    told = pool.reap()
    assert (words(told), [found.job_id for found in told.passed_over]) == ([("gone", "removed")], ["draft:e1"])
    assert pool.redis.zscore(keys.wip("default"), "draft:e1") > pool.now_ms() / 1_000 + 50


@pytest.mark.parametrize("family", ["leases", "wip"])
def test_a_queue_whose_leases_are_no_set_is_no_other_queues_affair(pool, family):
    """LIV-02: all that come after it by name would never be looked at."""
    pool.enqueue("job-1", "b")
    pool.worker().hold("b")
    pool.redis.sadd(keys.queues(), keys.queue("a"))
    pool.time_passes(10_001)
    pool.redis.set(keys.FAMILIES[family]("a"), "x")
    assert words(pool.reap()) == [("job-1", "reclaimed")]


def spoil_a_head(pool):
    pool.redis.set(keys.job("draft"), "x")
    pool.redis.lpush(keys.queue("archive"), "draft")


def spoil_a_line(pool):
    pool.redis.delete(keys.queue("archive"))
    pool.redis.set(keys.queue("archive"), "x")


def spoil_what_is_taken(pool):
    pool.redis.set(keys.job("draft"), "x")
    pool.redis.rpush(keys.intermediate("archive"), "draft")


def spoil_an_intermediate(pool):
    pool.redis.set(keys.intermediate("archive"), "x")


def spoil_what_is_scheduled(pool):
    pool.redis.set(keys.scheduled("archive"), "x")
    pool.redis.hset(keys.job("later"), "status", "scheduled")


@pytest.mark.parametrize(
    "spoil", [spoil_a_head, spoil_a_line, spoil_what_is_taken, spoil_an_intermediate, spoil_what_is_scheduled]
)
def test_what_a_person_spoilt_in_one_queue_does_not_hide_a_lost_job_of_another(pool, spoil):
    """INV-01, LIV-03: the look through all records would end worker after worker, of whatever queue."""
    pool.stock_queue("archive").enqueue("shop.fulfil", job_id="later")
    pool.enqueue()
    pool.redis.lpop(keys.queue("default"))
    pool.rescue()
    pool.time_passes(PATIENCE_MS)
    spoil(pool)
    found = pool.rescue()
    assert Rescued("job-1", "default", "line") in found
    assert pool.line() == ["job-1"]
    assert {each.job_id for each in found if isinstance(each, PassedOver)} <= {"draft", "later"}
    assert not pool.redis.exists(keys.orphans())


def test_what_is_due_and_no_record_is_dropped_with_a_note_and_the_others_are_promoted(pool):
    """FM-027, INV-12: as where a claim meets it in line."""
    pool.redis.set(keys.job("job-1"), "x")
    pool.redis.zadd(keys.scheduled("default"), {"job-1": 1})
    pool.queue().enqueue_in(timedelta(seconds=1), "shop.fulfil", job_id="job-2")
    pool.time_passes(1_001)
    assert pool.promote() == Promoted(1, 2)
    assert (pool.places("job-1"), pool.line()) == ([], ["job-2"])
    assert len(pool.redis.lrange(keys.ghosts(), 0, -1)) == 1


def test_a_queue_whose_schedule_is_no_set_is_no_other_queues_affair(pool):
    """LIV-02: nothing that is due in those after it by name would ever go in line."""
    pool.queue("b").enqueue_in(timedelta(seconds=1), "shop.fulfil", job_id="job-1")
    pool.redis.sadd(keys.queues(), keys.queue("a"))
    pool.time_passes(1_001)
    pool.redis.set(keys.scheduled("a"), "x")
    assert pool.promote() == Promoted(1, 1)
    assert pool.line("b") == ["job-1"]


def spoil_a_child(pool):
    pool.redis.set(keys.job("child"), "x")


def spoil_who_waits(pool):
    pool.redis.set(keys.dependents("job-1"), "x")


def spoil_what_a_child_waits_for(pool):
    pool.redis.set(keys.dependencies("child"), "x")


def spoil_what_a_child_waits_for_besides(pool):
    pool.redis.sadd(keys.dependencies("child"), "another")
    pool.redis.set(keys.job("another"), "x")


@pytest.mark.parametrize("move", ["complete", "turn", "bury"])
@pytest.mark.parametrize(
    "spoil", [spoil_a_child, spoil_who_waits, spoil_what_a_child_waits_for, spoil_what_a_child_waits_for_besides]
)
def test_a_job_ends_although_something_of_those_who_wait_for_it_is_of_another_type(pool, move, spoil):
    """INV-02: it had ended by its record, and was in no place; and its other children went on waiting."""
    pool.enqueue()
    for job_id in ("child", "sibling"):
        pool.enqueue(job_id, depends_on=Dependency("job-1", allow_failure=True))
    worker = pool.worker()
    held = worker.hold()
    spoil(pool)
    getattr(worker, move)(held)
    assert pool.places("job-1") == ["failed default" if move == "bury" else "finished default"]
    if spoil is not spoil_who_waits:
        assert pool.record("sibling")["status"] in {"queued", "started"}
