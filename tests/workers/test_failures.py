"""A job fails, hangs, or asks to be tried again; its app hears of it, and gets the attempts it asked for."""

import pytest
import rq
from rq.job import Callback
from rq.results import Result

from holdfast.jobs import Exponential, Queue

pytestmark = pytest.mark.processes


def test_callbacks_are_told_of_success_and_of_failure(start_worker, redis, notes):
    """An app's mail to its customer hangs on these; each comes once."""
    queue = rq.Queue(connection=redis)
    told = {"on_success": Callback("work.on_success"), "on_failure": Callback("work.on_failure")}
    queue.enqueue("work.noted_nap", notes.path, 0, **told)
    queue.enqueue("work.noted_boom", notes.path, **told)
    assert start_worker(options=["--burst"]).wait() == 0
    assert notes("success") + notes("failure") == ["success began", "failure ValueError boom"]


def test_a_success_callback_that_breaks_makes_the_job_a_failure(start_worker, redis, notes, ledger):
    """As in RQ: what the app wanted done at the end was not done, so somebody must look at it."""
    job = rq.Queue(connection=redis).enqueue(
        "work.noted_nap",
        notes.path,
        0,
        on_success=Callback("work.spoil_success"),
        on_failure=Callback("work.on_failure"),
    )
    assert start_worker(options=["--burst"]).wait() == 0
    assert ledger.status(job) == "failed"
    assert "the callback broke" in job.latest_result().exc_string
    assert notes("failure") == ["failure RuntimeError the callback broke"]


def test_a_failure_callback_that_breaks_is_what_a_person_is_told(start_worker, redis, notes, ledger):
    """As in RQ: its error stands in place of the job's own, which it names as its cause."""
    job = rq.Queue(connection=redis).enqueue("work.noted_boom", notes.path, on_failure=Callback("work.spoil_failure"))
    assert start_worker(options=["--burst"]).wait() == 0
    assert ledger.status(job) == "failed"
    assert "that callback broke too" in job.latest_result().exc_string


def test_a_callback_that_hangs_is_ended_by_its_own_timeout(start_worker, redis, notes, ledger):
    """FM-014: the job's timeout is for the job; the mail server that does not answer has one of its own."""
    told = Callback("work.hang", timeout=1)
    job = rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 0, on_success=told)
    assert start_worker(options=["--burst"]).wait() == 0
    assert (ledger.status(job), notes("hanging")) == ("failed", ["hanging"])
    assert "JobTimeoutException" in job.latest_result().exc_string


def test_each_failed_attempt_is_told(start_worker, redis, notes, ledger):
    """As in RQ: on_failure comes with every attempt, also with those that are tried again."""
    rq.Queue(connection=redis).enqueue(
        "work.noted_boom", notes.path, retry=rq.Retry(max=1), on_failure=Callback("work.on_failure")
    )
    assert start_worker(options=["--burst"]).wait() == 0
    assert notes("failure") == ["failure ValueError boom"] * 2


def test_a_job_is_tried_as_often_as_its_app_asked_and_then_kept(start_worker, redis, notes, wait_until, ledger):
    """INV-09: RQ's Retry(max=2) is three attempts, and the last error is what a person finds."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.fail_at_first", notes.path, 99, retry=rq.Retry(max=2))
    wait_until(lambda: ledger.status(job) == "failed")
    assert len(notes("tried")) == 3
    assert ledger.field(job, "hf_dead") == "failures"
    assert (ledger.number(job, "hf_failures"), ledger.number(job, "hf_crashes")) == (3, 0)
    assert "not yet" in job.latest_result().exc_string


def test_the_waits_between_attempts_are_the_ones_that_were_asked_for(start_worker, redis, notes, wait_until, ledger):
    """INV-12: never earlier, and soon after; the job waits in RQ's scheduled set meanwhile, not in a worker."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue(
        "work.fail_at_first", notes.path, 2, retry=rq.Retry(max=2, interval=[1, 2])
    )
    wait_until(lambda: ledger.status(job) == "scheduled")
    assert rq.registry.ScheduledJobRegistry(connection=redis).get_job_ids() == [job.id]
    wait_until(lambda: ledger.status(job) == "finished")
    first, second, third = (float(line.split()[1]) for line in notes("tried"))
    assert 1.0 <= second - first < 2.0
    assert 2.0 <= third - second < 3.0
    assert job.return_value(refresh=True) == "at last"


def test_a_backoff_of_ours_is_kept_by_real_workers(start_worker, redis, notes, wait_until, ledger):
    """FM-036: of two attempts the second comes within the drawn wait, here at most one second."""
    start_worker()
    job = Queue(connection=redis).enqueue("work.fail_at_first", notes.path, 1, retry=Exponential(2))
    wait_until(lambda: ledger.status(job) == "finished")
    first, second = (float(line.split()[1]) for line in notes("tried"))
    assert second - first < 2.0


