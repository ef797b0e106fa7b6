"""One attempt at a plain job: what it needs is taken from the record, and nobody reads that into an object of RQ's."""

import random
from contextlib import nullcontext

import pytest
import rq
from rq.job import Job
from rq.serializers import DefaultSerializer

from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import job_stack
from holdfast.jobs.running import Running
from holdfast.jobs.store import keys
from holdfast.workers.attempt import Attempt
from holdfast.workers.fenced_job import Blanks, unread_record
from holdfast.workers.trade import Trade
from tests.workers import work

LEASE = Lease("default", "A-1", "e1", 7, 0, "1")


@pytest.fixture
def attempt(fake, clock):
    """Make an attempt at a job with these options; give it with its job object."""

    def make(function=work.say, *args, **options):
        rq.Queue(connection=fake).enqueue(function, *args, job_id="A-1", **options)
        record = fake.hgetall(keys.job("A-1"))
        trade = Trade(
            connection=fake,
            job_class=Job,
            serializer=DefaultSerializer,
            death_penalty=lambda *_, **__: nullcontext(),
            default_result_ttl=60,
        )
        execution = Running(LEASE, None, None, trade.serializer, "", lambda: False)
        job = Blanks(trade).job("A-1", record, execution)
        stack = job_stack.push(None)
        return Attempt(execution, record, job, trade, clock, random.Random(7), lambda: None, stack), job

    yield make
    while len(job_stack):
        job_stack.pop()


@pytest.mark.parametrize(
    ("options", "seconds", "is_read"),
    [({}, 60, False), ({"result_ttl": 900}, 900, False), ({"result_ttl": 0}, 0, False), ({"result_ttl": -1}, -1, True)],
)
def test_how_long_a_result_is_kept_is_read_from_the_record(attempt, options, seconds, is_read):
    """Most jobs of most apps say it: to make an object of each for that took longer than to run a small one."""
    made, job = attempt(**options)
    end = made.run()
    assert (end.kind, end.words["result_ttl"]) == ("complete", seconds)
    assert (unread_record(job) is None) is is_read


def keep_for_a_minute_less():
    rq.get_current_job().result_ttl -= 60


def test_a_job_that_changes_how_long_its_result_is_kept_is_heeded(attempt):
    """Who looks at the object has one that counts."""
    made, _ = attempt(keep_for_a_minute_less, result_ttl=900)
    assert made.run().words["result_ttl"] == 840


def leave_the_stack_as_nobody_should():
    job_stack.push("a job that was run in the job")


def test_what_a_job_leaves_where_rq_looks_for_the_current_one_is_gone_with_it(attempt):
    """The next one of the same horse would take it for itself."""
    made, _ = attempt(leave_the_stack_as_nobody_should)
    assert made.run().kind == "complete"
    assert rq.get_current_job() is None
