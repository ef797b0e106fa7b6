"""failed, stopped, canceled -> queued: a person gives another chance, in one move that may come twice."""

import pytest
from rq import Retry

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Dropped, Kept, Requeued
from holdfast.jobs.store.people import People, Wish

ASKED_S = 1_800_000_000.0


@pytest.fixture
def requeue(pool):
    """Give a function that asks for a requeue of one job, and gives the answer."""

    def ask(job_id="job-1", op="a1", **more):
        [answer] = People(pool.scripts).requeue([Wish(job_id=job_id, op=op)], asked_s=ASKED_S, **more)
        return answer

    return ask


def bury(pool, job_id="job-1", status="failed", **options):
    pool.enqueue(job_id, **options)
    worker = pool.worker()
    held = worker.hold()
    worker.bury(held, status=status)
    return worker, held


def cancel(pool):
    Job.fetch("job-1", connection=pool.redis).cancel()


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_what_ended_badly_is_in_line_again_and_kept_for_ever(pool, requeue, status):
    """In one place, with no expiry left from its end, and no cause of death on it."""
    bury(pool, status=status, failure_ttl=600)
    assert requeue() == Requeued("job-1", "default")
    after = {"status": "queued", "place": "queue default", "ttl_s": None, "hf_dead": None, "ended_at": None}
    assert pool.state("job-1", *after) == after
    assert pool.redis.ttl(keys.results("job-1")) == -1
    assert pool.journal()[-1] == f"requeue person {status}"


def test_an_idle_worker_is_woken_for_what_is_requeued(pool, requeue):
    """Else it would wait for its next look."""
    bury(pool)
    pool.redis.delete(keys.bell("default"))
    requeue()
    assert pool.redis.llen(keys.bell("default")) == 1


def test_a_queue_that_rq_has_forgotten_is_known_again(pool, requeue):
    """Else its tools and its schedulers would not look at the line."""
    bury(pool)
    pool.redis.srem(keys.queues(), keys.queue("default"))
    requeue()
    assert pool.redis.smembers(keys.queues()) == {keys.queue("default").encode()}


def test_a_canceled_job_is_in_line_again(pool, requeue):
    """It had never run: it begins its first generation, and knows of no failure."""
    pool.enqueue()
    cancel(pool)
    assert requeue() == Requeued("job-1", "default")
    assert pool.places("job-1") == ["queue default"]
    assert pool.worker().hold().generation == "1"


def test_both_budgets_are_new_and_what_took_place_stays_so(pool, requeue):
    """The person has looked at it; the bank has been paid all the same."""
    pool.enqueue(retry=Retry(max=2))
    worker = pool.worker()
    worker.crash(worker.hold())
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.moves.commit_effect(held, "charge", b"paid")
    worker.postpone(held, used=["retries_left", 1])
    worker.postpone(worker.hold(), used=["number_of_retries", 1])
    worker.bury(worker.hold())
    requeue()
    held = worker.hold()
    after = {"hf_crashes": "0", "hf_failures": "0", "retries_left": "2", "hf_generation": "1"}
    assert pool.state("job-1", *after) == after
    assert pool.record()["hf_effect:charge"].startswith("done")
    assert "number_of_retries" not in pool.record()


def test_a_job_canceled_after_a_crash_gets_its_crashes_back(pool, requeue):
    """RQ's cancel writes no word of ours on the record: the requeue must."""
    pool.enqueue()
    worker = pool.worker()
    worker.crash(worker.hold())
    cancel(pool)
    requeue()
    worker.hold()
    after = {"hf_crashes": "0", "hf_generation": "1"}
    assert pool.state("job-1", *after) == after


def test_what_a_stock_worker_failed_is_requeued_too(pool, requeue):
    """It has none of our fields."""
    job = pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.lpop(keys.queue("default"))
    job.set_status("failed")
    job.failed_job_registry.add(job, ttl=600)
    assert requeue() == Requeued("job-1", "default")
    assert pool.places("job-1") == ["queue default"]
    assert pool.worker().hold().generation == "1"


def test_what_a_requeue_of_rqs_left_in_no_place_is_found_again(pool, requeue):
    """FM-050: five requests, and its sender died after the first."""
    bury(pool)
    pool.redis.zrem(keys.failed("default"), "job-1")
    assert requeue() == Requeued("job-1", "default")
    assert pool.places("job-1") == ["queue default"]


@pytest.mark.parametrize("then", [None, "claim", "complete", "bury"])
def test_a_requeue_sent_twice_puts_it_in_line_once(pool, requeue, then):
    """FM-008: the reply was lost, and meanwhile the job may be anywhere: even dead again."""
    worker, _ = bury(pool)
    requeue()
    if then:
        held = worker.hold()
        if then != "claim":
            getattr(worker, then)(held)
    with pool.nothing_changes():
        assert requeue() == Requeued("job-1", "default")


