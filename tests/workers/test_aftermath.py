"""A job that dies without a word gets its callbacks all the same: another horse speaks for it."""

import os
import signal

import pytest
import rq
from rq.command import send_kill_horse_command
from rq.job import Callback

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture
def all_is_told(redis, wait_until):
    """Give a function that waits until nothing is left to tell."""
    return lambda: wait_until(lambda: not redis.exists(keys.aftermath("default")))


@pytest.fixture
def begin(redis, notes, wait_until):
    """Give a function that enqueues a job which says what it wants called, and waits until it runs."""

    def begin(**options):
        job = Queue(connection=redis).enqueue(
            "work.held",
            notes.path,
            on_failure=Callback("work.on_failure"),
            on_stopped=Callback("work.on_stopped"),
            **options,
        )
        wait_until(lambda: notes("began"))
        return job

    return begin


def test_a_job_whose_horse_died_once_too_often_gets_its_callback_and_handlers(
    start_worker, begin, notes, wait_until, ledger, all_is_told
):
    """FM-004: RQ calls neither. Each is called once, with the cause of death."""
    worker = start_worker(options=["--exception-handler", "work.handle_error"])
    job = begin(crashes=0)
    os.kill(worker.horse, signal.SIGKILL)
    wait_until(lambda: ledger.status(job) == "failed")
    all_is_told()
    assert notes("failure") == ["failure AbandonedJobError signal 9 (SIGKILL)"]
    assert notes("handled") == ["handled AbandonedJobError"]


@pytest.mark.parametrize("job_id", [b"user:42", b"a.b", b"caf\xe9"])
def test_a_job_by_a_name_that_rq_gives_to_no_new_one_is_told_of_when_its_horse_dies(
    start_worker, redis, notes, wait_until, all_is_told, job_id
):
    """LIV-03, FM-033: an older RQ, or another producer, named it so. Its worker goes on."""
    options = {"on_failure": Callback("work.on_failure"), "crashes": 0}
    job = Queue(connection=redis).enqueue("work.held", notes.path, **options)
    key = keys.job("").encode() + job_id
    redis.rename(keys.job(job.id), key)
    redis.lset(keys.queue("default"), 0, job_id)
    worker = start_worker()
    wait_until(lambda: notes("began"))
    os.kill(worker.horse, signal.SIGKILL)
    wait_until(lambda: redis.hget(key, "status") == b"failed")
    all_is_told()
    assert notes("failure") == ["failure AbandonedJobError signal 9 (SIGKILL)"]
    assert not worker.has_ended
    assert "Traceback" not in worker.log


def test_a_job_that_died_with_its_whole_worker_gets_its_callback_from_another(
    start_worker, begin, notes, wait_until, ledger, all_is_told
):
    """FM-001: the reaper buries it; whoever is next tells of it."""
    worker = start_worker(lease_ms=1_000, renew_ms=200, margin_ms=200)
    job = begin(crashes=0)
    worker.kill_all()
    start_worker(lease_ms=1_000, renew_ms=200, margin_ms=200)
    wait_until(lambda: ledger.status(job) == "failed")
    all_is_told()
    assert notes("failure") == ["failure AbandonedJobError lease expired"]


def test_a_job_failed_by_kill_horse_gets_its_callback(
    start_worker, redis, begin, notes, wait_until, ledger, all_is_told
):
    """And so does one that ran past its time-out and did not heed it: both are failed by the parent."""
    worker = start_worker()
    job = begin()
    send_kill_horse_command(redis, worker.name)
    wait_until(lambda: ledger.status(job) == "failed")
    all_is_told()
    assert notes("failure") == ["failure AbandonedJobError Work-horse terminated by a kill-horse command."]


def test_what_is_told_of_a_job_that_crashed_before_is_what_it_died_of(
    start_worker, redis, begin, notes, wait_until, ledger, all_is_told
):
    """An app's mail would name the signal of an earlier day, and its result the time-out."""
    worker = start_worker()
    job = begin()
    os.kill(worker.horse, signal.SIGKILL)
    wait_until(lambda: len(notes("began")) == 2)
    send_kill_horse_command(redis, worker.name)
    wait_until(lambda: ledger.status(job) == "failed")
    all_is_told()
    assert notes("failure") == ["failure AbandonedJobError Work-horse terminated by a kill-horse command."]
    assert ledger.field(job, "hf_last_crash") == "signal 9 (SIGKILL)"


def test_a_callback_that_raises_is_not_called_again(start_worker, redis, notes, wait_until, ledger, all_is_told):
    """The word was told, whatever became of it; the worker goes on."""
    worker = start_worker()
    queue = Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path, crashes=0, on_failure=Callback("work.spoil_failure"))
    wait_until(lambda: notes("began"))
    os.kill(worker.horse, signal.SIGKILL)
    wait_until(lambda: ledger.status(job) == "failed")
    all_is_told()
    assert "that callback broke too" in worker.log
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: ledger.status(behind) == "finished")


def test_a_teller_that_is_killed_is_followed_by_another(start_worker, redis, notes, wait_until, all_is_told):
    """Its callback kills its own horse, each time: three are tried, and the worker outlives them."""
    worker = start_worker()
    queue = Queue(connection=redis)
    queue.enqueue("work.held", notes.path, crashes=0, on_failure=Callback("work.die_telling"))
    wait_until(lambda: notes("began"))
    os.kill(worker.horse, signal.SIGKILL)
    for tries in (1, 2, 3):
        wait_until(lambda tries=tries: len(notes("telling")) == tries)
        for entry in redis.zrange(keys.aftermath("default"), 0, -1):
            redis.zadd(keys.aftermath("default"), {entry: 1})
    all_is_told()
    assert len(notes("telling")) == 3
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: behind.get_status() == "finished")
    assert "horses in a row" not in worker.log


def test_the_apps_handler_hears_of_each_killed_horse(server, redis, notes, wait_until, tmp_path, start_worker):
    """RQ's work_horse_killed_handler, with what RQ gives it: the job, the pid, waitpid's status and the usage."""
    worker = start_worker(worker_class="work.MournfulWorker")
    rq.Queue(connection=redis).enqueue("work.die_once", notes.path, "kill")
    (said,) = wait_until(lambda: notes("mourned"))
    pid = notes.pids("began")[0]
    assert said == f"mourned {pid} 9 True"
    assert "work_horse_killed_handler raised" not in worker.log
