"""App code enqueues as it did with RQ, and stock tools read what it wrote."""

from datetime import UTC, datetime, timedelta

import pytest
import rq
from rq import Callback, Repeat
from rq.job import Dependency
from rq.serializers import JSONSerializer

from holdfast.jobs import Exponential, Fixed, Queue
from holdfast.jobs.rq_surface import DuplicateJobError, Job
from tests.jobs.stock_eyes import fetch, line

OPTIONS = {
    "job_timeout": (60, lambda job: job.timeout, 60),
    "result_ttl": (7, lambda job: job.result_ttl, 7),
    "failure_ttl": (8, lambda job: job.failure_ttl, 8),
    "ttl": (9, lambda job: job.ttl, 9),
    "description": ("an order", lambda job: job.description, "an order"),
    "meta": ({"who": "Ada"}, lambda job: job.meta, {"who": "Ada"}),
    "retry": (rq.Retry(max=3, interval=[1, 2]), lambda job: (job.retries_left, job.retry_intervals), (3, [1, 2])),
    "repeat": (Repeat(times=3, interval=5), lambda job: (job.repeats_left, job.repeat_intervals), (3, [5])),
    "on_success": (Callback("shop.thank", 5), lambda job: job._success_callback_name, "shop.thank"),
    "on_failure": (Callback("shop.sorry", 6), lambda job: job._failure_callback_timeout, 6),
    "on_stopped": (Callback("shop.tidy"), lambda job: job._stopped_callback_name, "shop.tidy"),
}


@pytest.mark.parametrize("how", ["enqueue", "enqueue_in", "enqueue_at", "enqueue_many"])
@pytest.mark.parametrize("option", OPTIONS)
def test_rqs_options_go_through(queue, option, how):
    """Whatever RQ takes, its own workers and tools find on the job."""
    value, read, kept = OPTIONS[option]
    match how:
        case "enqueue":
            job = queue.enqueue("shop.fulfil", "A-1", cents=5, **{option: value})
        case "enqueue_in":
            job = queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", "A-1", cents=5, **{option: value})
        case "enqueue_at":
            job = queue.enqueue_at(datetime.now(UTC), "shop.fulfil", "A-1", cents=5, **{option: value})
        case _:
            option = option.removeprefix("job_")
            data = Queue.prepare_data("shop.fulfil", ("A-1",), {"cents": 5}, **{option: value})
            (job,) = queue.enqueue_many([data])
    found = fetch(queue, job)
    assert read(found) == kept
    assert (found.func_name, found.args, found.kwargs) == ("shop.fulfil", ("A-1",), {"cents": 5})
    assert (found.origin, found.timeout) == ("default", 60 if "timeout" in option else 180)


def test_a_job_has_the_state_of_where_it_is(queue):
    """Without another round trip: the answer says it."""
    plain = queue.enqueue("shop.fulfil")
    later = queue.enqueue_in(timedelta(seconds=5), "shop.fulfil")
    past = queue.enqueue_in(timedelta(seconds=-5), "shop.fulfil")
    for job, status in ((plain, "queued"), (later, "scheduled"), (past, "scheduled")):
        assert job.get_status(refresh=False) == fetch(queue, job).get_status() == status
    assert fetch(queue, plain).enqueued_at
    assert line(queue) == [plain.id]


def test_at_front_is_next(queue):
    """Also of many."""
    queue.enqueue("shop.fulfil", job_id="patient")
    queue.enqueue("shop.fulfil", job_id="hasty", at_front=True)
    queue.enqueue_many([Queue.prepare_data("shop.fulfil", job_id="hastier", at_front=True)])
    assert line(queue) == ["hastier", "hasty", "patient"]


@pytest.mark.parametrize("description", [5, 1.5])
@pytest.mark.parametrize("way", ["enqueue", "enqueue_in", "enqueue_many"])
def test_a_description_may_be_a_number(queue, way, description):
    """RQ takes the order's; what is no number and no text redis-py refuses by its name."""
    options = {"description": description, "job_id": "A-1"}
    match way:
        case "enqueue":
            queue.enqueue("shop.fulfil", **options)
            queue.enqueue("shop.fulfil", **options)
        case "enqueue_in":
            queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", **options)
        case _:
            queue.enqueue_many([Queue.prepare_data("shop.fulfil", **options) for _ in range(2)])
    assert Job.fetch("A-1", connection=queue.connection).description == str(description)


