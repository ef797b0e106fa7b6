"""An app that already runs RQ changes one option of its `rq worker` line, and everything it knew stays true."""

import signal
import sys
import time
from datetime import timedelta

import pytest
import rq
from rq.job import Job
from rq.serializers import JSONSerializer

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes


@pytest.fixture(params=[rq.Queue, Queue], ids=["stock", "ours"])
def queue_class(request):
    return request.param


def test_a_job_of_an_app_is_run_and_its_value_comes_back(start_worker, redis, wait_until, queue_class):
    """INV-01, FM-053: whoever enqueued it, with RQ's own queue or with ours."""
    start_worker()
    job = queue_class(connection=redis).enqueue("work.say", {"rows": [1, 2]}, meta={"for": "tests"})
    wait_until(lambda: job.get_status() == "finished")
    found = Job.fetch(job.id, redis)
    assert found.return_value() == {"rows": [1, 2]}
    assert found.meta == {"for": "tests"}
    assert redis.llen(keys.queue("default")) == 0


def test_what_was_enqueued_while_no_worker_lived_is_run_in_its_order(start_worker, redis, notes, queue_class):
    """INV-01: work waits in line for as long as it takes, first come first served."""
    queue = queue_class(connection=redis)
    for number in range(5):
        queue.enqueue("work.note", notes.path, f"{number}")
    assert start_worker(options=["--burst"]).wait() == 0
    assert notes() == ["0", "1", "2", "3", "4"]


def test_the_first_queue_of_the_command_line_goes_first(start_worker, redis, notes):
    """The urgent ones do not wait behind the many."""
    for name in ("low", "high"):
        for number in range(3):
            rq.Queue(name, connection=redis).enqueue("work.note", notes.path, f"{name} {number}")
    assert start_worker("high", "low", options=["--burst"]).wait() == 0
    assert notes() == ["high 0", "high 1", "high 2", "low 0", "low 1", "low 2"]


def test_round_robin_lets_no_queue_starve(start_worker, redis, notes):
    """A customer with a thousand jobs does not shut out the one with three."""
    for name in ("a", "b"):
        for number in range(3):
            rq.Queue(name, connection=redis).enqueue("work.note", notes.path, f"{name}{number}")
    assert start_worker("a", "b", options=["--burst", "-ds", "round_robin"]).wait() == 0
    assert notes() == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_random_order_serves_all_queues_and_keeps_each_in_order(start_worker, redis, notes):
    """Fifteen jobs each: that one queue goes first by chance happens once in 10**8 runs."""
    for name in ("a", "b"):
        for number in range(15):
            rq.Queue(name, connection=redis).enqueue("work.note", notes.path, f"{name} {number}")
    assert start_worker("a", "b", options=["--burst", "-ds", "random"]).wait(20) == 0
    expected = [f"{name} {number}" for name in ("a", "b") for number in range(15)]
    assert sorted(notes(), key=lambda line: (line[0], notes().index(line))) == expected
    assert notes() != expected
    assert notes() != expected[15:] + expected[:15]


def test_a_burst_worker_leaves_what_is_not_due(start_worker, redis):
    """INV-12: cron jobs that call `rq worker --burst` must end, and must not run tomorrow's work."""
    queue = Queue(connection=redis)
    later = queue.enqueue_in(timedelta(hours=1), "work.say")
    now = queue.enqueue("work.say", 1)
    assert start_worker(options=["--burst"]).wait() == 0
    assert now.get_status() == "finished"
    assert later.get_status() == "scheduled"


def test_a_worker_with_a_limit_of_jobs_leaves_the_rest_in_line(start_worker, redis):
    """INV-01: who restarts workers after so many jobs, for their memory, loses none of the others."""
    jobs = [rq.Queue(connection=redis).enqueue("work.say", number) for number in range(3)]
    assert start_worker(options=["--max-jobs", "2"]).wait() == 0
    assert [job.get_status() for job in jobs] == ["finished", "finished", "queued"]
    assert redis.lrange(keys.queue("default"), 0, -1) == [jobs[2].id.encode()]


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_of_no_jobs_is_one_job_as_in_rq(start_worker, redis, limit):
    """RQ counts after each job. A worker that ran none, and was started again for ever, would say nothing of it."""
    jobs = [rq.Queue(connection=redis).enqueue("work.say", number) for number in range(2)]
    assert start_worker(options=["--max-jobs", limit]).wait() == 0
    assert [job.get_status() for job in jobs] == ["finished", "queued"]


def test_a_worker_with_a_limit_of_idle_time_ends_after_it_and_not_in_its_work(start_worker, redis, notes):
    """LIV-04: an autoscaler's worker goes when there is nothing to do, counted from its last job."""
    began = time.monotonic()
    job = rq.Queue(connection=redis).enqueue("work.noted_nap", notes.path, 1.2)
    assert start_worker(options=["--max-idle-time", "1"]).wait() == 0
    assert job.get_status() == "finished"
    assert 2.2 <= time.monotonic() - began < 15


def test_a_team_that_uses_json_instead_of_pickle_keeps_doing_so(start_worker, redis):
    """FM-033: the serializer of the command line reads the call and writes the value."""
    queue = rq.Queue(connection=redis, serializer=JSONSerializer)
    job = queue.enqueue("work.say", {"a": 1})
    options = ["--burst", "--serializer", "rq.serializers.JSONSerializer"]
    assert start_worker(options=options).wait() == 0
    assert Job.fetch(job.id, redis, serializer=JSONSerializer).return_value() == {"a": 1}