def test_a_job_may_ask_to_be_tried_again_without_an_error(start_worker, redis, notes, wait_until, ledger):
    """RQ's way for `not ready yet`: the value returned is a Retry, and each one is in the results."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.ask_again", notes.path, 2)
    wait_until(lambda: ledger.status(job) == "finished")
    assert len(notes("tried")) == 3
    kinds = [result.type for result in job.results()]
    assert kinds == [Result.Type.SUCCESSFUL, Result.Type.RETRIED, Result.Type.RETRIED]
    assert job.return_value(refresh=True) == "at last"


def test_a_job_that_hangs_is_ended_by_its_timeout(start_worker, redis, wait_until, ledger):
    """FM-014: the lease is renewed for as long as the horse lives, so only the timeout can see this one."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.nap", 60, job_timeout=1)
    wait_until(lambda: ledger.status(job) == "failed")
    assert "JobTimeoutException" in job.latest_result().exc_string
    assert ledger.number(job, "hf_crashes") == 0


@pytest.mark.parametrize("function", ["work.ignore_the_alarm", "work.hold_the_interpreter"])
def test_a_job_that_does_not_heed_its_timeout_is_killed(
    start_worker, redis, notes, wait_until, ledger, is_alive, function
):
    """FM-014, FM-015, FM-045: Python code or C code; a failure is recorded, and the worker goes on."""
    start_worker(overtime_ms=500)
    queue = rq.Queue(connection=redis)
    job = queue.enqueue(function, notes.path, job_timeout=1)
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: ledger.status(job) == "failed")
    assert "did not heed" in job.latest_result().exc_string
    assert not is_alive(notes.pids("began")[0])
    assert (ledger.number(job, "hf_failures"), ledger.number(job, "hf_crashes")) == (1, 0)
    wait_until(lambda: behind.get_status() == "finished")


@pytest.mark.parametrize("field", ["timeout", "failure_callback_timeout"])
def test_a_timeout_that_is_no_number_of_seconds_is_its_jobs_own_affair(start_worker, redis, notes, ledger, field):
    """LIV-03: as another program wrote it; the worker counts with it too, and would end, and the next."""
    queue, spoilt = rq.Queue(connection=redis), ("nan", "inf", "1e999")
    jobs = [queue.enqueue("work.noted_boom", notes.path, on_failure=Callback("work.on_failure")) for _ in spoilt]
    for job, value in zip(jobs, spoilt, strict=True):
        redis.hset(f"rq:job:{job.id}", field, value)
    behind = queue.enqueue("work.say", 1)
    assert start_worker(options=["--burst"]).wait() == 0
    assert [ledger.status(job) for job in jobs] == ["failed"] * 3
    assert [ledger.number(job, "hf_crashes") for job in jobs] == [0] * 3
    assert ledger.status(behind) == "finished"


def test_a_killed_timeout_counts_as_a_failure_with_its_retries(start_worker, redis, notes, wait_until, ledger):
    """INV-09: it used up a retry, not a crash, although a horse was killed for it."""
    start_worker(overtime_ms=200)
    job = rq.Queue(connection=redis).enqueue("work.ignore_the_alarm", notes.path, job_timeout=1, retry=rq.Retry(max=1))
    wait_until(lambda: ledger.status(job) == "failed")
    assert len(notes("began")) == 2
    assert (ledger.number(job, "hf_failures"), ledger.number(job, "hf_crashes")) == (2, 0)


def test_a_dependent_is_run_after_what_it_waits_for_and_not_after_its_failure(start_worker, redis, notes, ledger):
    """FM-051: children go in line in the same move as their parent's end."""
    queue = rq.Queue(connection=redis)
    good, bad = queue.enqueue("work.say", 1), queue.enqueue("work.boom")
    after_good = queue.enqueue("work.note", notes.path, "after good", depends_on=good)
    after_bad = queue.enqueue("work.note", notes.path, "after bad", depends_on=bad)
    anyway = rq.job.Dependency(jobs=[bad], allow_failure=True)
    queue.enqueue("work.note", notes.path, "anyway", depends_on=anyway)
    assert start_worker(options=["--burst"]).wait() == 0
    assert sorted(notes()) == ["after good", "anyway"]
    assert (ledger.status(after_good), ledger.status(after_bad)) == ("finished", "deferred")


def test_a_repeat_runs_as_often_as_it_was_asked_to(start_worker, redis, notes, wait_until, ledger):
    """INV-06: each repeat is a generation of its own."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 0, repeat=rq.Repeat(times=2))
    wait_until(lambda: ledger.status(job) == "finished" and len(notes("began")) == 3)
    assert ledger.number(job, "hf_generation") == 3
