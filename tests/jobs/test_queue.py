"""An enqueue is one round trip, and one enqueue, whatever the network loses."""

from datetime import timedelta

import pytest
from redis import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError

from holdfast.chaos.proxy import EatReply, FaultProxy, Pass
from holdfast.chaos.server import PrivateServer
from holdfast.jobs import Queue, RedisAwayError
from holdfast.jobs.store.scripts import Scripts
from tests.jobs.stock_eyes import line


class Counted(UnixDomainSocketConnection):
    """A connection that counts how often it is opened, and what is sent on it."""

    opened = sent = 0

    def connect(self):
        type(self).opened += not self._sock
        super().connect()

    def send_packed_command(self, command, check_health=True):  # noqa: FBT002 - redis-py's signature
        type(self).sent += 1
        return super().send_packed_command(command, check_health)


@pytest.fixture
def counted_queue(server, redis):
    """Give a queue whose connections have been made and whose scripts are known, and forget the count."""
    path = server.url.removeprefix("unix://")
    queue = Queue(connection=Redis(connection_pool=ConnectionPool(connection_class=Counted, path=path)))
    queue.enqueue("shop.fulfil")
    queue.enqueue_many([Queue.prepare_data("shop.fulfil")])
    Counted.opened = Counted.sent = 0
    return queue


@pytest.mark.parametrize(
    ("enqueue", "trips"),
    [
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", "A-1", meta={"a": 1}, crashes=1), 1, id="one job"),
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", job_id="A-1", unique=True), 1, id="a unique one"),
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", key="invoice-7"), 1, id="one with a key"),
        pytest.param(lambda queue: queue.enqueue_in(timedelta(seconds=5), "shop.fulfil"), 1, id="a scheduled one"),
        pytest.param(
            lambda queue: queue.enqueue_many([Queue.prepare_data("shop.fulfil") for _ in range(450)]), 5, id="450 jobs"
        ),
        pytest.param(
            lambda queue: queue.enqueue_many([Queue.prepare_data("shop.fulfil", job_id=name) for name in "abc"]),
            1,
            id="some with ids",
        ),
    ],
)
def test_an_enqueue_is_one_round_trip(counted_queue, enqueue, trips):
    """And a hundred of many go in one."""
    enqueue(counted_queue)
    assert Counted.sent == trips


def test_queues_of_one_app_share_their_connections(counted_queue):
    """Apps make Queue objects freely, in every request."""
    for name in ("a", "b", "c"):
        Queue(name, connection=counted_queue.connection).enqueue("shop.fulfil")
    assert (Counted.opened, Counted.sent) == (0, 3)


@pytest.mark.parametrize("flushed", [1, 250])
def test_a_server_that_forgot_our_scripts_is_taught_again(redis, flushed):
    """FM-030: it was restarted, or someone flushed them; also between two batches."""
    queue = Queue(connection=redis)
    redis.script_flush()
    jobs = queue.enqueue_many([Queue.prepare_data("shop.fulfil") for _ in range(flushed)])
    assert line(queue) == [job.id for job in jobs]


@pytest.fixture(scope="module")
def tcp_server():
    """Run a server that a proxy can stand before."""
    with PrivateServer() as private:
        yield private


@pytest.fixture
def proxied(tcp_server, server):
    """Give a proxy before an empty server; the replies that it is told to eat must come."""
    with tcp_server.client() as client:
        client.flushall()
        client.script_flush()
    with FaultProxy(("127.0.0.1", tcp_server.port)) as proxy:
        yield proxy
        assert not getattr(proxy.rule, "left", [0])[0], "replies were to be eaten that never came"


def eat(proxy, count):
    """Let the next replies to scripts be lost; the server has done what they asked."""
    left = [count]

    def rule(request):
        if request.words[0] in {b"EVAL", b"EVALSHA"} and left[0]:
            left[0] -= 1
            return EatReply()
        return Pass()

    rule.left = left
    proxy.rule = rule


def enqueue_unnamed(queue):
    return queue.enqueue_many([Queue.prepare_data("shop.fulfil", (number,)) for number in range(250)])


def enqueue_many(queue):
    return queue.enqueue_many([Queue.prepare_data("shop.fulfil", job_id=f"A-{number}") for number in range(3)])