@pytest.mark.parametrize(("at_front", "order"), [(None, ["1", "2"]), ("", ["1", "2"]), ("yes", ["2", "1"])])
@pytest.mark.parametrize("way", ["enqueue", "enqueue_call", "enqueue_job", "enqueue_many"])
def test_a_yes_or_a_no_may_be_anything_that_python_takes_for_one(queue, way, at_front, order):
    """As RQ has it; apps hand on what a form or a config says."""
    for job_id in ("1", "2"):
        match way:
            case "enqueue":
                queue.enqueue("shop.fulfil", job_id=job_id, at_front=at_front, unique=at_front)
            case "enqueue_call":
                queue.enqueue_call("shop.fulfil", job_id=job_id, at_front=at_front, unique=at_front)
            case "enqueue_job":
                queue.enqueue_job(queue.create_job("shop.fulfil", job_id=job_id), at_front=at_front, unique=at_front)
            case _:
                queue.enqueue_many([Queue.prepare_data("shop.fulfil", job_id=job_id, at_front=at_front)])
    assert line(queue) == order


def test_a_moment_is_kept_to_the_millisecond_and_never_early(queue, clock):
    """INV-12: what RQ's scheduler and our promoter read; a fraction of a millisecond is rounded up."""
    moment = datetime(2030, 1, 1, 12, 0, 0, 500_400, tzinfo=UTC)
    job = queue.enqueue_at(moment, "shop.fulfil")
    assert queue.scheduled_job_registry.get_scheduled_time(job) >= moment.replace(microsecond=0)
    assert queue.connection.zscore("rq:scheduled:default", job.id) == 1_893_499_200.501
    job = queue.enqueue_in(timedelta(microseconds=1_500_400), "shop.fulfil")
    assert queue.connection.zscore("rq:scheduled:default", job.id) == clock.wall_s() + 1.501


@pytest.mark.parametrize("in_a_pipeline", [False, True])
@pytest.mark.parametrize("how", ["enqueue_at", "enqueue_in"])
def test_the_end_of_time_stays_a_date_to_rqs_tools(queue, clock, monkeypatch, how, in_a_pipeline):
    """An app says *never* by it. A year 10000 among the scheduled would end each tool that reads them."""
    slow_s = clock.wall_s() - 3_600  # the producer's clock
    monkeypatch.setattr(type(clock), "wall_s", lambda _: slow_s)
    end = datetime.max.replace(tzinfo=UTC)
    moment = end if how == "enqueue_at" else end - datetime.fromtimestamp(slow_s, tz=UTC)
    with queue.connection.pipeline() as pipe:
        options = {"pipeline": pipe} if in_a_pipeline else {}
        job = getattr(queue, how)(moment, "shop.fulfil", **options)
        pipe.execute()
    assert queue.scheduled_job_registry.get_scheduled_time(job).year == 9999


@pytest.mark.parametrize("time_delta", [timedelta.max, timedelta.min, timedelta(days=365 * 9_000)])
def test_a_wait_that_ends_in_no_year_is_refused_as_by_rq(queue, time_delta):
    """It is a slip, and RQ's tools could not read it."""
    with pytest.raises(OverflowError, match="date value out of range"):
        queue.enqueue_in(time_delta, "shop.fulfil")


def test_a_job_waits_for_the_one_it_depends_on(queue):
    """RQ's own way in: an app may mix both kinds."""
    parent = queue.enqueue("shop.fulfil")
    child = queue.enqueue("shop.pack", depends_on=Dependency([parent], allow_failure=True))
    assert fetch(queue, child).get_status() == "deferred"
    assert parent.dependent_ids == [child.id]
    assert line(queue) == [parent.id]


