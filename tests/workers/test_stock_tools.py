"""People and dashboards look at the queues, and act on them, with RQ's own tools."""

import subprocess
import sys

import pytest
import rq
from rq.command import send_stop_job_command
from rq.job import Callback, Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.results import Result

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture
def run_rq(server):
    """Give a function that runs RQ's command line and gives what it said."""

    def run(command, *words):
        line = [sys.executable, "-m", "rq.cli", command, "-u", server.url, *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_running_job_is_seen_at_work_and_gone_when_it_is_done(start_worker, redis, notes, wait_until):
    """INV-02: RQ's executions and registries tell the truth, for dashboards that know nothing of leases."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    [execution] = job.get_executions()
    started = StartedJobRegistry(connection=redis)
    assert (job.get_status(), job.worker_name) == ("started", None)
    job.refresh()
    assert job.worker_name == worker.name
    assert started.get_job_ids() == [job.id]
    notes.say_go()
    wait_until(lambda: job.get_status() == "finished")
    assert job.get_executions() == []
    assert started.get_job_ids() == []
    assert FinishedJobRegistry(connection=redis).get_job_ids() == [job.id]
    result = job.latest_result()
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, "began")
    assert (result.worker_name, result.execution_id) == (worker.name, execution.id)


def test_a_long_job_can_tell_how_far_it_is(start_worker, redis, notes, wait_until):
    """`job.meta` with save_meta() is how apps show progress; a progress bar reads it while the job runs."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.progress", notes.path)
    wait_until(lambda: notes("began"))
    assert job.get_meta() == {"step": "half"}
    notes.say_go()
    wait_until(lambda: job.get_status() == "finished")
    assert job.get_meta() == {"step": "done"}


