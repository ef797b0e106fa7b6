"""What is asked for on the command line and in the environment is done, or refused in clear words."""

import time
from datetime import timedelta

import pytest
import rq

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"laese_ms": 5_000}, "unknown setting HOLDFAST_LAESE_MS"),
        (
            {"lease_ms": 900, "renew_ms": 300},
            "HOLDFAST_LEASE_MS (lease_ms) is 900: it must exceed 3 x HOLDFAST_RENEW_MS",
        ),
        ({"grace_ms": "soon"}, "HOLDFAST_GRACE_MS is 'soon'; it takes a whole number"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_worker_before_its_first_job(
    start_worker, redis, ledger, settings, words
):
    """INV-01: a typing error in a deployment must not run jobs under a lease nobody chose."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(**settings)
    assert worker.wait() != 0
    assert words in worker.log
    assert (ledger.status(job), rq.Worker.all(redis)) == ("queued", [])


def test_a_worker_says_its_settings_once(start_worker):
    """The first question after an incident is what the timings were."""
    worker = start_worker(options=["--burst"], lease_ms=2_345)
    assert worker.wait() == 0
    assert worker.log.count("lease_ms=2345") == 1


def test_results_are_kept_for_as_long_as_the_command_line_says(start_worker, redis):
    """`--results-ttl` is for jobs that do not say so themselves."""
    queue = rq.Queue(connection=redis)
    job, own = queue.enqueue("work.say", 1), queue.enqueue("work.say", 1, result_ttl=900)
    assert start_worker(options=["--burst", "--results-ttl", "60"]).wait() == 0
    assert 50 <= redis.ttl(keys.results(job.id)) <= 60
    assert 890 <= redis.ttl(keys.results(own.id)) <= 900


def test_an_exception_handler_of_the_command_line_is_told_of_failures(start_worker, redis, notes, ledger):
    """Teams send errors to their tracker this way."""
    job = rq.Queue(connection=redis).enqueue("work.noted_boom", notes.path)
    assert start_worker(options=["--burst", "--exception-handler", "work.handle_error"]).wait() == 0
    assert notes("handled") == ["handled ValueError"]
    assert ledger.status(job) == "failed"


def test_a_line_that_asked_for_rqs_scheduler_still_works(start_worker, redis, wait_until, ledger):
    """FM-053: `--with-scheduler` stays in many a unit file; our promoter does its work, without another process."""
    worker = start_worker(options=["--with-scheduler"], jobs_per_horse=1)
    job = rq.Queue(connection=redis).enqueue_in(timedelta(seconds=1), "work.say")
    wait_until(lambda: ledger.status(job) == "finished")
    wait_until(lambda: worker.family == [worker.pid])


def test_an_unknown_order_of_queues_is_refused(start_worker):
    """A worker that silently took another order would starve somebody."""
    worker = start_worker(options=["--dequeue-strategy", "fastest"])
    assert worker.wait() != 0
    assert "can only be one of" in worker.log


def test_a_client_that_waits_less_than_an_idle_worker_does_not_disturb_it(
    start_ready, server, redis, wait_until, ledger
):
    """FM-049, LIV-03: 0.2 s for a reply, 10 s for a bell: the wait is no call, so nothing times out."""
    worker = start_ready(url=f"{server.url}?socket_timeout=0.2", poll_ms=10_000)
    time.sleep(1)
    began = time.monotonic()
    job = Queue(connection=redis).enqueue("work.say", 1)
    wait_until(lambda: ledger.status(job) == "finished")
    assert time.monotonic() - began < 5
    assert "Redis is away" not in worker.log
    assert "TimeoutError" not in worker.log
    assert not worker.has_ended
