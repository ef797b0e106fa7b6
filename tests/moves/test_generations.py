"""A job lives from an enqueue to an end, again and again; each attempt has a fence above the last."""

import pytest
from rq import Callback, Repeat, Retry

from holdfast.jobs.retry import Exponential
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Annotated, Completed, First


def end(move, **options):
    return lambda pool, worker: getattr(worker, move)(worker.hold(), **options)


def enqueue_again(pool, worker):
    pool.enqueue()


def requeue(pool, worker):
    Job.fetch("job-1", connection=pool.redis).requeue()


def reclaim(pool, worker):
    pool.time_passes(10_001)
    pool.reap()


@pytest.mark.parametrize(
    ("settle", "then", "generation"),
    [
        pytest.param(end("complete"), enqueue_again, "2", id="enqueued after a success it lives anew"),
        pytest.param(end("complete", repeat_ms=0), None, "2", id="each repeat is a life of its own"),
        pytest.param(end("bury"), enqueue_again, "2", id="enqueued after a failure it lives anew"),
        pytest.param(end("complete", result_ttl=0), enqueue_again, "1", id="what was not kept is not remembered"),
        pytest.param(end("bury"), requeue, "1", id="requeued by a person it goes on"),
        pytest.param(end("postpone"), None, "1", id="a retry goes on"),
        pytest.param(end("crash"), None, "1", id="after a crash it goes on"),
        pytest.param(end("give_back"), None, "1", id="given back it goes on"),
        pytest.param(lambda pool, worker: worker.hold(), reclaim, "1", id="reclaimed it goes on"),
    ],
)
def test_a_generation_lasts_from_an_enqueue_to_an_end(pool, settle, then, generation):
    """Whether a job lives on or anew decides whether its effects take place again."""
    pool.enqueue(repeat=Repeat(times=3))
    worker = pool.worker()
    settle(pool, worker)
    if then:
        then(pool, worker)
    assert worker.hold().generation == generation


def test_a_new_generation_forgets_the_old_ones_effects_and_counts(pool):
    """A nightly job with a fixed id acts every night."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.moves.commit_effect(held, "charge", b"paid")
    worker.crash(held)
    worker.give_back(worker.hold())
    worker.complete(worker.hold())
    pool.enqueue()
    held = worker.hold()
    after = {"hf_crashes": "0", "hf_failures": "0", "hf_executions": "1", "hf_given_back": None}
    assert pool.state("job-1", *after) == after
    assert worker.moves.begin_effect(held, "charge") == First()


def test_a_requeue_by_a_person_gives_both_budgets_back(pool):
    """They have looked at it, and give it another chance; what took place before stays."""
    pool.enqueue(retry=Retry(max=2))
    worker = pool.worker()
    worker.crash(worker.hold())
    held = worker.hold()
    worker.moves.commit_effect(held, "charge", b"paid")
    worker.postpone(held, used=["retries_left", 1])
    worker.bury(worker.hold())
    requeue(pool, worker)
    worker.hold()
    after = {"hf_crashes": "0", "hf_failures": "0", "retries_left": "2", "hf_dead": None, "hf_ended": None}
    assert pool.state("job-1", *after) == after
    assert pool.record()["hf_effect:charge"].startswith("done")


def test_a_repeat_begins_with_all_its_retries(pool):
    """What one night used up is not missing in the next."""
    pool.enqueue(repeat=Repeat(times=2), retry=Retry(max=3))
    worker = pool.worker()
    worker.postpone(worker.hold(), used=["retries_left", 2])
    worker.complete(worker.hold(), repeat_ms=0, repeats_left=1)
    worker.hold()
    assert pool.state("job-1", "retries_left") == {"retries_left": "3"}


def test_who_is_handed_a_job_anew_is_handed_its_record_as_it_is_now(pool):
    """A stock producer enqueues what it read after two failures: they, too, belong to the generation that is over."""
    pool.enqueue(retry=Retry(max=3))
    worker = pool.worker()
    worker.complete(worker.hold())
    pool.redis.hset(keys.job("job-1"), mapping={"status": "queued", "number_of_retries": 2, "retries_left": 1})
    pool.redis.rpush(keys.queue("default"), "job-1")
    record = worker.claim().record
    kept = pool.redis.hgetall(keys.job("job-1"))
    assert record == kept
    assert (kept[b"retries_left"], kept.get(b"number_of_retries")) == (b"3", None)


def test_each_fence_is_above_the_last(pool):
    """INV-03: a store that compares them can refuse the older holder."""
    pool.enqueue()
    fences = []
    for _ in range(3):
        worker = pool.worker()
        held = worker.hold()
        fences.append(held.fence)
        worker.give_back(held)
    assert fences == sorted(set(fences))
    assert fences[-1] < 2**53


def test_a_fence_is_above_the_last_though_the_servers_clock_went_back(pool):
    """INV-03, FM-018: a failover to a server whose clock is behind."""
    pool.enqueue()
    ahead = pool.now_ms() * 1_000 + 60_000_000
    pool.redis.hset(keys.job("job-1"), "hf_fence", ahead)
    assert pool.worker().hold().fence == ahead + 1


def test_a_fence_is_above_the_last_of_an_id_whose_record_was_not_kept(pool):
    """INV-03: result_ttl=0 deletes the record, and the clock goes back before the id is used again."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.complete(held, result_ttl=0)
    pool.time_passes(-60_000)
    pool.enqueue()
    assert pool.worker().hold().fence > held.fence