def test_the_registry_of_workers_says_who_does_what(start_ready, redis, notes, wait_until):
    """A dashboard shows each worker with its state, its job and what it has done."""
    start_ready("high", "low", name="ada")
    wait_until(lambda: [worker.get_state() for worker in rq.Worker.all(redis)] == ["idle"])
    job = rq.Queue("low", connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    [worker] = rq.Worker.all(redis)
    assert (worker.name, worker.get_state(), worker.queue_names()) == ("ada", "busy", ["high", "low"])
    assert worker.get_current_job_id() == job.id
    notes.say_go()
    wait_until(lambda: rq.Worker.all(redis)[0].get_state() == "idle")
    [worker] = rq.Worker.all(redis)
    assert (worker.successful_job_count, worker.failed_job_count) == (1, 0)
    assert worker.total_working_time > 0
    assert worker.get_current_job_id() is None


def test_a_worker_that_left_in_good_order_is_no_longer_listed(start_worker, redis):
    """FM-047: a monitor that counts workers must not count the ones that went home."""
    assert start_worker(options=["--burst"]).wait() == 0
    assert rq.Worker.all(redis) == []


def test_looking_with_rq_info_shows_the_truth_and_does_no_harm(start_worker, redis, notes, run_rq, wait_until):
    """INV-05, FM-053: `rq info` cleans registries as it looks; a job that runs must not be failed by that."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path)
    queue.enqueue("work.say", 1)
    wait_until(lambda: notes("began"))
    seen = run_rq("info", "--raw")
    assert "queue default 1" in seen
    assert f"worker {worker.name} (" in seen
    assert f"{worker.pid}) busy default" in seen
    assert "1 workers" in run_rq("info")
    notes.say_go()
    wait_until(lambda: queue.is_empty() and job.get_status() == "finished")


def test_a_failure_is_kept_with_its_traceback_and_can_be_requeued(start_worker, redis, run_rq, notes, ledger):
    """INV-06: `rq requeue` begins a new attempt with a new budget, and its success is the job's end."""
    job = rq.Queue(connection=redis).enqueue("work.fail_at_first", notes.path, 1)
    assert start_worker(options=["--burst"]).wait() == 0
    assert job.get_status() == "failed"
    assert "ValueError: not yet" in job.latest_result().exc_string
    assert FailedJobRegistry(connection=redis).get_job_ids() == [job.id]
    run_rq("requeue", "--queue", "default", job.id)
    assert start_worker(options=["--burst"]).wait() == 0
    assert job.get_status() == "finished"
    assert job.return_value(refresh=True) == "at last"
    assert FailedJobRegistry(connection=redis).get_job_ids() == []
    assert ledger.field(job, "hf_dead") is None


def test_a_job_canceled_in_line_is_never_run(start_worker, redis, notes):
    """FM-050: the person who canceled it was in time."""
    queue = rq.Queue(connection=redis)
    wanted, unwanted = (queue.enqueue("work.note", notes.path, text) for text in ("wanted", "unwanted"))
    unwanted.cancel()
    assert start_worker(options=["--burst"]).wait() == 0
    assert notes() == ["wanted"]
    assert (wanted.get_status(), unwanted.get_status()) == ("finished", "canceled")


def test_a_job_canceled_while_it_runs_stays_canceled(start_worker, redis, notes, wait_until, ledger):
    """FM-050, INV-04: a stock cancel ends the lease; what the holder says afterwards is void."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path, on_success=Callback("work.on_success"))
    wait_until(lambda: notes("began"))
    Job.fetch(job.id, redis).cancel()
    notes.say_go()
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: behind.get_status() == "finished")
    wait_until(lambda: "no longer ours" in worker.log)
    assert (ledger.status(job), notes("success")) == ("canceled", [])
    assert job.latest_result() is None
    assert redis.zcard(keys.leases("default")) == 0


def test_a_job_deleted_while_it_runs_is_not_brought_back(start_worker, redis, notes, wait_until):
    """FM-050, INV-02: no half record returns from the settle of a job that somebody removed."""
    worker = start_worker(jobs_per_horse=1)
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    Job.fetch(job.id, redis).delete()
    notes.say_go()
    wait_until(lambda: "no longer ours" in worker.log)
    wait_until(lambda: worker.horse is None)
    assert [key for key in redis.scan_iter(f"*{job.id}*") if b"holdfast:moves" not in key] == []
    assert redis.zcard(keys.leases("default")) == 0


@pytest.mark.parametrize("ours", [False, True], ids=["stock", "ours"])
def test_an_id_enqueued_again_while_it_runs_is_run_after_not_beside_itself(
    start_worker, redis, notes, wait_until, ledger, ours
):
    """INV-02, FM-053: a nightly job with a fixed id that is triggered twice."""
    for name in ("one", "two"):
        start_worker(name=name)
    queue = (Queue if ours else rq.Queue)(connection=redis)
    job = queue.enqueue("work.held", notes.path, job_id="nightly")
    wait_until(lambda: notes("began"))
    queue.enqueue("work.held", notes.path, job_id="nightly")
    wait_until(lambda: redis.llen(keys.queue("default")) == 0)
    assert len(notes("began")) == 1
    notes.say_go()
    wait_until(lambda: len(notes("began")) == 2)
    wait_until(lambda: ledger.status(job) == "finished")
    assert [move["move"] for move in ledger.moves("nightly") if move["move"] in {"claim", "complete"}] == [
        "claim",
        "complete",
        "claim",
        "complete",
    ]


def test_rqs_own_stop_finds_the_worker_of_a_job_by_its_record(start_worker, redis, notes, wait_until, ledger):
    """FM-050: send_stop_job_command() reads `worker_name` from the job and publishes to that worker."""
    start_worker(name="one")
    start_worker(name="two")
    queue = rq.Queue(connection=redis)
    jobs = [queue.enqueue("work.held", notes.path) for _ in range(2)]
    wait_until(lambda: len(notes("began")) == 2)
    send_stop_job_command(redis, jobs[0].id)
    wait_until(lambda: ledger.status(jobs[0]) == "stopped")
    assert ledger.status(jobs[1]) == "started"
    notes.say_go()
    wait_until(lambda: ledger.status(jobs[1]) == "finished")
