"""A person steers workers from afar: stops one job, kills a horse, suspends the fleet, sends a worker home."""

import os
import signal
import time

import pytest
import rq
from rq.command import send_command, send_kill_horse_command, send_shutdown_command
from rq.job import Callback
from rq.suspension import resume, suspend

from holdfast.chaos.proxy import DelayReply, FaultProxy, Pass
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load

pytestmark = pytest.mark.processes


def test_a_stopped_job_ends_at_once_and_the_one_behind_it_is_run(
    start_worker, redis, notes, wait_until, ledger, is_alive
):
    """FM-050: status stopped, no retry although it had some, and the worker is ready for the next."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path, retry=rq.Retry(max=3))
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: notes("began"))
    send_command(redis, worker.name, "stop-job", job_id=job.id)
    wait_until(lambda: ledger.status(job) == "stopped")
    assert not is_alive(notes.pids("began")[0])
    wait_until(lambda: behind.get_status() == "finished")
    assert "stopped by user" in job.latest_result().exc_string
    assert rq.registry.FailedJobRegistry(connection=redis).get_job_ids() == [job.id]
    assert ledger.number(job, "hf_executions") == 1


@pytest.mark.parametrize("second", ["stop-job", "kill-horse"])
def test_an_impatient_person_who_asks_twice_does_no_harm(start_worker, redis, notes, wait_until, ledger, second):
    """FM-050: both commands are heard at once, the first has ended the horse, and the worker lives on."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    worker.freeze()  # so that both are there when it looks
    send_command(redis, worker.name, "stop-job", job_id=job.id)
    send_command(redis, worker.name, second, job_id=job.id)
    worker.thaw()
    wait_until(lambda: ledger.status(job) == "stopped")
    # Idle first: a kill-horse that is read later would be meant for whatever runs then.
    wait_until(lambda: [each.get_state() for each in rq.Worker.all(redis)] == ["idle"])
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: ledger.status(behind) == "finished")


def test_a_stop_meant_for_another_job_stops_nobody(start_worker, redis, notes, wait_until, ledger):
    """INV-04: the command names a job that ended a moment ago; the one that runs now is spared."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    ended = queue.enqueue("work.say", 1)
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    for _ in range(20):
        send_command(redis, worker.name, "stop-job", job_id=ended.id)
    send_command(redis, worker.name, "no-such-command", job_id=job.id)
    redis.publish(f"rq:pubsub:{worker.name}", "not even json")
    time.sleep(0.1)  # what must not happen has no moment to wait for
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.status(ended), ledger.number(job, "hf_executions")) == ("finished", 1)


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [
        ("stop-job", {"job_id": "A-1"}, "stop-job of A-1 ignored: it is not in hand"),
        ("kill-horse", {}, "kill-horse ignored: no job is running"),
        ("no-such-command", {}, "command 'no-such-command' ignored: unknown command"),
        ("shutdown", {}, "asked to stop"),
    ],
)
def test_what_an_idle_worker_does_about_a_command_is_in_its_log(
    start_worker, redis, wait_until, ledger, command, words, line
):
    """Whoever sent it to the wrong worker, or too late, looks there."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    wait_until(lambda: ledger.status(job) == "finished")
    send_command(redis, worker.name, command, **words)
    wait_until(lambda: f"Worker {worker.name}: {line}\n" in worker.log)


def test_a_stop_is_heard_with_how_long_it_may_take(start_worker, redis, notes, wait_until, ledger):
    """Else a person presses Ctrl-C a second time, which gives the job back, and a third."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path, job_id="A-1")
    wait_until(lambda: notes("began"))
    heard = f"Worker {worker.name}: asked to stop; job A-1"
    worker.send(signal.SIGTERM)
    wait_until(lambda: f"{heard} may finish within 5 s, a second signal gives it back now" in worker.log)
    began = time.monotonic()
    while f"{heard} is given back now" not in worker.log and time.monotonic() < began + 4:
        worker.send(signal.SIGTERM)  # within a second it passes for the same one
        time.sleep(0.05)
    assert (worker.wait(), ledger.status(job)) == (0, "queued")
    assert worker.log.count(heard) == 2


def test_an_app_hears_that_its_job_was_stopped(start_worker, redis, notes, wait_until, ledger):
    """RQ's on_stopped callback: the file half written by the job is cleaned up there."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue(
        "work.held", notes.path, on_stopped=Callback("work.on_stopped"), on_failure=Callback("work.on_failure")
    )
    wait_until(lambda: notes("began"))
    send_command(redis, worker.name, "stop-job", job_id=job.id)
    wait_until(lambda: ledger.status(job) == "stopped")
    wait_until(lambda: notes("stopped"))
    assert notes("failure") == []


def test_a_second_stop_does_not_cut_short_what_the_first_set_off(start_worker, redis, notes, wait_until, ledger):
    """FM-050: the callback of a stopped job cleans up after it; to ask twice must not leave half of that."""
    worker = start_worker()
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path, on_stopped=Callback("work.on_stopped_slowly"))
    wait_until(lambda: notes("began"))
    send_command(redis, worker.name, "stop-job", job_id=job.id)
    wait_until(lambda: notes("cleaning"))
    send_command(redis, worker.name, "stop-job", job_id=job.id)
    wait_until(lambda: notes("cleaned"))
    assert len(notes("cleaning")) == 1


