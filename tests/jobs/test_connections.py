"""Connections of our own: nothing is re-sent behind our back, and what we re-send is the same operation."""

import random
import ssl
from types import SimpleNamespace

import pytest
import redis.exceptions as errors
from redis import BlockingConnectionPool, Connection, ConnectionPool, Redis, Sentinel, SSLConnection
from redis._parsers.base import BaseParser
from redis.backoff import NoBackoff
from redis.retry import Retry

from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store.connections import Courier, derive
from holdfast.jobs.store.refusals import is_passing

AWAY = errors.ConnectionError("Connection refused")


class Unreachable(Connection):
    """A connection on which nothing can be sent, and that counts how often it was tried."""

    sent = 0

    def connect(self):
        pass

    def can_read(self, timeout=0):
        return False

    def send_packed_command(self, command, check_health=True):  # noqa: FBT002 - redis-py's signature
        type(self).sent += 1
        raise AWAY


@pytest.fixture
def unreachable():
    Unreachable.sent = 0
    return Unreachable


def test_a_user_whose_client_retries_does_not_make_ours_retry(unreachable):
    """FM-009: redis-py would send one RPUSH ten times."""
    retry = Retry(NoBackoff(), 5)
    theirs = Redis(connection_pool=ConnectionPool(connection_class=unreachable, retry=retry))
    with pytest.raises(errors.ConnectionError):
        theirs.ping()
    assert unreachable.sent == 6
    unreachable.sent = 0
    with pytest.raises(errors.ConnectionError):
        derive(theirs, reply_ms=500).ping()
    assert unreachable.sent == 1


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "k", "v"),
        ("EVALSHA", "ab" * 20, 0, "\u00e9", b"\x00\r\n", -7, 1.5, ""),
        ("CONFIG GET", "save"),
        ("SET", "k", bytearray(b"v")),
        ("SET", "k", memoryview(b"v")),
    ],
)
def test_our_connections_spell_commands_as_redis_py_does(command):
    """Without a look at each word: it takes longer than to spell them."""
    own, theirs = derive(Redis(), reply_ms=100).connection_pool.make_connection(), Connection()
    assert own.pack_command(*command) == theirs.pack_command(*command)


def test_what_is_no_word_of_a_command_is_refused_before_it_is_sent():
    """As redis-py does: DataError, of redis-py."""
    with pytest.raises(errors.DataError):
        derive(Redis(), reply_ms=100).connection_pool.make_connection().pack_command("SET", "k", object())


@pytest.mark.parametrize(
    ("theirs", "kind", "kept"),
    [
        pytest.param(
            lambda: Redis(host="redis.example", port=6400, db=3, username="app", password="secret"),
            Connection,
            {"host": "redis.example", "port": 6400, "db": 3, "username": "app", "password": "secret"},
            id="an address with a password",
        ),
        pytest.param(
            lambda: Redis.from_url("rediss://redis.example/0?ssl_cert_reqs=required"),
            SSLConnection,
            {"host": "redis.example", "db": 0, "cert_reqs": ssl.CERT_REQUIRED},
            id="TLS",
        ),
        pytest.param(
            lambda: Redis(connection_pool=BlockingConnectionPool(connection_class=Unreachable, host="redis.example")),
            Unreachable,
            {"host": "redis.example"},
            id="a class of the user's own",
        ),
    ],
)
def test_our_connections_go_where_the_users_go(theirs, kind, kept):
    """Whatever they connect with: the same class, with the same arguments, and waits that have an end."""
    made = derive(theirs(), reply_ms=2_500).connection_pool.make_connection()
    assert type(made) is kind
    assert {name: getattr(made, name) for name in kept} == kept
    assert (made.socket_timeout, made.socket_connect_timeout) == (2.5, 2.5)
    assert made.retry._retries == 0
    assert not made.encoder.decode_responses


def test_our_connections_follow_the_users_sentinels():
    """FM-020: after a failover they ask the same sentinels for the new primary."""
    theirs = Sentinel([("sentinel.example", 26_379)]).master_for("orders", db=2)
    own = derive(theirs, reply_ms=500)
    assert type(own.connection_pool) is type(theirs.connection_pool)
    assert own.connection_pool is not theirs.connection_pool
    assert (own.connection_pool.service_name, own.connection_pool.is_master) == ("orders", True)
    assert own.connection_pool.connection_kwargs["db"] == 2


def test_our_connections_follow_the_sentinels_that_rqs_pool_has_hidden():
    """`rq worker-pool` puts a Sentinel's connection class and arguments into a plain pool."""
    sentinels = Sentinel([("sentinel.example", 26_379)]).master_for("orders").connection_pool
    plain = ConnectionPool(connection_class=sentinels.connection_class, **sentinels.connection_kwargs)
    own = derive(Redis(connection_pool=plain), reply_ms=500)
    assert (own.connection_pool.service_name, own.connection_pool.is_master) == ("orders", True)


def test_our_client_reads_bytes_although_the_users_reads_text(either):
    """decode_responses is the app's taste; records hold bytes that are no text."""
    own = derive(either, reply_ms=500)
    either.hset("record", "data", b"\x00\xff")
    assert own.hgetall("record") == {b"data": b"\x00\xff"}


def answered(line):
    """Read a server's error as redis-py does, which takes the code off some of them."""
    return BaseParser.parse_error(line)