@pytest.mark.parametrize(
    ("enqueue", "ids"),
    [
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", job_id="A-1"), ["A-1"], id="a plain one"),
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", job_id="A-1", unique=True), ["A-1"], id="a unique one"),
        pytest.param(lambda queue: queue.enqueue("shop.fulfil", job_id="A-1", key="k"), ["A-1"], id="one with a key"),
        pytest.param(enqueue_many, ["A-0", "A-1", "A-2"], id="many"),
    ],
)
def test_an_enqueue_whose_reply_is_lost_is_one_enqueue(proxied, enqueue, ids):
    """FM-008, FM-009: the app's client would send it again blindly; ours sends the same operation, and is answered."""
    with Redis.from_url(proxied.url) as client:
        queue = Queue(connection=client)
        queue.enqueue("shop.fulfil", job_id="before")
        eat(proxied, 3)
        enqueue(queue)
        assert line(queue) == ["before", *ids]


@pytest.mark.parametrize("eaten", [1, 2, 4])
def test_a_flow_whose_replies_are_lost_is_one_enqueue_of_each(proxied, eaten):
    """FM-008: what was answered and what was not is sent again, and nothing is twice in line, or in another order."""
    with Redis.from_url(proxied.url) as client:
        queue = Queue(connection=client)
        enqueue_many(queue)
        eat(proxied, eaten)
        jobs = enqueue_unnamed(queue)
        assert line(queue) == ["A-0", "A-1", "A-2", *(job.id for job in jobs)]


def test_a_flow_that_is_left_leaves_no_reply_to_the_next(redis):
    """INV-10: each request is answered by its own reply, also after an error in the middle of many."""
    scripts = Scripts(redis)
    for move in ("enqueue", "drop"):
        scripts.teach(move)
    wishes = [{"op": "1", "job_id": f"A-{number}"} for number in range(6)]
    answers = scripts.flow("drop", iter(wishes))
    assert next(answers) == [b"none"]
    answers.close()
    assert scripts.redis.ping()

    def broken():
        yield from wishes[:2]
        raise KeyError("the third")

    with pytest.raises(KeyError):
        list(scripts.flow("drop", broken()))
    assert scripts.redis.ping()


def test_an_exception_between_a_request_and_its_reply_leaves_no_reply_to_the_next(redis, monkeypatch):
    """INV-10: a job's time may be up while a move is under way."""

    def time_is_up(*_, **__):
        raise KeyboardInterrupt

    scripts = Scripts(redis)
    assert scripts.call("drop", op="1", job_id="A-1") == [b"none"]
    # The reply is still on its way when the next request leaves.
    redis.client_pause(200)
    with monkeypatch.context() as patched:
        patched.setattr(redis.connection_pool.connection_class, "read_response", time_is_up)
        with pytest.raises(KeyboardInterrupt):
            scripts.call("drop", op="1", job_id="A-1")
    assert redis.ping() is True


def test_an_enqueue_that_is_never_answered_says_that_it_may_be_in_line(fake, clock):
    """FM-005: after 15 s by the app's clock; unknown, not failed."""
    queue = Queue(connection=fake, clock=clock)
    server = fake.connection_pool.connection_kwargs["server"]
    began_ms = clock.boot_ms()
    server.connected = False
    with pytest.raises(RedisAwayError, match="did not answer in time"):
        queue.enqueue("shop.fulfil")
    server.connected = True
    assert clock.boot_ms() - began_ms == pytest.approx(15_000, abs=5)


@pytest.mark.parametrize(
    "enqueue",
    [
        lambda queue: queue.enqueue("shop.fulfil", "A-1"),
        lambda queue: queue.enqueue_many([queue.prepare_data("shop.fulfil", ("x" * 100_000,))]),
        lambda queue: queue.enqueue_in(timedelta(seconds=5), "shop.fulfil"),
    ],
    ids=["one", "many", "later"],
)
def test_a_producer_without_its_password_is_told_so(enqueue):
    """Redis does not read as long a request before a password, and speaks of multibulks."""
    with PrivateServer() as server, server.client() as client:
        client.config_set("requirepass", "secret")
        with Redis.from_url(server.url) as connection:
            said = "no Redis to work with at .*: it wants a password .* Look at the user and password of the address"
            with pytest.raises(AuthenticationError, match=said):
                enqueue(Queue(connection=connection))
