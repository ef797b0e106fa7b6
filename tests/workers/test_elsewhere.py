"""Where the system lacks what Linux has, a worker runs jobs, sees horses die, and stops them."""

import os
import signal

import pytest
import rq
from rq.command import send_stop_job_command

pytestmark = pytest.mark.processes


@pytest.fixture
def begun(start_worker, redis, notes, wait_until):
    """Give a worker that runs a job which waits to be let go, and the job."""
    worker = start_worker(worker_class="elsewhere.Worker")
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    return worker, job


def test_a_job_runs_to_its_end(begun, notes, wait_until, ledger):
    """Its end is seen by looking every 20 ms."""
    _, job = begun
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")


def test_a_killed_horse_is_seen(begun, notes, wait_until, ledger):
    """FM-003: and its job is run again."""
    _, job = begun
    os.kill(notes.pids("began")[0], signal.SIGKILL)
    wait_until(lambda: len(notes("began")) == 2)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_crashes") == 1


def test_a_job_is_stopped_for_a_person(begun, redis, wait_until, ledger):
    """Freeze, look, kill: without a word of the system that it has stopped."""
    _, job = begun
    send_stop_job_command(redis, job.id)
    wait_until(lambda: ledger.status(job) == "stopped")
