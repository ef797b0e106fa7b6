"""What RQ's documentation offers an app is there with real workers of ours: each row of docs/how-to/rq-features.md."""

import time

import pytest
import rq
from rq.group import Group
from rq.job import Callback, Dependency, Job
from rq.registry import FailedJobRegistry
from rq.results import Result

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture
def queue(redis):
    return rq.Queue(connection=redis)


@pytest.fixture(params=[rq.Queue, Queue], ids=["stock", "ours"])
def either_queue(request, redis):
    """Give a queue of RQ's and one of ours, where an enqueue goes another way."""
    return request.param(connection=redis)


@pytest.fixture
def burst(start_worker):
    """Give a function that runs a worker until there is nothing to do."""

    def run(*options):
        worker = start_worker(options=["--burst", *options])
        assert worker.wait(20) == 0
        return worker

    return run


def statuses(jobs):
    return [job.get_status().value for job in jobs]


def test_who_registers_in_the_moment_its_parent_ends_is_not_forgotten(start_ready, either_queue, wait_until, ledger):
    """RQ watches the parent's record for this; our settle is one script, so it falls before or after."""
    start_ready()
    body_s = aim_s = 0.01
    step_s, came_before = 0.001, []
    for _ in range(40):
        parent = either_queue.enqueue("work.nap", body_s)
        wait_until(lambda parent=parent: ledger.status(parent) != "queued", every=0.001)
        time.sleep(aim_s)
        child = either_queue.enqueue("work.say", 2, depends_on=parent)
        came_before.append(child.get_status(refresh=False) == "deferred")
        # Too early: aim later. Too late: aim earlier. So it stays about the moment itself, and where that moves away
        # from it, it follows ever faster.
        step_s = 0.001 if len(set(came_before[-2:])) == 2 else min(2 * step_s, 0.05)
        aim_s += step_s if came_before[-1] else -step_s
        if aim_s < 0:
            # A worker may have ended its job before we see that it began one.
            aim_s, body_s = 0.0, 2 * body_s
        wait_until(lambda child=child: ledger.status(child) == "finished")
    told = f"{sum(came_before)} of 40 came before the end, the last {aim_s * 1000:.0f} ms after the begin"
    print(f"{told} of a job of {body_s * 1000:.0f} ms")
    assert set(came_before) == {True, False}, f"one of the two sides was never tried: {told}"


def test_who_waits_for_many_is_run_after_the_last_of_them(burst, either_queue, redis, notes):
    """And only then; each parent's name is written before the child's."""
    parents = [either_queue.enqueue("work.note", notes.path, f"parent {number}") for number in range(3)]
    either_queue.enqueue("work.note", notes.path, "child", depends_on=Dependency(jobs=parents))
    burst()
    assert notes() == ["parent 0", "parent 1", "parent 2", "child"]


def test_a_failed_parent_holds_back_all_but_those_who_allow_it(burst, either_queue):
    """`allow_failure`, with one parent that fails and one that does not."""
    good, bad = either_queue.enqueue("work.say", 1), either_queue.enqueue("work.boom")
    strict = either_queue.enqueue("work.say", 2, depends_on=Dependency(jobs=[good, bad]))
    lenient = either_queue.enqueue("work.say", 3, depends_on=Dependency(jobs=[good, bad], allow_failure=True))
    burst()
    assert statuses([good, bad, strict, lenient]) == ["finished", "failed", "deferred", "finished"]


def test_a_child_in_a_hurry_goes_to_the_front(burst, either_queue, notes):
    """`enqueue_at_front` of a Dependency: before those that were in line when its parent ended."""
    parent = either_queue.enqueue("work.note", notes.path, "parent")
    either_queue.enqueue("work.note", notes.path, "other")
    hurry = Dependency(jobs=[parent], enqueue_at_front=True)
    either_queue.enqueue("work.note", notes.path, "child", depends_on=hurry)
    burst()
    assert notes() == ["parent", "child", "other"]


def test_each_run_of_a_repeat_tells_of_its_success(burst, queue, notes):
    """`Repeat(times=2)` is three runs, with three calls of on_success."""
    queue.enqueue("work.noted_nap", notes.path, 0, repeat=rq.Repeat(times=2), on_success=Callback("work.on_success"))
    burst()
    assert notes("success") == ["success began"] * 3