@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        errors.TimeoutError("Timeout reading from socket"),
        answered("LOADING Redis is loading the dataset in memory"),
        answered("READONLY You can't write against a read only replica."),
        answered("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
        answered("OOM command not allowed when used memory > 'maxmemory'."),
        answered("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."),
        answered("NOREPLICAS Not enough good replicas to write."),
        answered("Command # 1 (HSET key a b) of pipeline caused error: NOREPLICAS Not enough good replicas."),
        answered("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
        answered("UNKILLABLE Sorry the script already executed write commands against the dataset."),
        answered("TRYAGAIN Multiple keys request during rehashing of slot"),
        answered("ERR max number of clients reached"),
        answered("EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica."),
    ],
    ids=lambda error: str(error)[:30],
)
def test_an_error_that_says_not_now_is_passing(error):
    """FM-022 to FM-025: the same operation is sent again, and no attempt is burned."""
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        answered("WRONGPASS invalid username-password pair or user is disabled."),
        answered("NOAUTH Authentication required."),
        answered("NOPERM User app has no permissions to run the 'evalsha' command"),
        answered("WRONGTYPE Operation against a key holding the wrong kind of value"),
        answered("ERR Error running script: boom"),
        errors.ResponseError("Command # 1 (SET READONLY OOM) of pipeline caused error: WRONGTYPE Operation"),
        answered("NOSCRIPT No matching script."),
        ValueError("not Redis' at all"),
    ],
    ids=lambda error: str(error)[:30],
)
def test_an_error_that_says_no_is_not_passing(error):
    """Sending it again would say no again, for ever, and hide what is wrong."""
    assert not is_passing(error)


class Flaky:
    """An operation that fails some times before it is answered, and notes when it was sent."""

    def __init__(self, clock, failures, error=AWAY):
        self.clock, self.failures, self.error = clock, failures, error
        self.sent_ms = []

    def __call__(self):
        self.sent_ms.append(self.clock.boot_ms())
        if len(self.sent_ms) <= self.failures:
            raise self.error
        return "answer"


@pytest.fixture
def courier(clock):
    """Give a courier whose client counts the times it was made to connect anew, and who notes what it is told."""
    told = []
    # Connections that another thread is using must be left alone: it would fail with no word of Redis.
    pool = SimpleNamespace(
        disconnect=lambda inuse_connections: told.append("disconnect") if not inuse_connections else 0
    )
    made = Courier(
        SimpleNamespace(connection_pool=pool),
        clock,
        random.Random(7),
        on_away=lambda error: told.append(f"away: {error}"),
        on_back=lambda: told.append("back"),
    )
    made.told = told
    return made


def test_an_operation_is_sent_until_it_is_answered(courier, clock):
    """A timeout means unknown, never failed."""
    operation = Flaky(clock, failures=4)
    assert courier.send(operation) == "answer"
    assert len(operation.sent_ms) == 5


def test_the_first_that_fails_says_so_and_the_first_that_succeeds(courier, clock):
    """An operator reads two lines of an outage, not one for each try."""
    courier.send(Flaky(clock, failures=3))
    courier.send(Flaky(clock, failures=0))
    assert [word for word in courier.told if word != "disconnect"] == ["away: Connection refused", "back"]


def test_each_failure_makes_the_next_sending_connect_anew(courier, clock):
    """FM-022: after a failover, connections that look healthy lead to a server that may not write."""
    courier.send(Flaky(clock, failures=3))
    assert courier.told.count("disconnect") == 3


def test_waits_double_up_to_two_seconds_and_are_never_alike(courier, clock):
    """FM-035: a fleet that lost its server must not come back as one."""
    operation = Flaky(clock, failures=14)
    courier.send(operation)
    waits = [after - before for before, after in zip(operation.sent_ms, operation.sent_ms[1:], strict=False)]
    whole = [min(20 * 2**number, 2_000) for number in range(14)]
    assert all(most / 2 - 1 <= wait <= most + 1 for wait, most in zip(waits, whole, strict=True))
    assert len(set(waits[-5:])) == 5


def test_a_courier_gives_up_when_its_time_has_come(courier, clock):
    """Not before, and with one last try at that very moment."""
    operation = Flaky(clock, failures=1_000)
    until_ms = clock.boot_ms() + 5_000
    with pytest.raises(RedisAwayError, match="Connection refused") as given_up:
        courier.send(operation, until_ms=until_ms)
    assert given_up.value.__cause__ is AWAY
    assert until_ms <= operation.sent_ms[-1] <= until_ms + 1


def test_a_courier_gives_up_when_it_is_told_to(courier, clock):
    """A worker that stops does not wait for a server that is gone."""
    operation = Flaky(clock, failures=1_000)
    with pytest.raises(RedisAwayError):
        courier.send(operation, gives_up=lambda: len(operation.sent_ms) == 3)
    assert len(operation.sent_ms) == 3


def test_an_error_that_says_no_is_raised_at_once(courier, clock):
    """It is not an outage, and nobody is told of one."""
    operation = Flaky(clock, failures=1, error=errors.ResponseError("WRONGTYPE no"))
    with pytest.raises(errors.ResponseError, match="WRONGTYPE"):
        courier.send(operation)
    assert (len(operation.sent_ms), courier.told) == (1, [])