@pytest.mark.parametrize("way", ["plain", "scheduled", "dependent", "in a pipeline", "scheduled in a pipeline"])
def test_what_we_take_beyond_rqs_options_is_on_the_job_whichever_way_it_came(queue, way):
    """A job that may run at most once must not become one that may run twice because it waits for another."""
    options = {"crashes": 0, "retry": Exponential(3, base=2), "job_id": "A-1"}
    with queue.connection.pipeline() as pipe:
        match way:
            case "plain":
                queue.enqueue("shop.fulfil", **options)
            case "scheduled":
                queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", **options)
            case "dependent":
                queue.enqueue("shop.pack", depends_on=queue.enqueue("shop.fulfil"), **options)
            case "in a pipeline":
                queue.enqueue("shop.fulfil", pipeline=pipe, **options)
            case _:
                queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", pipeline=pipe, **options)
        pipe.execute()
    kept = queue.connection.hmget("rq:job:A-1", "hf_crashes_max", "hf_jitter", "retries_left", "retry_intervals")
    assert kept == [b"0", b"1", b"3", b"[2, 4, 8]"]


def test_policies_of_ours_are_rq_retries(queue):
    """A stock worker waits as long, without the jitter."""
    job = fetch(queue, queue.enqueue("shop.fulfil", retry=Fixed(3, 20, at_front=True)))
    assert (job.retries_left, job.get_retry_interval(), job.enqueue_at_front_on_retry) == (3, 20, True)


def test_a_unique_id_is_refused_the_second_time(queue):
    """RQ's own error, from each way in."""
    queue.enqueue("shop.fulfil", job_id="A-1", unique=True)
    with pytest.raises(DuplicateJobError, match="A-1"):
        queue.enqueue("shop.fulfil", job_id="A-1", unique=True)
    with pytest.raises(DuplicateJobError):
        queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", job_id="A-1", unique=True)
    with pytest.raises(ValueError, match="job_id"):
        queue.enqueue("shop.fulfil", unique=True)


def test_a_queue_that_is_not_async_runs_jobs_at_once(fake, clock):
    """As in an app's own tests; nothing goes in line."""
    queue = Queue(connection=fake, clock=clock, is_async=False)
    job = queue.enqueue(max, 1, 2)
    (other,) = queue.enqueue_many([Queue.prepare_data(max, (3, 4))])
    assert (job.return_value(), other.return_value()) == (2, 4)
    assert line(queue) == []


def test_a_queue_speaks_the_apps_serializer(fake, clock):
    """Ours is told nothing else."""
    queue = Queue(connection=fake, clock=clock, serializer=JSONSerializer)
    job = queue.enqueue("shop.fulfil", "A-1", meta={"who": "Ada"})
    found = Job.fetch(job.id, connection=fake, serializer=JSONSerializer)
    assert (found.args, found.meta) == (["A-1"], {"who": "Ada"})


def test_a_stock_worker_runs_our_jobs(redis):
    """FM-053: an app moves first, its workers later, or the other way round."""
    queue = Queue(connection=redis)
    jobs = [queue.enqueue(max, 1, 2), queue.enqueue(divmod, 7, 2, crashes=0, retry=Exponential(2))]
    jobs += queue.enqueue_many([Queue.prepare_data(max, (3, 4))])
    rq.SimpleWorker(["default"], connection=redis).work(burst=True, logging_level="ERROR")
    assert [job.return_value(refresh=True) for job in jobs] == [2, (3, 1), 4]


def test_a_job_object_without_a_timeout_gets_the_queues(queue):
    """As RQ gives it."""
    queue._default_timeout = 17
    job = rq.job.Job.create("shop.fulfil", connection=queue.connection)
    assert queue.enqueue_job(job).timeout == fetch(queue, job).timeout == 17


def test_a_job_object_without_an_id_cannot_be_unique(queue):
    """As RQ has it: an id drawn by chance is always unique."""
    with pytest.raises(ValueError, match="explicit job_id"):
        queue.enqueue_job(rq.job.Job.create("shop.fulfil", connection=queue.connection), unique=True)
