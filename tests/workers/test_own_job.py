"""What a job's code and its callbacks may do with its own Job object, as with RQ's."""

import pytest
import rq

pytestmark = pytest.mark.processes

#: What each answers with stock RQ.
ANSWERS = {
    "read_parents": ["tea"],
    "read_one_by_its_class": "tea",
    "read_many_by_its_class": ["tea", None],
    "read_by_a_queue_of_its_class": "tea",
    "tell_its_parent": ("was here", "has a child"),
    "make_another": True,
    "know_itself": (True, True, True, True, True),
}
MODES = pytest.mark.parametrize("jobs_per_horse", [1, 1_000])


@pytest.fixture
def burst(start_worker, redis):
    """Give a function that has a worker run all there is."""

    def run(**how):
        assert start_worker(options=["--burst", *how.pop("options", ())], **how).wait() == 0

    return run


@MODES
def test_other_jobs_that_it_comes_by_are_rqs(burst, redis, jobs_per_horse):
    """Only its own is under its lease: those that it reads, makes and writes by the class of its own are as ever."""
    queue = rq.Queue(connection=redis)
    first = queue.enqueue("own_job.parent")
    asked = {name: queue.enqueue(f"own_job.{name}", depends_on=first) for name in ANSWERS}
    burst(jobs_per_horse=jobs_per_horse)
    results = {name: job.latest_result() for name, job in asked.items()}
    assert {name: each.return_value or each.exc_string for name, each in results.items()} == ANSWERS


@MODES
@pytest.mark.parametrize("function", ["parent", "boom"])
def test_who_is_called_back_knows_how_long_it_took(burst, redis, jobs_per_horse, function):
    """A callback that reckons with `ended_at` would make a failure of a success."""
    call = rq.Callback("own_job.note_duration")
    job = rq.Queue(connection=redis).enqueue(f"own_job.{function}", on_success=call, on_failure=call)
    burst(jobs_per_horse=jobs_per_horse)
    assert job.get_status() == {"parent": "finished", "boom": "failed"}[function]
    assert 0 <= float(redis.get(f"duration:{job.id}")) < 5


def test_so_does_an_exception_handler(burst, redis):
    """Also of a job that nobody else has looked at."""
    job = rq.Queue(connection=redis).enqueue("own_job.boom")
    burst(options=["--exception-handler", "own_job.note_and_go_on"])
    assert 0 <= float(redis.get(f"duration:{job.id}")) < 5


@pytest.mark.parametrize(
    ("function", "options"),
    [
        pytest.param("give_up", {}, id="in the function"),
        pytest.param("boom", {"on_failure": rq.Callback("own_job.give_up_in_a_callback")}, id="in a callback"),
    ],
)
def test_a_job_that_takes_its_retries_from_itself_is_not_tried_again(burst, redis, function, options):
    """As in RQ, saved or not: what failed for good need not fail three times more."""
    job = rq.Queue(connection=redis).enqueue(f"own_job.{function}", retry=rq.Retry(max=3), **options)
    burst()
    assert (job.get_status(), int(redis.hget(job.key, "hf_failures"))) == ("failed", 1)


def test_a_job_that_changes_its_waits_is_tried_again_when_it_says(burst, redis):
    """What it was told by a server that is busy, say."""
    job = rq.Queue(connection=redis).enqueue("own_job.wait_less", retry=rq.Retry(max=1, interval=600))
    burst()
    assert (job.get_status(), int(redis.hget(job.key, "hf_failures"))) == ("failed", 2)
    assert redis.hget(job.key, "retry_intervals") == b"[0]"