def test_the_next_wish_is_another(pool, requeue):
    """It failed again, and somebody tries again."""
    worker, _ = bury(pool)
    requeue(op="a1")
    worker.bury(worker.hold())
    assert requeue(op="a2") == Requeued("job-1", "default")
    assert pool.places("job-1") == ["queue default"]


@pytest.mark.parametrize(
    ("status", "reach"),
    [
        ("queued", lambda pool: pool.enqueue()),
        ("scheduled", lambda pool: (pool.enqueue(), pool.worker().postpone(pool.worker().hold(), delay_ms=5_000))),
        ("finished", lambda pool: (pool.enqueue(), pool.worker().complete(pool.worker().hold()))),
    ],
)
def test_what_has_not_ended_badly_is_left_alone(pool, requeue, status, reach):
    """A job that is in line would be in line twice."""
    reach(pool)
    with pool.nothing_changes():
        assert requeue() == Kept("job-1", "not_ended", (status,))


def test_what_somebody_works_on_is_left_alone(pool, requeue):
    """INV-02: also when a stock tool has canceled it, and its holder has not heard."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    assert requeue() == Kept("job-1", "running", ())
    cancel(pool)
    with pool.nothing_changes():
        assert requeue() == Kept("job-1", "running", ())
    worker.renew(held)
    assert requeue() == Requeued("job-1", "default")


def test_what_a_stock_worker_works_on_is_left_alone(pool, requeue):
    """It has no lease, but an execution that is not overdue."""
    pool.enqueue()
    pool.redis.lpop(keys.queue("default"))
    pool.redis.zadd(keys.executions("job-1"), {"e1": pool.now_ms() / 1_000 + 120})
    pool.redis.zadd(keys.wip("default"), {"job-1:e1": pool.now_ms() / 1_000 + 60})
    cancel(pool)
    assert requeue() == Kept("job-1", "running", ())
    pool.redis.zadd(keys.wip("default"), {"job-1:e1": pool.now_ms() / 1_000 - 1})
    assert requeue() == Requeued("job-1", "default")


def test_an_effect_in_doubt_keeps_a_job_where_it_is(pool, requeue):
    """INV-07: the next attempt would only meet the same doubt; each effect is named, those that are done are not."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    for name in ("mail", "charge", "pack"):
        worker.moves.begin_effect(held, name)
    worker.moves.commit_effect(held, "pack", b"")
    worker.bury(held, cause="in_doubt")
    with pool.nothing_changes():
        assert requeue() == Kept("job-1", "in_doubt", ("charge", "mail"))
    people = People(pool.scripts)
    people.resolve_effect(Wish(job_id="job-1", op="s1"), "charge", happened=True)
    people.resolve_effect(Wish(job_id="job-1", op="s2"), "mail", happened=False)
    assert requeue() == Requeued("job-1", "default")


def test_a_field_that_only_reads_like_a_doubt_is_none(pool, requeue):
    """What a producer writes may begin with any word."""
    bury(pool, description="intent to pay")
    assert requeue() == Requeued("job-1", "default")


def test_a_job_whose_code_settles_doubts_goes_in_line_with_them(pool, requeue):
    """Its on_doubt= asks the outside: the marker is there for it."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.bury(held)
    assert requeue(even_in_doubt=True) == Requeued("job-1", "default")
    assert pool.record()["hf_effect:charge"].startswith("intent")


@pytest.mark.parametrize("half", [False, True], ids=["nothing", "half a record"])
def test_what_is_not_there_is_not_made(pool, requeue, half):
    """A misspelled id, or a record that Redis threw away but for a field."""
    if half:
        pool.redis.hset(keys.job("job-1"), "status", "failed")
    with pool.nothing_changes():
        assert requeue() == Kept("job-1", "none", ())


def test_many_are_requeued_in_one_round_trip(pool):
    """Each by itself: one that is kept does not keep the others."""
    for job_id in ("job-1", "job-2", "job-3"):
        bury(pool, job_id)
    people = People(pool.scripts)
    assert people.drop([Wish(job_id="job-2", op="d")]) == [Dropped("job-2", ())]
    wishes = [Wish(job_id=f"job-{n}", op=f"r{n}") for n in (1, 2, 3)]
    answers = people.requeue(wishes, asked_s=ASKED_S)
    assert answers == [Requeued("job-1", "default"), Kept("job-2", "none", ()), Requeued("job-3", "default")]
    assert pool.line() == ["job-1", "job-3"]
