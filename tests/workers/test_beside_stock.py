"""The hour of a migration, in either direction: RQ's own workers and ours serve the same queues."""

import signal
import time

import pytest
import rq
from rq.job import Retry
from rq.registry import StartedJobRegistry

from holdfast.jobs import Exponential, Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

STOCK = {"worker_class": "rq.Worker"}


def test_a_mixed_fleet_does_everything_once(start_worker, redis, notes, wait_until, ledger):
    """INV-06, FM-053: whoever takes a job, nobody else does."""
    queue = rq.Queue(connection=redis)
    for name, how in (("stock", STOCK), ("ours", {})):
        start_worker(name=name, **how)
    wait_until(lambda: len(rq.Worker.all(redis)) == 2)
    jobs = [queue.enqueue("work.noted_nap", notes.path, 0.05, f"{number}") for number in range(60)]
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs), within=30)
    began = [line.split()[0] for line in notes() if not line.startswith("ended")]
    assert sorted(began, key=int) == [f"{number}" for number in range(60)]
    served = {name: int(redis.hget(keys.worker(name), "successful_job_count") or 0) for name in ("stock", "ours")}
    print(served)
    assert sum(served.values()) == 60
    assert all(served.values()), "one of them has taken all: nothing was tried"


def test_a_stock_workers_running_job_is_left_to_it(start_worker, start_ready, redis, notes, wait_until, ledger):
    """INV-05, FM-053: it has no lease that could be past; our reaper must not take it for one."""
    start_worker(name="stock", **STOCK)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    start_ready(name="ours", lease_ms=1_000, renew_ms=200, margin_ms=200, reap_ms=50)
    time.sleep(1.5)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (len(notes("began")), ledger.moves(job, "claim")) == (1, [])


def test_our_running_job_is_left_alone_by_stock_tools(start_worker, redis, notes, wait_until, ledger):
    """INV-05, FM-053: a stock worker cleans registries as it starts; ours has entries there that look like its own."""
    start_worker(name="ours")
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path, job_timeout=30)
    wait_until(lambda: notes("began"))
    start_worker(name="stock", **STOCK)
    wait_until(lambda: rq.Worker.find_by_key(keys.worker("stock"), redis))
    for minutes in (0, 1, 59):  # by clocks that are ahead, too: ours has an hour past its timeout
        StartedJobRegistry(connection=redis).cleanup(time.time() + minutes * 60)
    assert ledger.status(job) == "started"
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert len(notes("began")) == 1


def test_jobs_of_our_queue_are_run_by_stock_workers(start_worker, redis, notes, wait_until, ledger):
    """FM-053: the way back must be open: no job of ours is unreadable to a stock worker."""
    queue = Queue(connection=redis)
    plain = queue.enqueue("work.note", notes.path, "plain")
    again = queue.enqueue("work.fail_at_first", notes.path, 1, retry=Exponential(1, jitter=False))
    start_worker(name="stock", options=["--with-scheduler"], **STOCK)
    wait_until(lambda: ledger.status(plain) == "finished")
    wait_until(lambda: ledger.status(again) == "finished", within=20)
    assert len(notes("tried")) == 2


def test_jobs_begun_by_stock_workers_go_on_with_ours(start_worker, redis, notes, wait_until, ledger):
    """FM-053: a stock worker failed it once and postponed it; ours promotes it and finishes it."""
    job = rq.Queue(connection=redis).enqueue("work.fail_at_first", notes.path, 1, retry=Retry(max=1, interval=1))
    stock = start_worker(name="stock", **STOCK)
    wait_until(lambda: ledger.status(job) == "scheduled")
    stock.send(signal.SIGTERM)
    assert stock.wait() == 0
    start_worker(name="ours")
    wait_until(lambda: ledger.status(job) == "finished")
    assert len(notes("tried")) == 2
