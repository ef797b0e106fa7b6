"""An app's own subclass of our Worker: what it overrides is called, or it is told that it is not."""

import inspect

import pytest
import rq
from rq.job import Job

from holdfast.jobs.rq_surface import NEVER_CALLED
from holdfast.workers import Worker
from holdfast.workers.at_start import overridden_in_vain

#: What stock's loop calls and ours does not, and is no warning worth: ours has it for others' sake, or for a signal.
NOT_LISTED = {"get_state", "queue_keys", "request_stop", "unsubscribe"}


@pytest.mark.processes
def test_a_method_that_is_never_called_is_named_at_the_start(start_worker, redis, notes, ledger, monkeypatch):
    """An app's metrics or clean-up would just stop, without a word. What is called is not named."""
    monkeypatch.setenv("NOTES", notes.path)
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker, plain = (start_worker(worker_class=name, options=["--burst"]) for name in ("apps.Hopeful", "apps.Worker"))
    assert (worker.wait(), plain.wait()) == (0, 0)
    assert worker.log.count("overridden, and never called by our loop: perform_job, run_maintenance_tasks\n") == 1
    assert "never called" not in plain.log
    assert (ledger.status(job), notes(), rq.Worker.all(redis)) == ("finished", ["register_death"], [])


@pytest.mark.processes
def test_a_method_of_a_jobs_class_that_is_never_called_is_named_too(start_worker, redis, notes, ledger, monkeypatch):
    """What an app does at the end of each job would not be done."""
    monkeypatch.setenv("NOTES", notes.path)
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(options=["--burst", "--job-class", "apps.CarefulJob"])
    assert worker.wait() == 0
    assert worker.log.count("overridden, and never called by our loop: CarefulJob.cleanup\n") == 1
    assert (ledger.status(job), notes()) == ("finished", ["perform"])


@pytest.mark.processes
def test_the_list_is_what_stock_calls_and_ours_does_not(start_worker, redis, notes, monkeypatch):
    """Found out by both at the same jobs: a success, a failure, one to be tried again, one that kills its horse."""
    called = {}
    for name in ("apps.Recorder", "apps.StockRecorder"):
        monkeypatch.setenv("NOTES", f"{notes.path}-{name}")
        queue = rq.Queue(connection=redis)
        queue.enqueue("work.say", 1)
        queue.enqueue("work.boom")
        queue.enqueue("work.boom", retry=rq.Retry(max=1))
        queue.enqueue("work.die", "kill")
        assert start_worker(worker_class=name, options=["--burst"]).wait(60) == 0
        called[name] = {*type(notes)(f"{notes.path}-{name}")()}
        redis.flushall()
    ours, stocks = called.values()
    assert {"bootstrap", "handle_exception", "handle_work_horse_killed", "register_death"} <= ours
    assert not ours & NEVER_CALLED
    assert {name for name in stocks - ours if not name.startswith("_")} <= NEVER_CALLED | NOT_LISTED


def test_each_of_the_list_is_a_method_of_rqs():
    """In the installed RQ, whichever it is; a name that is gone warns nobody."""
    assert all(inspect.isfunction(getattr(rq.Worker, name)) for name in NEVER_CALLED)
    assert overridden_in_vain(Worker, Job) == []


def test_a_worker_without_a_queue_is_refused(fake):
    """Its first claim would fail, and say nothing of queues."""
    with pytest.raises(ValueError, match="a worker without a queue has nothing to do"):
        Worker([], connection=fake).work(burst=True)