def test_a_fence_is_above_all_its_worker_ever_saw(pool):
    """INV-03, FM-019: the server forgot its last second and runs behind; the worker remembers."""
    pool.enqueue()
    worker = pool.worker()
    worker.seen_fence = pool.now_ms() * 1_000 + 60_000_000
    assert worker.hold().fence == worker.seen_fence > pool.now_ms() * 1_000


def test_what_has_become_of_an_earlier_generation_is_not_said_of_the_next(pool):
    """An id that ran and is enqueued again has not started, has not ended, and is in nobody's hands."""
    pool.enqueue(on_success=Callback("shop.told"), group_id="g")
    worker = pool.worker()
    worker.complete(worker.hold())
    pool.enqueue()
    gone = ["started_at", "ended_at", "last_heartbeat", "worker_name", "success_callback_name", "group_id"]
    assert pool.state("job-1", *gone) == dict.fromkeys(gone)


OPTIONS = {
    "retry": Retry(max=2),
    "repeat": Repeat(times=3, interval=0),
    "crashes": 0,
    "result_ttl": 1,
    "failure_ttl": 7,
}
TOLD = ("retries_left", "repeats_left", "hf_crashes_max", "result_ttl", "failure_ttl", "failure_callback_name", "meta")


def test_a_job_enqueued_again_while_it_runs_is_told_only_what_the_second_enqueue_said(pool):
    """As when the first had ended: RQ's options are of one enqueue."""
    pool.enqueue(on_failure=Callback("shop.tell"), meta={"order": 1}, **OPTIONS)
    worker = pool.worker()
    held = worker.hold()
    pool.enqueue(failure_ttl=9)
    worker.complete(held)
    record = pool.record()
    assert {name: record[name] for name in TOLD if name in record} == {"failure_ttl": "9"}


@pytest.mark.parametrize(("at_front", "line"), [(False, ["job-2", "job-1"]), (True, ["job-1", "job-2"])])
def test_a_job_enqueued_again_while_it_runs_goes_where_it_was_to_go(pool, at_front, line):
    """To the front if so asked; and may wait there for as long as it was given."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.enqueue("job-2")
    pool.enqueue(at_front=at_front, ttl=60)
    pool.time_passes(9_000)
    worker.complete(held)
    assert (pool.line(), pool.redis.ttl(keys.job("job-1"))) == (line, 60)


def test_an_id_whose_last_record_was_not_kept_is_unique(pool):
    """As in RQ, where that is asked of the record: what its end has left for a while is none."""
    pool.enqueue(unique=True)
    worker = pool.worker()
    worker.complete(worker.hold(), result_ttl=0)
    pool.enqueue(unique=True)
    assert pool.line() == ["job-1"]


def test_what_a_person_canceled_as_it_ran_and_a_producer_enqueued_since_runs_once_more(pool):
    """Decision 6, INV-01: the enqueue came last. As from a stock producer, it is to run when this run is over."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    Job.fetch("job-1", connection=pool.redis).cancel()
    pool.enqueue()
    assert worker.complete(held) == Completed()
    assert pool.state("job-1", "status", "place") == {"status": "queued", "place": "queue default"}


def test_what_a_job_writes_of_itself_is_not_written_over_its_next_generation(pool):
    """`job.save()` writes all of a record that was read before a producer gave the id other arguments."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    assert worker.annotate(held, "meta", "mine") == Annotated()
    pool.enqueue(meta={"order": 2})
    written = pool.record()["data"], pool.record()["meta"]
    assert worker.annotate(held, "data", "old", "meta", "old") == Annotated()
    worker.complete(held)
    assert (pool.record()["data"], pool.record()["meta"]) == written


@pytest.mark.parametrize("at_work", [False, True])
def test_one_that_is_fetched_and_put_in_line_again_keeps_what_only_we_know_of_it(pool, at_work):
    """INV-09: as rq-scheduler does. RQ's Job has no place for `crashes=0`; a new job of the id begins anew."""
    pool.enqueue(crashes=0, retry=Exponential(max=1, base=5))
    if at_work:
        pool.worker().hold()
    told = pool.state("job-1", "hf_crashes_max", "hf_jitter")
    assert told["hf_crashes_max"] == "0"
    assert told["hf_jitter"] is not None
    pool.queue().enqueue_job(Job.fetch("job-1", connection=pool.redis))
    assert pool.state("job-1", *told) == told
    pool.time_passes(1_000)
    pool.enqueue()
    assert pool.state("job-1", *told) == dict.fromkeys(told)