def test_a_stop_that_came_too_late_tells_nobody(start_worker, server, redis, notes, wait_until, ledger):
    """INV-06, FM-008: the job had finished, its horse had not heard so yet; it is finished, and was not stopped."""
    complete = redis.script_load(load(record=True)["complete"].sent).encode()
    delayed = []

    def rule(request):
        if complete not in request.words:
            return Pass()
        delayed.append(request)
        return DelayReply(1_000)

    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = rule
        # A horse of many jobs would settle it by a turn of its own.
        worker = start_worker(url=proxy.url, lease_ms=8_000, jobs_per_horse=1)
        queue = rq.Queue(connection=redis)
        job = queue.enqueue("work.noted_nap", notes.path, 0, on_stopped=Callback("work.on_stopped"))
        wait_until(lambda: ledger.status(job) == "finished")
        send_command(redis, worker.name, "stop-job", job_id=job.id)
        behind = queue.enqueue("work.say", 1)
        wait_until(lambda: ledger.status(behind) == "finished")
    assert len(delayed) == 2
    assert (ledger.status(job), notes("stopped")) == ("finished", [])


def test_killing_a_horse_fails_its_job_and_nothing_else(start_worker, redis, notes, wait_until, ledger, is_alive):
    """RQ's kill-horse: the job is a failure with its retries, the worker goes on."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    send_kill_horse_command(redis, worker.name)
    wait_until(lambda: ledger.status(job) == "failed")
    assert not is_alive(notes.pids("began")[0])
    assert ledger.number(job, "hf_crashes") == 0
    notes.say_go()
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: behind.get_status() == "finished")


def test_a_worker_told_to_shut_down_finishes_its_job_first(start_worker, redis, notes, wait_until, ledger):
    """LIV-04: `rq` shuts a worker down from afar, by its name; what waits stays in line."""
    worker = start_worker()
    queue = rq.Queue(connection=redis)
    job, behind = queue.enqueue("work.held", notes.path), queue.enqueue("work.say", 1)
    wait_until(lambda: notes("began"))
    send_shutdown_command(redis, worker.name)
    time.sleep(0.1)  # it must not end yet, and that has no moment to wait for
    assert ledger.status(job) == "started"
    notes.say_go()
    assert worker.wait() == 0
    assert (ledger.status(job), ledger.status(behind)) == ("finished", "queued")


def test_an_idle_worker_told_to_shut_down_goes_at_once(start_ready, redis):
    """LIV-04: the command arrives although nothing else does."""
    worker = start_ready(poll_ms=10_000)
    began = time.monotonic()
    while worker.family and time.monotonic() < began + 8:
        send_shutdown_command(redis, worker.name)
        time.sleep(0.05)
    assert worker.wait() == 0
    assert time.monotonic() - began < 8


def test_a_suspended_fleet_takes_no_job_and_goes_on_when_it_is_resumed(start_ready, redis, notes, wait_until, ledger):
    """`rq suspend` before a migration of the database: what runs finishes, nothing new begins."""
    start_ready()
    queue = rq.Queue(connection=redis)
    running = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    suspend(redis)
    waiting = queue.enqueue("work.noted_nap", notes.path, 0, "late")
    notes.say_go()
    wait_until(lambda: ledger.status(running) == "finished")
    wait_until(lambda: [worker.get_state() for worker in rq.Worker.all(redis)] == ["suspended"])
    assert notes("late") == []
    resume(redis)
    wait_until(lambda: ledger.status(waiting) == "finished")
    wait_until(lambda: [worker.get_state() for worker in rq.Worker.all(redis)] == ["idle"])


def test_a_burst_worker_of_a_suspended_fleet_ends_without_a_job(start_worker, redis, ledger):
    """INV-01: it must neither hang nor take the job. RQ's command line says why, with exit code 1."""
    suspend(redis)
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(options=["--burst"])
    assert worker.wait() == 1
    assert "suspended" in worker.log
    assert ledger.status(job) == "queued"


def test_a_name_can_be_used_again_at_once_after_a_kill(start_worker, redis, wait_until, notes):
    """FM-047: RQ refuses the name for seven minutes; a supervisor restarts with the same name at once."""
    first = start_worker(name="ada")
    rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    first.kill_all()
    assert redis.exists(keys.worker("ada"))
    second = start_worker(name="ada")
    wait_until(lambda: "taking it over" in second.log and ": holdfast " in second.log)
    assert rq.Worker.all(redis)[0].pid == second.pid


def test_a_stranger_with_the_pid_of_a_dead_worker_does_not_hold_its_name(start_ready, start_worker, redis, wait_until):
    """FM-047: pids are used again, in containers within seconds; whoever has it now is not that worker."""
    first = start_ready(name="ada", lease_ms=1_000)
    first.kill_all()
    redis.hset(keys.worker("ada"), "pid", os.getpid())
    second = start_worker(name="ada", lease_ms=1_000)
    wait_until(lambda: ": holdfast " in second.log or not second.family)
    assert rq.Worker.all(redis)[0].pid == second.pid


def test_the_name_of_a_living_worker_is_refused(start_ready, start_worker, redis):
    """FM-047: two workers under one name would hear each other's commands."""
    first = start_ready(name="ada")
    second = start_worker(name="ada")
    assert second.wait() != 0
    assert "There exists an active worker named 'ada' already" in second.log
    assert rq.Worker.all(redis)[0].pid == first.pid


def test_the_name_of_a_worker_that_only_sleeps_is_refused(start_ready, start_worker, redis):
    """FM-012, FM-047: a frozen process will wake; it is there to be seen, on the same machine."""
    first = start_ready(name="ada", lease_ms=1_000)
    first.freeze_all()
    time.sleep(1.5)  # past its lease
    assert start_worker(name="ada", lease_ms=1_000).wait() != 0
    first.thaw_all()
    assert rq.Worker.all(redis)[0].pid == first.pid