def test_one_retry_too_many_is_a_result_of_its_own(burst, queue, redis, notes):
    """A job that returns Retry more often than that allows has failed, and its last result says why."""
    job = queue.enqueue("apps.ask_for_ever")
    burst()
    assert statuses([job]) == ["failed"]
    results = [result.type for result in Result.all(job)]
    assert results == [Result.Type.MAX_RETRIES_EXCEEDED, Result.Type.RETRIED]
    assert job.id in FailedJobRegistry(queue=queue)


def test_a_group_is_found_again_with_its_jobs(burst, either_queue, redis):
    """Also after they have run; one that is not kept leaves it."""
    group = Group.create(connection=redis, name="import")
    datas = [rq.Queue.prepare_data("work.say", (number,)) for number in range(2)]
    datas.append(rq.Queue.prepare_data("work.say", (2,), result_ttl=0))
    group.enqueue_many(either_queue, datas)
    assert len(group.get_jobs()) == 3
    burst()
    found = Group.fetch("import", redis).get_jobs()
    assert sorted(job.return_value() for job in found) == [0, 1]


def test_a_result_that_is_not_wanted_leaves_nothing(burst, either_queue, redis):
    """`result_ttl=0`: neither record nor result, and whoever waited for it is run."""
    job = either_queue.enqueue("work.say", 1, result_ttl=0)
    child = either_queue.enqueue("work.say", 2, depends_on=job)
    burst()
    assert not Job.exists(job.id, redis)
    assert not redis.exists(keys.results(job.id))
    assert statuses([child]) == ["finished"]


def test_a_job_whose_time_in_line_is_over_is_not_run(burst, either_queue, redis, notes, wait_until):
    """`ttl`: it expires where it is, and the one behind it is next."""
    late = either_queue.enqueue("work.note", notes.path, "late", ttl=1)
    either_queue.enqueue("work.note", notes.path, "good")
    wait_until(lambda: not Job.exists(late.id, redis))
    burst()
    assert notes() == ["good"]
    assert redis.llen(keys.queue("default")) == 0


def test_a_failure_is_kept_for_as_long_as_its_app_asked(burst, queue, redis):
    """`failure_ttl`, of the record and of the traceback."""
    job = queue.enqueue("work.boom", failure_ttl=900)
    burst()
    assert statuses([job]) == ["failed"]
    assert 880 <= redis.ttl(keys.job(job.id)) <= 900
    assert 880 <= redis.ttl(keys.results(job.id)) <= 900


def test_without_rqs_own_handler_a_failure_is_not_listed(burst, queue, notes):
    """`--disable-default-exception-handler`: the app's handlers are told, RQ's registry of the failed is not."""
    job = queue.enqueue("work.noted_boom", notes.path)
    burst("--disable-default-exception-handler", "--exception-handler", "work.handle_error")
    assert notes("handled") == ["handled ValueError"]
    assert statuses([job]) == ["failed"]
    assert job.id not in FailedJobRegistry(queue=queue)


def test_handlers_are_told_in_their_order_until_one_says_enough(burst, queue, notes):
    """As in RQ: one that returns False is the last."""
    queue.enqueue("work.noted_boom", notes.path)
    names = ("apps.handle_too", "work.handle_error", "apps.handle_too")
    burst(*(word for name in names for word in ("--exception-handler", name)))
    assert notes("handled") == ["handled too ValueError", "handled ValueError"]


def test_a_handler_that_breaks_does_not_make_a_failure_a_crash(burst, queue, notes, ledger):
    """The job is run once, and failed with its own error."""
    job = queue.enqueue("work.noted_boom", notes.path)
    burst("--exception-handler", "apps.break_handling")
    assert len(notes("began")) == 1
    assert statuses([job]) == ["failed"]
    assert "ValueError: boom" in job.latest_result().exc_string


def test_a_queue_without_workers_runs_its_jobs_in_place(redis, notes):
    """`is_async=False`, for the tests of an app."""
    for queue_class in (rq.Queue, Queue):
        job = queue_class(connection=redis, is_async=False).enqueue("builtins.max", 1, 2)
        assert job.return_value() == 2
