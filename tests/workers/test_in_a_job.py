"""What the code of a job may do, as it always could: start processes, exit, talk to Redis, hang, be paused."""

import os
import signal
import time
from pathlib import Path

import pytest
import rq

from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture
def enqueue(redis):
    """Give a function that puts a call in line by RQ's own queue."""
    return rq.Queue(connection=redis).enqueue


def test_a_job_can_end_a_process_it_started(start_worker, enqueue, notes, wait_until, ledger):
    """The horse does not take SIGTERM for its own end; what it forked must, or terminate() and join() never return."""
    start_worker()
    job = enqueue("work.start_and_end_a_process", notes.path)
    wait_until(lambda: ledger.status(job) == "finished", within=5)
    assert notes("ended") == ["ended with -15"]


def test_a_job_can_use_a_pool_of_processes(start_worker, enqueue):
    """FM-045: a fork inside a horse, which has a thread of ours."""
    job = enqueue("work.count_in_a_pool", list(range(100)))
    assert start_worker(options=["--burst"]).wait() == 0
    assert job.return_value(refresh=True) == 4950


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_that_exits_has_failed(start_worker, enqueue, ledger, code):
    """As in RQ: sys.exit() is not the function's return; whatever its code, and no crash either."""
    job = enqueue("work.leave", code)
    assert start_worker(options=["--burst"]).wait() == 0
    assert (ledger.status(job), ledger.number(job, "hf_crashes")) == ("failed", 0)
    assert "SystemExit" in job.latest_result().exc_string


def test_a_job_may_be_a_coroutine(start_worker, enqueue):
    """RQ runs `async def` functions in a loop of their own."""
    job = enqueue("work.say_later", "tea")
    assert start_worker(options=["--burst"]).wait() == 0
    assert job.return_value(refresh=True) == "tea"


def test_a_job_that_talks_to_redis_gets_its_own_answers(start_worker, enqueue):
    """FM-011, FM-046: beside a parent that renews all the time, on sockets that were there before the fork."""
    job = enqueue("work.talk_to_redis", 500)
    assert start_worker(options=["--burst"], renew_ms=5).wait() == 0
    assert job.return_value(refresh=True) == 500


def test_a_job_can_enqueue_another(start_worker, enqueue, notes):
    """Chains of jobs are made this way."""
    enqueue("work.enqueue_another", notes.path)
    assert start_worker(options=["--burst"]).wait() == 0
    assert notes() == ["child"]


def test_a_paused_horse_keeps_its_job_until_its_timeout(start_worker, enqueue, notes, wait_until, ledger):
    """FM-014: a debugger stopped the child, the parent renews; a job that cannot hear its alarm is overdue."""
    worker = start_worker(lease_ms=1_000, renew_ms=200, margin_ms=200, overtime_ms=300)
    job = enqueue("work.held", notes.path, job_timeout=2)
    wait_until(lambda: notes("began"))
    os.kill(worker.horse, signal.SIGSTOP)
    time.sleep(1.5)  # longer than its lease
    assert (ledger.status(job), ledger.moves(job, "reclaim")) == ("started", [])
    wait_until(lambda: ledger.status(job) == "failed")
    assert "did not heed" in job.latest_result().exc_string


def test_many_jobs_leave_no_open_files_behind(start_ready, enqueue, wait_until, ledger):
    """LIV-03: a worker runs for months; pidfds and sockets come and go with each job."""
    worker = start_ready(jobs_per_horse=1)

    def run(count):
        jobs = [enqueue("work.say", number) for number in range(count)]
        wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
        wait_until(lambda: worker.horse is None)
        return len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))

    first = run(5)
    assert run(60) <= first + 3  # a connection more or less, but not one a job


def test_an_idle_worker_asks_little(start_ready, redis):
    """LIV-03: a thousand idle workers share one Redis; under the default settings each asks a few times a second."""
    defaults = {"lease_ms": 10_000, "renew_ms": 3_000, "margin_ms": 1_000, "reap_ms": 1_000, "promote_ms": 1_000}
    worker = start_ready(**defaults, poll_ms=1_000)

    def asked():
        return {
            name.removeprefix("cmdstat_"): spent["calls"]
            for name, spent in redis.info("commandstats").items()
            if name.removeprefix("cmdstat_") in {"evalsha", "eval", "blpop", "subscribe", "expire"}
        }

    before, used_s = asked(), worker.cpu_s
    time.sleep(3)
    spent = {name: calls - before.get(name, 0) for name, calls in asked().items()}
    print(f"in 3 s: {spent}, {1000 * (worker.cpu_s - used_s):.0f} ms of processor time")
    assert sum(spent.values()) <= 30
    assert worker.cpu_s - used_s < 0.4


def test_a_redis_that_was_emptied_knows_its_workers_again_soon(start_ready, redis, enqueue, wait_until, ledger):
    """FM-029: someone typed FLUSHALL, or a Redis without persistence restarted; monitors must see who lives."""
    start_ready(name="ada")
    redis.flushall()
    job = enqueue("work.say", 1)
    wait_until(lambda: ledger.status(job) == "finished")
    wait_until(lambda: [worker.name for worker in rq.Worker.all(redis)] == ["ada"])
    assert redis.ttl(keys.worker("ada")) > 0
