"""One attempt at a plain job: what it needs is taken from the record, and nobody reads that into an object of RQ's."""

import os
import random
import sys
from contextlib import nullcontext

import pytest
import rq
from rq.job import Job
from rq.serializers import DefaultSerializer

from holdfast.jobs.errors import LeaseEnded
from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import job_stack
from holdfast.jobs.running import Running
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.workers.attempt import Attempt
from holdfast.workers.fenced_job import Blanks, unread_record
from holdfast.workers.trade import Trade
from tests.workers import work

LEASE = Lease("default", "A-1", "e1", 7, 0, "1")


@pytest.fixture
def attempt(fake, clock):
    """Make an attempt at a job with these options, on whose record that was written; give it with its job object."""

    def make(function=work.say, *args, written=None, job_class=Job, on_exception=lambda *_: None, **options):
        rq.Queue(connection=fake).enqueue(function, *args, job_id="A-1", **options)
        if written:
            fake.hset(keys.job("A-1"), mapping=written)
        record = fake.hgetall(keys.job("A-1"))
        trade = Trade(
            connection=fake,
            job_class=job_class,
            serializer=DefaultSerializer,
            death_penalty=lambda *_, **__: nullcontext(),
            default_result_ttl=60,
            on_exception=on_exception,
        )
        execution = Running(LEASE, None, None, trade.serializer, "", lambda: False)
        job = Blanks(trade).job("A-1", record, execution)
        stack = job_stack.push(None)
        return Attempt(execution, record, job, trade, clock, random.Random(7), lambda: None, stack), job

    yield make
    while len(job_stack):
        job_stack.pop()


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 60), ({"result_ttl": 900}, 900), ({"result_ttl": 0}, 0), ({"result_ttl": -1}, -1)],
)
def test_how_long_a_result_is_kept_is_read_from_the_record(attempt, options, seconds):
    """Most jobs of most apps say it: to make an object of each for that took longer than to run a small one."""
    made, job = attempt(**options)
    end = made.run()
    assert (end.kind, end.words["result_ttl"]) == ("complete", seconds)
    assert unread_record(job) is not None


def keep_for_a_minute_less():
    rq.get_current_job().result_ttl -= 60


def test_a_job_that_changes_how_long_its_result_is_kept_is_heeded(attempt):
    """Who looks at the object has one that counts."""
    made, _ = attempt(keep_for_a_minute_less, result_ttl=900)
    assert made.run().words["result_ttl"] == 840


#: As a program in another language writes it; RQ cannot read that.
STRANGE = {"created_at": "2026-01-01T00:00:00+00:00"}
ENDS_WITH = {
    "repeat": {"repeats_left": "2"},
    "webhooks": {"webhooks": "[]"},
    "a callback": {"success_callback_name": "tests.workers.work.on_success"},
    "a time that is none": {"result_ttl": "soon"},
}


@pytest.fixture
def ran():
    """Give a list of what was done by jobs that note it."""
    work_done.clear()
    return work_done


work_done = []


def note_it(value=None):
    work_done.append("ran")
    return value


@pytest.mark.parametrize("told", ENDS_WITH)
def test_a_record_that_cannot_be_read_is_found_so_before_anything_is_done(attempt, ran, told):
    """FM-033: its horse would end with an error after the body, which counted as a crash and was run again."""
    made, _ = attempt(note_it, written=STRANGE | ENDS_WITH[told])
    end = made.run()
    assert (end.kind, end.words["cause"], ran) == ("bury", "failures", [])
    assert "ValueError: time data '2026-01-01T00:00:00+00:00' does not match" in end.words["error"]


@pytest.mark.parametrize("options", [{}, {"result_ttl": 900}, {"result_ttl": -1}])
def test_a_record_that_cannot_be_read_is_no_matter_where_nobody_reads_it(attempt, ran, options):
    """The body is done, and nothing more is needed of it."""
    made, _ = attempt(note_it, written=STRANGE, **options)
    assert (made.run().kind, ran) == ("complete", ["ran"])


