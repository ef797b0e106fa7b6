"""An enqueue goes where the queue's connection leads at that moment, and reads what it finds there."""

import pytest
from fakeredis import FakeRedis

from holdfast.jobs import Queue
from tests.conftest import make_fake


class SetUpLater:
    """A client as flask-redis has it: there is nothing behind it until the app is made."""

    client = None

    def __getattr__(self, name):
        return getattr(self.client, name)


def test_a_queue_may_be_made_before_its_client(fake):
    """Modules of a Flask app make their queues when they are imported."""
    later = SetUpLater()
    queue = Queue(connection=later)
    with pytest.raises(AttributeError, match="connection_pool"):
        queue.enqueue("shop.fulfil")
    later.client = fake
    job = queue.enqueue("shop.fulfil")
    assert fake.lrange("rq:queue:default", 0, -1) == [job.id.encode()]


@pytest.mark.parametrize(
    "enqueue",
    [lambda queue: queue.enqueue("shop.fulfil"), lambda queue: queue.enqueue_many([Queue.prepare_data("shop.fulfil")])],
    ids=["one", "many"],
)
def test_a_queue_that_is_given_another_connection_enqueues_there(fake, enqueue):
    """A test of the app's must not put its jobs in line in production."""
    queue = Queue(connection=fake)
    enqueue(queue)
    with make_fake() as other:
        queue.connection = other
        enqueue(queue)
        assert (fake.llen("rq:queue:default"), other.llen("rq:queue:default")) == (1, 1)


def test_the_way_is_found_once_for_a_connection(fake):
    """It costs more than an enqueue."""
    queue = Queue(connection=fake)
    way = queue._way
    queue.enqueue("shop.fulfil")
    queue.connection = FakeRedis(connection_pool=fake.connection_pool)
    assert queue._way is way


@pytest.fixture
def decoding(redis):
    """Give a client of the real server that decodes what it reads, as many apps have it."""
    with type(redis).from_url(
        f"unix://{redis.connection_pool.connection_kwargs['path']}", decode_responses=True
    ) as client:
        yield client


def test_a_key_is_answered_to_an_app_whose_client_decodes(decoding):
    """RQ itself cannot read a job by such a client: its call is no text."""
    queue = Queue(connection=decoding)
    first, second = (queue.enqueue("shop.fulfil", "A-1", key="invoice-7") for _ in range(2))
    assert (second.id, second.args, second.connection) == (first.id, ("A-1",), decoding)


def test_a_key_finds_its_job_in_the_queue_that_it_was_moved_to(fake):
    """Somebody had it wait elsewhere meanwhile."""
    queue = Queue(connection=fake)
    first = queue.enqueue("shop.fulfil", "A-1", key="invoice-7")
    Queue("slow", connection=fake).enqueue("shop.fulfil", "A-1", job_id=first.id)
    second = queue.enqueue("shop.fulfil", "A-1", key="invoice-7")
    assert (second.id, second.origin, second.args) == (first.id, "slow", ("A-1",))