def test_an_apps_own_job_class_is_what_its_functions_see(start_worker, redis):
    """`--job-class` adds methods that functions call on get_current_job()."""
    job = rq.Queue(connection=redis).enqueue("work.shout", job_id="quiet")
    assert start_worker(options=["--burst", "--job-class", "work.LoudJob"]).wait() == 0
    assert job.return_value(refresh=True) == "QUIET"


def test_a_function_can_find_out_which_job_it_is(start_worker, redis):
    """Logs and traces of an app lean on get_current_job() and RQ's two environment variables."""
    job = rq.Queue("mail", connection=redis).enqueue("work.tell_who")
    assert start_worker("mail", name="teller", options=["--burst"]).wait() == 0
    assert job.return_value(refresh=True) == {
        "job": job.id,
        "origin": "mail",
        "env": job.id,
        "worker": "teller",
    }


def test_one_broken_job_does_not_stop_the_ones_behind_it(start_worker, redis, ledger):
    """INV-12, FM-033: a function that is gone, bytes nobody can read, an id without a record; then a good one."""
    queue = rq.Queue(connection=redis)
    gone = queue.enqueue("work.was_renamed_last_week")
    torn = queue.enqueue("work.say", 1)
    redis.hset(keys.job(torn.id), "data", b"\x80not a call")
    redis.rpush(keys.queue("default"), "nobody-knows-this-id")
    good = queue.enqueue("work.say", 2)
    worker = start_worker(options=["--burst"])
    assert worker.wait() == 0
    assert [ledger.status(job) for job in (gone, torn, good)] == ["failed", "failed", "finished"]
    assert "was_renamed_last_week" in gone.latest_result().exc_string
    assert ledger.number(torn, "hf_crashes") == 0
    assert not redis.exists(keys.job("nobody-knows-this-id"))


def test_a_heap_of_expired_jobs_does_not_hide_the_one_behind_it(start_worker, redis, ledger):
    """INV-12, FM-027: jobs with a ttl leave their ids in line; a burst worker must not take that for the end."""
    redis.rpush(keys.queue("default"), *(f"expired-{number}" for number in range(250)))
    good = rq.Queue(connection=redis).enqueue("work.say", 2)
    assert start_worker(options=["--burst"]).wait() == 0
    assert ledger.status(good) == "finished"


@pytest.mark.parametrize("name", ["mail:eu", "größe", "with space", "a" * 200])
def test_a_queue_may_have_any_name(start_worker, redis, ledger, name):
    """INV-02: our sets and entries are made of names, and names may hold what separates them."""
    job = rq.Queue(name, connection=redis).enqueue("work.say", name, job_timeout=-1)
    assert start_worker(name, options=["--burst"]).wait() == 0
    assert job.return_value(refresh=True) == name
    assert redis.zcard(keys.leases(name)) == 0


def test_a_value_that_cannot_be_stored_does_not_undo_the_work(start_worker, redis, ledger):
    """RQ's own promise: the job is finished, a notice stands where its value would."""
    job = rq.Queue(connection=redis).enqueue("threading.Lock")
    assert start_worker(options=["--burst"]).wait() == 0
    assert ledger.status(job) == "finished"
    assert "Unserializable" in job.return_value(refresh=True)


@pytest.mark.parametrize("result_ttl", [0, 60, -1, sys.maxsize])
def test_a_finished_job_is_kept_for_as_long_as_its_app_asked(start_worker, redis, result_ttl):
    """Not at all, for a minute, for ever: record and result alike."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1, result_ttl=result_ttl)
    assert start_worker(options=["--burst"]).wait() == 0
    left = {keys.job(job.id): redis.ttl(keys.job(job.id)), keys.results(job.id): redis.ttl(keys.results(job.id))}
    want = {0: [-2], 60: range(50, 61)}.get(result_ttl, [-1])
    assert all(ttl in want for ttl in left.values()), left


def test_our_queue_wakes_an_idle_worker_without_waiting_for_its_next_look(start_ready, redis, notes, wait_until):
    """LIV-03: the bell is heard at once, so that polling may be as rare as one likes."""
    start_ready(poll_ms=10_000)
    queue = Queue(connection=redis)
    queue.enqueue("work.note", notes.path, "first")
    wait_until(lambda: notes("first"))
    began = time.monotonic()
    queue.enqueue("work.note", notes.path, "second")
    wait_until(lambda: notes("second"))
    print(f"idle start latency {1000 * (time.monotonic() - began):.0f} ms")
    assert time.monotonic() - began < 5


def test_a_pool_of_rqs_own_starts_our_workers_and_ends_them(start_worker, redis, wait_until, notes):
    """`rq worker-pool -w` is one line of an app's deployment: two workers side by side, one SIGTERM."""
    pool = start_worker(command="worker-pool", options=["-n", "2"])
    jobs = [rq.Queue(connection=redis).enqueue("work.held", notes.path) for _ in range(2)]
    wait_until(lambda: len(notes("began")) == 2)
    jobs.append(rq.Queue(connection=redis).enqueue("work.say", 3))
    notes.say_go()
    wait_until(lambda: all(job.get_status() == "finished" for job in jobs))
    assert pool.log.count(": holdfast ") == 2
    pool.send(signal.SIGTERM)
    assert pool.wait() == 0
    assert pool.family == []
