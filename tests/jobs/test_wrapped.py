"""A tracer around RQ's enqueue_job, and an app's own one, are called, and our enqueue stays one round trip."""

import functools
import random

import pytest
import rq
from redis import ConnectionPool, Redis, UnixDomainSocketConnection

from holdfast.jobs import Queue
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.settings import Settings


class Counted(UnixDomainSocketConnection):
    """A connection that counts what is sent on it."""

    sent = 0

    def send_packed_command(self, command, check_health=True):  # noqa: FBT002 - redis-py's signature
        type(self).sent += 1
        return super().send_packed_command(command, check_health)


def traced(queue_class):
    """Wrap enqueue_job as Sentry's integration does."""
    plain = queue_class.enqueue_job

    @functools.wraps(plain)
    def enqueue_job(self, job, **options):
        job.meta["trace"] = "abc"
        return plain(self, job, **options)

    return enqueue_job


class Audited(Queue):
    """An app's own queue."""

    def enqueue_job(self, job, pipeline=None, at_front=False, unique=False):  # noqa: FBT002 - RQ's signature
        job.meta["trace"] = "abc"
        return super().enqueue_job(job, pipeline=pipeline, at_front=at_front, unique=unique)


WAYS = {"rq": rq.Queue, "ours": Queue, "a subclass": None}


@pytest.fixture(params=WAYS)
def queue_class(request, monkeypatch):
    """Give the class of a queue whose enqueue_job somebody has something to do with."""
    wrapped = WAYS[request.param]
    if wrapped is None:
        return Audited
    monkeypatch.setattr(wrapped, "enqueue_job", traced(wrapped))
    return Queue


@pytest.fixture
def queue(fake, clock, queue_class):
    return queue_class(connection=fake, clock=clock, rng=random.Random(7), settings=Settings())


def read(queue, job):
    return Job.fetch(job.id, connection=queue.connection)


@pytest.mark.parametrize("options", [{}, {"key": "invoice-7"}, {"meta": {"who": "Ada"}}, {"at_front": True}], ids=str)
def test_what_was_done_to_the_job_is_on_its_record(queue, options):
    """Sentry writes trace headers into meta, for the job to be found below its request."""
    for _ in range(2):  # the second one from a mould
        job = queue.enqueue("shop.fulfil", "A-1", **options)
        assert read(queue, job).meta == options.get("meta", {}) | {"trace": "abc"}
        assert read(queue, job).get_status() == "queued"


def test_our_own_wishes_come_through(queue):
    """`key=` and `crashes=` are no arguments of RQ's enqueue_job."""
    first = queue.enqueue("shop.fulfil", key="invoice-7", crashes=0)
    assert queue.enqueue("shop.fulfil", key="invoice-7").id == first.id
    assert queue.job_ids == [first.id]
    assert queue.connection.hget(first.key, "hf_crashes_max") == b"0"
    assert queue.enqueue("shop.fulfil").id != first.id


def test_a_place_and_an_id_come_through(queue):
    """They are."""
    queue.enqueue("shop.fulfil")
    queue.enqueue("shop.fulfil", job_id="A-1", unique=True, at_front=True)
    assert queue.job_ids[0] == "A-1"
    with pytest.raises(rq.exceptions.DuplicateJobError):
        queue.enqueue("shop.fulfil", job_id="A-1", unique=True)


def test_those_that_go_rqs_own_way_are_traced_once(queue):
    """A child, and a pipeline."""
    parent = queue.enqueue("shop.fulfil")
    child = queue.enqueue("shop.pack", depends_on=parent)
    assert read(queue, child).meta == {"trace": "abc"}
    with queue.connection.pipeline() as pipeline:
        late = queue.enqueue("shop.pack", pipeline=pipeline)
        pipeline.execute()
    assert read(queue, late).meta == {"trace": "abc"}
    assert read(queue, late).get_status() == "queued"


def test_a_job_object_is_traced_too(queue):
    """Also one that says that it waits: who enqueues it wants it in line, whatever was read of it a while ago."""
    job = queue.create_job("shop.fulfil")
    queue.enqueue_job(job)
    assert read(queue, job).meta == {"trace": "abc"}
    deferred = queue.create_job("shop.fulfil", status="deferred")
    queue.enqueue_job(deferred)
    assert deferred.id in queue.job_ids


def test_it_stays_one_round_trip(server, redis, queue_class):
    """RQ's own would be three, and not atomic."""
    path = server.url.removeprefix("unix://")
    queue = queue_class(connection=Redis(connection_pool=ConnectionPool(connection_class=Counted, path=path)))
    queue.enqueue("shop.fulfil")
    Counted.sent = 0
    queue.enqueue("shop.fulfil", key="invoice-7")
    assert Counted.sent == 1


def test_who_lets_nothing_through_is_heeded(fake, monkeypatch):
    """A test of an app's, with a mock in its place."""
    monkeypatch.setattr(rq.Queue, "enqueue_job", lambda _, job, **__: job)
    queue = Queue(connection=fake)
    queue.enqueue("shop.fulfil")
    assert queue.job_ids == []
