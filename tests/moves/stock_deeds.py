"""What stock RQ writes, by its own classes, on a job of ours that it knows nothing special about."""

import json
from datetime import UTC, datetime, timedelta

import rq
from rq.command import send_kill_horse_command, send_stop_job_command
from rq.job import JobStatus
from rq.registry import CanceledJobRegistry, FailedJobRegistry
from rq.scheduler import RQScheduler
from rq.suspension import resume, suspend

from tests.moves.stock_cell import DO, ID


def enqueue(cell, queue="default", **options):
    cell.pool.stock_queue(queue).enqueue(DO, "A-1", job_id=ID, **options)


def enqueue_behind_one_that_ends_later(cell):
    cell.pool.queue("other").enqueue(DO, "A-1", job_id="before")
    enqueue(cell, depends_on="before")


def enqueue_behind_one_that_ends_at_once(cell):
    cell.pool.queue("third").enqueue(DO, "A-1", job_id="before")
    worker = cell.pool.worker("another")
    lease = worker.hold("third")
    enqueue(cell, depends_on="before")
    worker.complete(lease)


def cancel_and_enqueue(cell):
    job = cell.job()
    if not job.is_canceled:
        job.cancel()
    enqueue(cell)


def delete_and_enqueue(cell):
    cell.job().delete()
    enqueue(cell)


def enqueue_in(cell):
    cell.stock.enqueue_in(timedelta(seconds=3), DO, "A-1", job_id=ID)


def enqueue_at_a_past_moment(cell):
    cell.stock.enqueue_at(datetime.now(UTC) - timedelta(seconds=9), DO, "A-1", job_id=ID)


def requeue_from(registry):
    return lambda cell: registry(queue=cell.stock).requeue(ID, at_front=True)


def delete_by_registry(cell):
    FailedJobRegistry(queue=cell.stock).remove(ID, delete_job=True)


def save_as(status):
    def save_stale(cell):
        job = cell.job()
        job._status = JobStatus(status)
        job.save()

    return save_stale


def run_the_stock_scheduler(cell):
    cell.pool.time_passes(6_000)
    scheduler = RQScheduler([cell.stock], connection=cell.redis)
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()


class StockWorker(rq.SimpleWorker):
    """RQ's worker in this process, which leaves the signals of the test run alone."""

    def _install_signal_handlers(self):
        pass


def command(send, settle):
    """Send a command; who works on the job hears it and does as it does (tests/workers/test_commands.py)."""

    def send_to_the_holder(cell):
        with cell.redis.pubsub(ignore_subscribe_messages=True) as ear:
            ear.subscribe("rq:pubsub:holder")
            ear.get_message(timeout=5)
            send(cell)
            heard = ear.get_message(timeout=5) if cell.holder else None
        if heard:
            assert json.loads(heard["data"])["command"] in {"stop-job", "kill-horse"}
            cell.settle(ID, "bury", **settle)

    return send_to_the_holder


def suspend_and_resume(cell):
    suspend(cell.redis)
    before = cell.began.total()
    cell.all_idle_workers_ask()
    assert cell.began.total() == before
    resume(cell.redis)


def maintain(cell):
    StockWorker([cell.stock], connection=cell.redis).clean_registries()


def work_in_burst(cell):
    StockWorker([cell.stock], connection=cell.redis).work(burst=True)


stop_job = command(lambda cell: send_stop_job_command(cell.redis, ID), {"cause": "stopped", "status": "stopped"})
kill_horse = command(lambda cell: send_kill_horse_command(cell.redis, "holder"), {"cause": "failures"})
requeue_failed = requeue_from(FailedJobRegistry)
requeue_canceled = requeue_from(CanceledJobRegistry)