def test_a_job_that_fails_on_a_record_that_cannot_be_read_fails_with_its_own_error(attempt):
    """What a failure callback would see is what could be read."""
    made, job = attempt(work.boom, written=STRANGE)
    end = made.run()
    assert (end.kind, end.words["cause"]) == ("bury", "failures")
    assert end.words["error"].endswith("ValueError: boom\n")
    assert job.get_status(refresh=False) == "failed"


def test_a_function_that_is_gone_is_not_blamed_for_its_record(attempt):
    """It is read before its function is looked for."""
    made, _ = attempt("a_module.that_is_not_imported", written=STRANGE)
    error = made.run().words["error"]
    assert "does not match" in error
    assert "cannot import" not in error


def say_how_long(told):
    rq.get_current_job().result_ttl = told


def say_repeat(intervals):
    job = rq.get_current_job()
    job.repeats_left, job.repeat_intervals = 1, intervals


class Broken(rq.Retry):
    """Says that it is to be tried again, and breaks when it is asked in how long."""

    @classmethod
    def get_interval(cls, count, intervals):
        raise RuntimeError("no interval")


@pytest.mark.parametrize(
    ("function", "given", "error"),
    [(say_how_long, "soon", "TypeError"), (say_repeat, ["soon"], "ValueError"), (note_it, Broken(1), "no interval")],
)
def test_what_breaks_when_a_success_is_put_together_is_the_failure_of_its_job(attempt, function, given, error):
    """FM-033: once, and not the death of its horse, for which it would be run again and again."""
    made, _ = attempt(function, given)
    end = made.run()
    assert (end.kind, end.words["cause"]) == ("bury", "failures")
    assert error in end.words["error"]


def test_an_exception_handler_that_exits_costs_its_job_no_attempt(attempt, caplog):
    """It failed, and is tried again as it was to be; its horse lives."""
    made, _ = attempt(work.boom, on_exception=lambda *_: sys.exit("enough"), retry=rq.Retry(2))
    end = made.run()
    assert (end.kind, end.words["used"]) == ("postpone", ["retries_left", 1])
    assert "An exception handler raised for job A-1" in caplog.text


class Own(Job):
    """An app's own, which is read as it says."""

    def restore(self, raw_data):
        super().restore(raw_data)


@pytest.mark.parametrize("job_class", [Job, Own])
@pytest.mark.parametrize("job_id", ["user:42", b"caf\xe9"])
def test_a_job_whose_id_rq_gives_to_no_job_has_it_all_the_same(fake, attempt, job_class, job_id):
    """FM-033: RQ joins it to other texts, so it is one; the bytes are the same as they came."""
    _, made = attempt(job_class=job_class)
    trade = Trade(connection=fake, job_class=job_class, serializer=DefaultSerializer, death_penalty=nullcontext)
    job = Blanks(trade).job(job_id, {}, None)
    assert type(job).__name__ == type(made).__name__
    assert os.fsencode(job.id) == os.fsencode(job_id)
    assert job.key == keys.job(job.id)


def call_back(*_):
    work_done.append("called back")


class Elsewhere:
    """Stands for a server at which the job is another's by now, and for who asks it."""

    def renew(self, lease, *, worked_s):
        return out.Fenced(lease.fence + 1)

    def send(self, move, *, gives_up):
        return move()


@pytest.mark.parametrize(
    ("function", "options"),
    [(work.say, {"on_success": rq.Callback(call_back)}), (work.boom, {"on_failure": rq.Callback(call_back)})],
)
def test_a_callback_of_a_job_that_is_no_longer_ours_is_not_called(attempt, ran, function, options):
    """FM-012, INV-07: it acts on the world too, and its worker may have slept while the function ran."""
    made, _ = attempt(function, **options)
    made.execution.moves = made.execution.courier = Elsewhere()
    with pytest.raises(LeaseEnded):
        made.run()
    assert ran == []


def leave_the_stack_as_nobody_should():
    job_stack.push("a job that was run in the job")


def test_what_a_job_leaves_where_rq_looks_for_the_current_one_is_gone_with_it(attempt):
    """The next one of the same horse would take it for itself."""
    made, _ = attempt(leave_the_stack_as_nobody_should)
    assert made.run().kind == "complete"
    assert rq.get_current_job() is None
