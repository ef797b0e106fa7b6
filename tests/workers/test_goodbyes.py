"""A deploy sends SIGTERM. Nothing is lost, nothing is charged, and the worker is gone when it said it would be."""

import os
import signal
import time

import pytest
import rq

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_leaves_at_once(start_ready, redis, number):
    """LIV-04: also from a long wait for the bell; its entry in the registry goes with it."""
    worker = start_ready(poll_ms=10_000)
    began = time.monotonic()
    worker.send(number)
    assert worker.wait() == 0
    assert time.monotonic() - began < 8
    assert rq.Worker.all(redis) == []


def test_a_worker_told_to_stop_as_it_starts_leaves_no_entry_behind(start_worker, redis, wait_until):
    """FM-044, FM-047: a deploy that is rolled back at once; monitors must not count who never worked."""
    for number in range(3):
        worker = start_worker(name=f"w{number}")
        wait_until(lambda name=worker.name: redis.exists(keys.worker(name)), every=0.0005)
        worker.send(signal.SIGTERM)
        worker.wait()
    assert rq.Worker.all(redis) == []


def test_a_job_that_can_finish_within_the_grace_does(start_worker, redis, notes, wait_until, ledger):
    """LIV-04, FM-044: no new job is begun meanwhile."""
    worker = start_worker(grace_ms=5_000)
    queue = rq.Queue(connection=redis)
    job, behind = queue.enqueue("work.noted_nap", notes.path, 1), queue.enqueue("work.say", 1)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert (ledger.status(job), ledger.status(behind)) == ("finished", "queued")


def test_a_job_longer_than_the_grace_is_given_back_unharmed_and_goes_first(
    start_worker, redis, notes, wait_until, ledger
):
    """LIV-04, INV-09, FM-044: no attempt burned, exit code 0, and it does not wait behind the others again."""
    worker = start_worker(grace_ms=300, lease_ms=20_000)
    queue = rq.Queue(connection=redis)
    job, behind = queue.enqueue("work.held", notes.path, retry=rq.Retry(max=1)), queue.enqueue("work.say", 1)
    wait_until(lambda: notes("began"))
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < 4
    assert redis.lrange(keys.queue("default"), 0, -1) == [job.id.encode(), behind.id.encode()]
    assert (ledger.number(job, "hf_crashes"), ledger.number(job, "hf_failures")) == (0, 0)
    assert ledger.number(job, "retries_left") == 1
    notes.say_go()
    assert start_worker(options=["--burst"]).wait() == 0
    assert (ledger.status(job), ledger.status(behind)) == ("finished", "finished")


def test_a_supervisor_that_signals_every_process_does_not_crash_the_job(start_worker, redis, notes, wait_until, ledger):
    """FM-044: systemd and docker do; the horse must not take SIGTERM for its end."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 1)
    wait_until(lambda: notes("began"))
    assert len(worker.family) == 2
    worker.send_to_all(signal.SIGTERM)
    assert worker.wait() == 0
    assert ledger.status(job) == "finished"
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (1, 0)


def test_a_later_sigterm_gives_the_job_back_at_once(start_worker, redis, notes, wait_until, ledger):
    """FM-044: who asks twice does not want to wait, and still loses nothing."""
    worker = start_worker(grace_ms=20_000)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGTERM)
    time.sleep(1.1)  # within a second, two signals are one request
    assert ledger.status(job) == "started"
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < 10
    assert (ledger.status(job), ledger.number(job, "hf_crashes")) == ("queued", 0)


def test_two_signals_at_once_are_one_request(start_worker, redis, notes, wait_until, ledger):
    """FM-044: a terminal's Ctrl-C reaches the worker twice, through its pool too; the job keeps its grace."""
    worker = start_worker(grace_ms=20_000)
    job = rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 1)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGINT)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert (ledger.status(job), ledger.number(job, "hf_executions")) == ("finished", 1)


def test_a_storm_of_signals_tears_no_reply_in_two(start_worker, redis, notes, wait_until, ledger):
    """FM-011: fifty signals into the middle of commands; the job is finished or in line, never lost."""
    worker = start_worker(grace_ms=0)
    queue = rq.Queue(connection=redis)
    jobs = [queue.enqueue("work.say", number) for number in range(50)]
    wait_until(lambda: ledger.status(jobs[5]) == "finished")
    for _ in range(50):
        worker.send(signal.SIGTERM)
        time.sleep(0.001)
    # Python takes its handlers back while it ends, so the last signals may find it without one.
    assert worker.wait() in {0, -signal.SIGTERM}
    in_line = set(redis.lrange(keys.queue("default"), 0, -1))
    for job in jobs:
        assert (ledger.status(job) == "finished") != (job.id.encode() in in_line)
        assert ledger.number(job, "hf_crashes") == 0
    assert redis.zcard(keys.leases("default")) == 0


def test_a_job_killed_by_the_supervisors_last_word_is_not_charged(start_worker, redis, notes, wait_until, ledger):
    """INV-09: SIGTERM, then SIGKILL to the horse while the worker is stopping: nobody's crash."""
    worker = start_worker(grace_ms=20_000)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGTERM)
    time.sleep(0.1)
    os.kill(worker.horse, signal.SIGKILL)
    assert worker.wait() == 0
    assert (ledger.status(job), ledger.number(job, "hf_crashes")) == ("queued", 0)


@pytest.mark.parametrize(("grace_ms", "status"), [(300, "failed"), (5_000, "finished")])
def test_a_job_that_may_run_once_is_not_given_back_once_it_has_begun(
    start_worker, redis, notes, wait_until, ledger, grace_ms, status
):
    """INV-09: crashes=0 holds for a deploy too: within the grace it finishes, else a person must look."""
    worker = start_worker(grace_ms=grace_ms)
    job = Queue(connection=redis).enqueue("work.noted_nap", notes.path, 1, crashes=0)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert ledger.status(job) == status
    assert ledger.field(job, "hf_dead") == (None if status == "finished" else "interrupted")
