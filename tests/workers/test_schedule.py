"""Work that is not due yet waits, and work that is due does not."""

from datetime import UTC, datetime, timedelta

import pytest
import rq

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture(params=[rq.Queue, Queue], ids=["stock", "ours"])
def queue(request, redis):
    return request.param(connection=redis)


def claimed_ms(ledger, job):
    return [int(move["ms"]) for move in ledger.moves(job, "claim")]


@pytest.mark.parametrize("promoters", [1, 3])
def test_a_scheduled_job_runs_when_it_is_due_once_and_not_before(
    start_ready, redis, queue, wait_until, ledger, slow_ms, promoters
):
    """INV-11, INV-12, LIV-02, FM-038: by the server's clock; every worker promotes, and none twice."""
    for number in range(promoters):
        start_ready(name=f"w{number}")
    job = queue.enqueue_in(timedelta(seconds=1.5), "work.say", 1)
    # RQ's own queue keeps whole seconds only, so what stands there is what was asked for.
    due_ms = 1_000 * redis.zscore(keys.scheduled("default"), job.id)
    wait_until(lambda: ledger.status(job) == "finished")
    [started_ms] = claimed_ms(ledger, job)
    print(f"started {started_ms - due_ms:.0f} ms after it was due")
    assert 0 <= started_ms - due_ms <= 100 + 1_000 + slow_ms
    assert ledger.number(job, "hf_executions") == 1


def test_a_promoter_that_sleeps_holds_nobody_up_and_does_nothing_twice(
    start_ready, redis, queue, wait_until, ledger, slow_ms
):
    """FM-039, INV-11, LIV-02: it may have the fleet's turn as it freezes; the next one asks an interval later."""
    sleeper = start_ready(name="sleeper")
    start_ready(name="awake")
    sleeper.freeze_all()
    jobs = [queue.enqueue_in(timedelta(seconds=1.2), "work.say", number) for number in range(10)]
    due_ms = 1_000 * max(redis.zscore(keys.scheduled("default"), job.id) for job in jobs)
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
    assert max(claimed_ms(ledger, job)[0] for job in jobs) - due_ms <= 100 + 1_000 + slow_ms
    sleeper.thaw_all()
    last = queue.enqueue_in(timedelta(seconds=1.2), "work.say", 1)
    wait_until(lambda: ledger.status(last) == "finished")
    assert {len(ledger.moves(job, "promote")) for job in (*jobs, last)} == {1}
    assert {ledger.number(job, "hf_executions") for job in (*jobs, last)} == {1}


def test_a_moment_that_has_passed_means_now(start_ready, queue, wait_until, ledger):
    """INV-12: the app was slow to ask; the job is late already."""
    start_ready()
    job = queue.enqueue_at(datetime.now(UTC) - timedelta(hours=1), "work.say", 1)
    wait_until(lambda: ledger.status(job) == "finished")


def test_scheduled_jobs_outlive_the_absence_of_every_worker(start_worker, redis, wait_until, ledger):
    """INV-01, FM-041: due during the night, run in the morning, in the order in which they were due."""
    queue = Queue(connection=redis)
    jobs = [queue.enqueue_in(timedelta(milliseconds=ms), "work.say", ms) for ms in (300, 100, 200)]
    wait_until(lambda: redis.zcount(keys.scheduled("default"), 0, ledger.now_ms() / 1000) == 3)
    start_worker()
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
    first, second, third = (claimed_ms(ledger, job)[0] for job in (jobs[1], jobs[2], jobs[0]))
    assert first <= second <= third


def test_a_busy_fleet_promotes_too(start_ready, redis, notes, wait_until, ledger):
    """LIV-02: the only worker has a long job; the one that came due is in line when it is done, for others to see."""
    start_ready()
    queue = rq.Queue(connection=redis)
    queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    job = queue.enqueue_in(timedelta(milliseconds=200), "work.say", 1)
    wait_until(lambda: ledger.status(job) == "queued")
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
