"""A process dies: the horse, its parent, or both. The job comes back, soon, and nobody else pays for it."""

import os
import signal
import time

import pytest
import rq

from holdfast.jobs import Queue

pytestmark = pytest.mark.processes


def settled_ms(ledger, job, word):
    """Give when the server made the first such move of a job."""
    return next((int(move["ms"]) for move in ledger.moves(job, word)), None)


# -- the horse


def test_a_killed_horse_is_noticed_at_once_and_its_job_is_run_again(start_worker, redis, notes, wait_until, ledger):
    """FM-003: its parent saw it die, so nobody waits for a lease; the signal is on the record."""
    worker = start_worker(lease_ms=20_000)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    began_ms = ledger.now_ms()
    os.kill(worker.horse, signal.SIGKILL)
    crashed_ms = wait_until(lambda: settled_ms(ledger, job, "crash"))
    print(f"settled {crashed_ms - began_ms} ms after the horse was killed; the goal is 100 ms")
    assert crashed_ms - began_ms <= 8_000
    assert ledger.field(job, "hf_last_crash") == "signal 9 (SIGKILL)"
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_crashes"), ledger.number(job, "hf_executions")) == (1, 2)


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("kill", "signal 9 (SIGKILL)"),
        ("leave", "exit code 0 without settling"),
        ("segfault", "signal 11 (SIGSEGV)"),
        (40, "signal 40 (SIGRTMIN+6)"),
    ],
)
def test_a_job_that_takes_its_horse_down_is_tried_again(start_worker, redis, notes, wait_until, ledger, how, cause):
    """FM-003, INV-09: also os._exit(0), which looks like an orderly end. A crash is charged, no failure."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.die_once", notes.path, how)
    wait_until(lambda: ledger.status(job) == "finished")
    assert job.return_value(refresh=True) == "survived"
    assert ledger.field(job, "hf_last_crash") == cause
    assert (ledger.number(job, "hf_crashes"), ledger.number(job, "hf_failures")) == (1, 0)


def test_what_a_crashed_job_started_is_ended_with_it(start_worker, redis, notes, wait_until, is_alive):
    """FM-004, INV-07: a half-dead job must not go on acting through its children while it is run again."""
    start_worker()
    rq.Queue(connection=redis).enqueue("work.leave_a_child", notes.path, "die")
    wait_until(lambda: notes("child"))
    child = notes.pids("child")[0]
    wait_until(lambda: not is_alive(child))


def test_what_a_finished_job_left_running_is_let_be(start_worker, redis, notes, wait_until, ledger, is_alive):
    """As in RQ: a job may start a program for good, and its worker goes on without waiting for it."""
    start_worker()
    queue = rq.Queue(connection=redis)
    job, behind = queue.enqueue("work.leave_a_child", notes.path, "return"), queue.enqueue("work.say", 1)
    wait_until(lambda: behind.get_status() == "finished")
    assert ledger.status(job) == "finished"
    assert is_alive(notes.pids("child")[0])


def test_poison_is_buried_after_its_fourth_victim_and_the_others_finish(start_worker, redis, notes, wait_until, ledger):
    """FM-034, LIV-04: three crashes are forgiven, with growing pauses behind the line; then a person looks."""
    start_worker()
    queue = rq.Queue(connection=redis)
    poison = queue.enqueue("work.die", "kill", notes.path)
    others = [queue.enqueue("work.say", number) for number in range(5)]
    wait_until(lambda: all(ledger.status(job) == "finished" for job in others))
    wait_until(lambda: ledger.status(poison) == "failed")
    assert len(notes("began")) == 4
    assert (ledger.field(poison, "hf_dead"), ledger.number(poison, "hf_crashes")) == ("crashes", 4)
    assert rq.registry.FailedJobRegistry(connection=redis).get_job_ids() == [poison.id]
    assert "signal 9 (SIGKILL)" in poison.latest_result().exc_string


def test_poison_that_kills_whole_workers_is_buried_too(start_worker, redis, notes, wait_until, ledger):
    """FM-034, LIV-04: no parent is left to tell; a supervisor restarts them, one after the other."""
    timing = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200, "reap_ms": 100}
    queue = rq.Queue(connection=redis)
    poison = queue.enqueue("work.die", "kill the worker", notes.path)
    others = [queue.enqueue("work.say", number) for number in range(5)]
    deadline, victims = time.monotonic() + 60, 0
    while ledger.status(poison) != "failed":
        assert time.monotonic() < deadline, f"not buried after {victims} victims"
        worker = start_worker(name="ada", **timing)
        wait_until(lambda now=worker: now.has_ended or ledger.status(poison) == "failed", within=30)
        victims += 1
    print(f"{len(notes('began'))} workers died of it")
    assert 4 <= len(notes("began")) <= 5  # the first death may pass for an outage
    assert ledger.field(poison, "hf_dead") == "crashes"
    wait_until(lambda: all(ledger.status(job) == "finished" for job in others))


@pytest.mark.parametrize("victim", ["horse", "tree"])
def test_a_job_that_may_run_at_most_once_is_not_run_again(
    start_worker, start_ready, redis, notes, wait_until, ledger, victim
):
    """INV-09: crashes=0 is for what is worse done twice than not at all; it is kept as interrupted."""
    worker = start_worker(lease_ms=1_000, renew_ms=200, margin_ms=200)
    job = Queue(connection=redis).enqueue("work.held", notes.path, crashes=0)
    wait_until(lambda: notes("began"))
    if victim == "horse":
        os.kill(worker.horse, signal.SIGKILL)
    else:
        start_ready(lease_ms=1_000, renew_ms=200, margin_ms=200)
        worker.kill_all()
    wait_until(lambda: ledger.status(job) == "failed")
    assert (ledger.field(job, "hf_dead"), len(notes("began"))) == ("interrupted", 1)


# -- the parent, and with it the horse


def test_a_horse_does_not_outlive_its_parent(start_worker, redis, notes, wait_until, is_alive):
    """FM-004: an orphan would go on with a job that somebody else is given."""
    worker = start_worker(lease_ms=20_000)
    rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    horse = worker.horse
    began = time.monotonic()
    worker.kill()
    wait_until(lambda: not is_alive(horse))
    print(f"the horse was gone after {1000 * (time.monotonic() - began):.0f} ms")
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "saturated"])
def test_the_job_of_a_dead_worker_is_claimable_within_the_bound(
    start_worker, start_ready, redis, notes, wait_until, ledger, slow_ms, busy
):
    """LIV-02, FM-001: lease + reap interval + 1 s, whether the rest of the fleet is idle or has its hands full."""
    timing = {"lease_ms": 1_500, "renew_ms": 300, "margin_ms": 300, "reap_ms": 200}
    dying = start_worker("default", name="dying", **timing)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path, "doomed")
    wait_until(lambda: notes("doomed"))
    start_ready("default", name="other", **timing)
    if busy:
        rq.Queue(connection=redis).enqueue("work.held", notes.path, "long")
        wait_until(lambda: notes("long"))
    began_ms = ledger.now_ms()
    dying.kill()
    reclaimed_ms = wait_until(lambda: settled_ms(ledger, job, "reclaim"))
    print(f"claimable {reclaimed_ms - began_ms} ms after the kill; the bound is {1_500 + 200 + 1_000} ms")
    assert reclaimed_ms - began_ms <= 1_500 + 200 + 1_000 + slow_ms
    if busy:
        assert ledger.status(job) == "queued"
    else:
        wait_until(lambda: ledger.status(job) == "started")
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (2, 1)


def test_under_a_short_lease_no_living_worker_is_robbed(start_ready, redis, notes, wait_until, ledger):
    """INV-05: jobs longer than the lease, on workers that live: none is reclaimed, however often reapers look."""
    for name in ("one", "two"):
        start_ready(name=name, lease_ms=3_000, renew_ms=300, margin_ms=300, reap_ms=50)
    jobs = [rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 4.5) for _ in range(2)]
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
    assert ledger.moves(word="reclaim") == []
    assert [ledger.number(job, "hf_executions") for job in jobs] == [1, 1]


def test_when_all_died_together_the_next_worker_takes_over_all_of_it(start_worker, redis, notes, wait_until, ledger):
    """FM-035, INV-01: the rack lost power; one worker starts, much later, and finishes what was begun."""
    timing = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200, "reap_ms": 100}
    fleet = [start_worker(name=f"w{number}", **timing) for number in range(3)]
    jobs = [rq.Queue(connection=redis).enqueue("work.held", notes.path) for _ in range(3)]
    wait_until(lambda: len(notes("began")) == 3)
    for worker in fleet:
        worker.kill_all()
    notes.say_go()
    time.sleep(1.2)  # longer than every lease: nobody was there to look
    start_worker(name="w0", **timing)
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
    assert [ledger.number(job, "hf_executions") for job in jobs] == [2, 2, 2]


def test_a_pool_replaces_its_dead_and_their_jobs_come_back(start_worker, redis, notes, wait_until, ledger):
    """FM-001, LIV-02: `rq worker-pool` starts another process; the job is reclaimed, not waited for."""
    timing = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200, "reap_ms": 100}
    pool = start_worker(command="worker-pool", options=["-n", "2"], **timing)
    wait_until(lambda: len(rq.Worker.all(redis)) == 2)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    [busy] = [worker for worker in rq.Worker.all(redis) if worker.get_current_job_id() == job.id]
    os.kill(busy.pid, signal.SIGKILL)
    wait_until(lambda: len(notes("began")) == 2, within=5)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_executions") == 2
    wait_until(lambda: pool.log.count(": holdfast ") == 3)
