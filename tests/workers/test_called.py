"""A claim stands on the server for each idle worker: who is called has its job at once, and has it once."""

import signal
import time

import pytest

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

#: A worker that is not called looks by itself once in this time, and what stood for it is over then: long, where it is
#: to be called after it was frozen.
POLL_MS = 30_000
TIMING = {"lease_ms": 15_000, "renew_ms": 4_000, "margin_ms": 400, "poll_ms": POLL_MS}
SHORT = {"lease_ms": 1_500, "renew_ms": 400, "margin_ms": 300, "reap_ms": 100, "poll_ms": POLL_MS}


@pytest.fixture
def listeners(redis):
    """Give a function that counts the lines on which somebody waits: an idle worker's are two."""
    return lambda: redis.info("clients")["blocked_clients"]


@pytest.fixture
def start_idle(start_ready, listeners, wait_until):
    """Start one worker, and return when it waits: a claim stands behind its bell, and it listens at the line."""

    def start(**how):
        worker = start_ready(**how)
        wait_until(lambda: listeners() == len(("bell", "queue")))
        return worker

    return start


@pytest.fixture
def call(redis, notes, wait_until, ledger):
    """Give a function that freezes an idle worker and puts a job in line that calls it."""

    def call(worker):
        worker.freeze_all()
        job = Queue(connection=redis).enqueue("work.note", notes.path, "ran")
        wait_until(lambda: ledger.status(job) == "started")
        return job

    return call


def test_a_sleeper_runs_what_it_was_called_for_when_it_wakes(start_idle, call, wait_until, ledger, notes):
    """The claim was made while it slept. Its start is told in the server's time, and does not precede its enqueue."""
    worker = start_idle(**TIMING)
    job = call(worker)
    worker.thaw_all()
    wait_until(lambda: ledger.status(job) == "finished", within=1)
    assert (len(notes("ran")), ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (1, 1, 0)
    job.refresh()
    assert job.enqueued_at <= job.started_at <= job.ended_at


def test_a_sleeper_that_is_to_stop_when_it_wakes_gives_back_what_it_was_called_for(start_idle, redis, call, ledger):
    """LIV-04, INV-09: it has heard of no job, and leaves none behind: nobody waits for its lease to run out."""
    worker = start_idle(**TIMING)
    job = call(worker)
    worker.send(signal.SIGTERM)
    worker.thaw_all()
    assert worker.wait() == 0
    assert (ledger.status(job), ledger.number(job, "hf_crashes")) == ("queued", 0)
    assert redis.lrange(keys.queue("default"), 0, -1) == [job.id.encode()]
    assert redis.zcard(keys.leases("default")) == 0


def test_who_sleeps_past_the_lease_of_what_it_was_called_for_runs_nothing(
    start_idle, start_ready, call, wait_until, ledger, notes
):
    """INV-04, FM-012: another has it by then, once."""
    worker = start_idle(name="sleeper", **SHORT)
    job = call(worker)
    start_ready(name="other", **SHORT)
    wait_until(lambda: ledger.status(job) == "finished")
    worker.thaw_all()
    time.sleep(1)  # whatever it still does, it does within this
    assert (len(notes("ran")), ledger.status(job), ledger.number(job, "hf_executions")) == (1, "finished", 2)


def test_what_may_run_at_most_once_is_not_given_to_who_is_called(start_idle, start_ready, redis, wait_until, ledger):
    """FM-012: a sleeper's lease runs out, and the job would be failed for good, and never have run."""
    sleeper = start_idle(name="sleeper", **TIMING)
    sleeper.freeze_all()
    slot = keys.replay(redis.hget(keys.worker("sleeper"), "hf_instance").decode())
    before = redis.get(slot)
    job = Queue(connection=redis).enqueue("work.say", 1, crashes=0)
    wait_until(lambda: redis.get(slot) != before)
    assert redis.get(slot).endswith(b'["again"]')
    assert redis.lrange(keys.queue("default"), 0, -1) == [job.id.encode()]
    start_ready(name="other", **TIMING)
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_executions") == 1


def test_a_worker_that_dies_idle_has_taken_nothing(start_idle, listeners, redis, wait_until, ledger):
    """FM-001: its claim stood on its connection, and went with that."""
    worker = start_idle(**TIMING | {"poll_ms": 2_000})
    worker.kill_all()
    wait_until(lambda: not listeners())
    job = Queue(connection=redis).enqueue("work.say", 1)
    time.sleep(2.3)  # what stood would be made within this
    assert (ledger.status(job), ledger.number(job, "hf_executions")) == ("queued", 0)
