"""A job from a mould is the job that RQ would have made, and nobody else's."""

import math
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import rq
from rq.utils import utcformat

from holdfast.jobs import Exponential, Queue
from holdfast.jobs.mould import Maker
from holdfast.jobs.rq_surface import Job, JobStatus
from holdfast.jobs.store import keys
from holdfast.jobs.store.records import rq_moment


class Shop:
    """Something whose methods are enqueued."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def open(self):
        """Do nothing."""

    def __call__(self):
        """Do nothing."""


CALLS = [
    pytest.param(Queue.prepare_data("shop.fulfil", ("A-1", 7), {"b": 1, "a": [2]}), id="a name"),
    pytest.param(Queue.prepare_data(utcformat), id="a function"),
    pytest.param(Queue.prepare_data(math.floor, [1.5]), id="a builtin"),
    pytest.param(Queue.prepare_data(Shop("x").open), id="a method"),
    pytest.param(Queue.prepare_data(Shop("x")), id="an instance"),
    pytest.param(Queue.prepare_data("shop.fulfil", description="a gift", job_id="A-1"), id="words of its own"),
    pytest.param(Queue.prepare_data("shop.fulfil", meta={"who": "Ada"}), id="meta"),
    pytest.param(Queue.prepare_data("shop.fulfil", timeout="1h", ttl=5, result_ttl=0, failure_ttl=-1), id="times"),
    pytest.param(
        Queue.prepare_data("shop.fulfil", webhooks=[rq.Webhook("http://shop.test", "finished")]), id="webhooks"
    ),
    pytest.param(Queue.prepare_data("shop.fulfil", retry=rq.Retry(max=2, interval=[1, 2])), id="a retry"),
    pytest.param(Queue.prepare_data("shop.fulfil", repeat=rq.Repeat(times=2), on_success="shop.tell"), id="a repeat"),
]


@pytest.fixture
def queue(fake, clock):
    return Queue(connection=fake, clock=clock)


def cast(queue, data):
    """Make a job twice, and give the one that came from the mould."""
    maker = Maker(partial(queue.create_job, status=JobStatus.QUEUED))
    maker.make(data._replace(func="shop.other", args=("Z",), description=None, job_id="Z"))
    return maker.make(data)[0]


@pytest.mark.filterwarnings("ignore:Passing a string or function")
@pytest.mark.parametrize("data", CALLS)
def test_a_cast_is_what_rq_makes(queue, data):
    """Attribute by attribute, and what it writes of itself; but for its moment, and for its id where none was given."""
    ours, theirs = cast(queue, data), queue.create_job(**{k: v for k, v in data._asdict().items() if k != "at_front"})
    theirs.created_at = ours.created_at
    assert (ours.data, ours.to_dict()) == (theirs.data, theirs.to_dict())
    assert (ours._id, vars(ours)) == (data.job_id, vars(theirs))


def test_casts_share_nothing_that_can_be_changed(queue):
    """One job's meta, webhooks or parents are not another's."""
    maker = Maker(queue.create_job)
    first, second, third = (maker.make(Queue.prepare_data("shop.fulfil"))[0] for _ in range(3))
    second.meta["who"] = "Ada"
    second.webhooks.append(1)
    second._dependency_ids.append("A-1")
    for other in (first, third):
        assert (other.meta, other.webhooks, other._dependency_ids) == ({}, [], [])
    assert len({first.id, second.id, third.id}) == 3


def test_a_bad_call_is_an_error_of_its_enqueue_and_nothing_is_written(queue):
    """RQ's own words, also where the mould is there; and of many, none."""
    queue.enqueue("shop.fulfil")
    before = queue.connection.keys("*")
    datas = [Queue.prepare_data("shop.fulfil") for _ in range(300)]
    for bad, error in (
        (Queue.prepare_data(7), TypeError),
        (Queue.prepare_data("shop.fulfil", job_id="with a blank"), ValueError),
        (Queue.prepare_data("shop.fulfil", (lambda: 1,)), Exception),
        (Queue.prepare_data("shop.fulfil", meta={"x": lambda: 1}), Exception),
    ):
        with pytest.raises(error):
            queue.enqueue_many([*datas, bad])
    with pytest.raises(ValueError, match="Job ID must only contain"):
        queue.enqueue("shop.fulfil", job_id="with a blank")
    assert queue.connection.keys("*") == before


def test_a_policy_of_ours_is_on_each_of_many(queue):
    """Also in what the job writes of itself later, in pipelines of RQ's."""
    policy = Exponential(max=2)
    for job in queue.enqueue_many([Queue.prepare_data("shop.fulfil", (n,), retry=policy) for n in range(3)]):
        assert queue.connection.hget(keys.job(job.id), "hf_jitter") == str(job.to_dict()["hf_jitter"]).encode()
        assert job.to_dict()["description"] == f"shop.fulfil({job.args[0]})"


class Signed(Job):
    """A job class of an app."""

    def to_dict(self, *args, **options):
        """Write a field more."""
        return super().to_dict(*args, **options) | {"signed": "yes"}


class Careful(Queue):
    """A queue class of an app."""

    def create_job(self, *args, **options):
        """Say who made it."""
        job = super().create_job(*args, **options)
        job.meta["by"] = "careful"
        return job


@pytest.mark.parametrize("many", [False, True])
def test_classes_of_an_app_keep_their_say(fake, many):
    """Nothing is cast past them."""

    def enqueue(queue):
        if many:
            return queue.enqueue_many([Queue.prepare_data("shop.fulfil") for _ in range(3)])
        return [queue.enqueue("shop.fulfil") for _ in range(3)]

    for job in enqueue(Queue(connection=fake, job_class=Signed)):
        assert isinstance(job, Signed)
        assert fake.hget(keys.job(job.id), "signed") == b"yes"
    for job in enqueue(Careful(connection=fake)):
        assert Job.fetch(job.id, connection=fake).meta == {"by": "careful"}


def test_what_a_queue_is_told_later_counts(queue):
    """A mould is not older than what it was made of."""
    queue.enqueue("shop.fulfil")
    queue._default_timeout = 7
    queue.name = "other"
    assert Job.fetch(queue.enqueue("shop.fulfil").id, connection=queue.connection).timeout == 7
    retry = rq.Retry(max=1)
    queue.enqueue("shop.fulfil", retry=retry)
    retry.max = 5
    assert queue.enqueue("shop.fulfil", retry=retry).retries_left == 5


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_a_moment_is_written_as_rq_writes_it(microsecond):
    """Tools read it by RQ's format."""
    moment = datetime(2026, 3, 4, 5, 6, 7, microsecond, tzinfo=UTC)
    assert rq_moment(moment) == utcformat(moment)


def test_a_record_says_nothing_that_rq_would_read_as_nothing(queue):
    """RQ writes a dozen empty fields, and reads each as one that is not there: nobody pays for them."""
    own = Queue(connection=queue.connection, job_class=type("OwnJob", (Job,), {}))
    jobs = [queue.enqueue("shop.fulfil", 7), queue.enqueue_in(timedelta(1), "shop.fulfil", 7)]
    for each in (queue, own):
        jobs += each.enqueue_many([Queue.prepare_data("shop.fulfil", (7,))] * 2)
    stock = rq.Queue(connection=queue.connection).enqueue("shop.fulfil", 7)
    given = dict.fromkeys(["created_at", "enqueued_at", "status"])
    for job in jobs:
        assert b"" not in queue.connection.hgetall(keys.job(job.id)).values()
        ours, theirs = (Job.fetch(each.id, queue.connection).to_dict() for each in (job, stock))
        assert ours | given == theirs | given
