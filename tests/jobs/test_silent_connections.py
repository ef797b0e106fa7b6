"""Connections that nobody uses for a while: what lies between may close or forget them, and that is no outage."""

import random
import socket
from types import SimpleNamespace

import pytest
import redis.exceptions as errors
from redis import Connection, ConnectionPool, Redis, SSLConnection

from holdfast.chaos.server import PrivateServer
from holdfast.jobs.store import connections
from holdfast.jobs.store.connections import Courier, Line, derive
from holdfast.jobs.store.scripts import Scripts
from tests.jobs.test_queue import Counted
from tests.jobs.test_spare_lines import RENEWAL


class Owner:
    """Who has a line, and sends on it until there is an answer: with all that an operator is told."""

    def __init__(self, redis):
        self.now_s, self.told, self.pauses = 1_000.0, [], 0
        self.line = Line(redis, lambda: self.now_s)
        self.scripts = Scripts(redis, line=self.line)
        self._courier = Courier(
            redis,
            SimpleNamespace(sleep=self._pause, boot_ms=lambda: 0),
            random.Random(7),
            on_away=lambda error: self.told.append(str(error)),
            on_back=lambda: self.told.append("back"),
            line=self.line,
        )

    def _pause(self, _):
        self.pauses += 1

    def renew(self):
        """Ask for something that may be asked twice."""
        return self._courier.send(lambda: self.scripts.call("renew", **RENEWAL))


@pytest.fixture
def owner(server, redis):
    """Give one whose line has been used, and forget the count."""
    del redis
    pool = ConnectionPool(connection_class=Counted, path=server.url.removeprefix("unix://"))
    made = Owner(Redis(connection_pool=pool))
    made.renew()
    Counted.opened = Counted.sent = 0
    yield made
    made.line.hang_up()


def test_a_line_that_was_closed_in_its_silence_is_made_anew_before_it_is_used(owner, redis):
    """With a `timeout` of the server, or a proxy's, the end of each longer job was told as an outage."""
    redis.client_kill_filter(_type="normal", skipme=True)
    owner.now_s += 1.1
    assert owner.renew() == [b"lost"]
    assert (owner.told, owner.pauses, Counted.opened) == ([], 0, 1)


def test_a_line_that_is_well_is_kept_however_long_it_was_silent(owner):
    """A look costs nobody a connection."""
    owner.now_s += 3_600
    assert owner.renew() == [b"lost"]
    assert (Counted.opened, Counted.sent) == (0, 1)


def test_a_line_that_is_in_use_is_not_looked_at(owner, monkeypatch):
    """A look takes a microsecond or two at each of thousands of jobs a second."""
    monkeypatch.setattr(connections, "is_readable", None)
    for _ in range(5):
        owner.now_s += 0.9
        assert owner.renew() == [b"lost"]


def test_a_line_that_ends_when_it_is_used_after_its_silence_is_no_outage(owner, redis, monkeypatch):
    """Load balancers forget what is silent, and hang up on who uses it: before that there is nothing to be seen."""
    redis.client_kill_filter(_type="normal", skipme=True)
    monkeypatch.setattr(connections, "is_readable", lambda *_: False)
    owner.now_s += 1.1
    assert owner.renew() == [b"lost"]
    assert (owner.told, Counted.opened) == ([], 1)


def test_a_line_that_ends_while_it_is_in_use_is_an_outage(owner, redis):
    """The server was restarted, or the connection killed: an operator wants to know."""
    redis.client_kill_filter(_type="normal", skipme=True)
    assert owner.renew() == [b"lost"]
    assert (len(owner.told), owner.told[1:]) == (2, ["back"])


@pytest.mark.parametrize("is_seen", [True, False], ids=["found closed", "found when used"])
def test_a_server_that_went_away_in_the_silence_is_away(is_seen, monkeypatch):
    """Once a new connection fails, too; and it is told once."""
    with PrivateServer() as server, server.client() as client:
        owner = Owner(client)
        owner.renew()
        server.kill()
        pauses = [server.restart]
        if not is_seen:
            monkeypatch.setattr(connections, "is_readable", lambda *_: False)
            # The first try ends the line, the second finds nobody, and only then is it started again.
            pauses.insert(0, lambda: None)
        monkeypatch.setattr(owner._courier._clock, "sleep", lambda _: pauses.pop(0)())
        owner.now_s += 60
        assert owner.renew() == [b"lost"]
        assert [word.split()[0] for word in owner.told] == ["Error", "back"]
        owner.line.hang_up()


def test_what_was_asked_before_the_silence_is_not_answered_to_who_asks_after_it(owner):
    """PM-0014: the look is for lines that owe nothing; one that does is given up, silent or not."""
    first = owner.scripts.trip("drop", op="1", job_id="A-1")
    first.send()
    owner.now_s += 60
    assert owner.renew() == [b"lost"]
    assert first.answer() == [b"none"]
    assert owner.told == []


# -- kept alive

IDLE_S, BETWEEN_S, TIMES = 15, 5, 3


def asked_of(connection):
    """Give what the kernel was told of a connection: whether it is kept alive, and how."""
    connection.connect()
    told = connection._sock.getsockopt
    options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    how = [told(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
    is_kept = bool(told(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
    connection.disconnect()
    return is_kept, *how


def made_from(users):
    return derive(users, reply_ms=1_000).connection_pool.make_connection()


@pytest.fixture
def port():
    """Give the port of a server."""
    with PrivateServer() as server:
        yield server.port


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system calls it something else")
def test_our_connections_are_kept_alive(port):
    """What forgets who is silent for a minute is reminded of them; and a server whose machine is gone is found out."""
    for users in (
        Redis(port=port),
        Redis.from_url(f"redis://localhost:{port}"),
        Redis(port=port, socket_keepalive=True),
    ):
        assert asked_of(made_from(users)) == (True, IDLE_S, BETWEEN_S, TIMES)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system calls it something else")
def test_what_the_user_said_of_being_kept_alive_holds(port):
    """Of both, whether and how."""
    own = {socket.TCP_KEEPIDLE: 99, socket.TCP_KEEPINTVL: 9, socket.TCP_KEEPCNT: 7}
    assert asked_of(made_from(Redis(port=port, socket_keepalive=True, socket_keepalive_options=own))) == (
        True,
        99,
        9,
        7,
    )
    assert not asked_of(made_from(Redis(port=port, socket_keepalive=False)))[0]


@pytest.mark.parametrize("kind", [Connection, SSLConnection])
def test_what_goes_by_a_network_is_kept_alive(kind):
    """Also over TLS."""
    made = made_from(Redis(connection_pool=ConnectionPool(connection_class=kind, host="redis.example")))
    assert made.socket_keepalive
    assert sorted(made.socket_keepalive_options.values()) == [TIMES, BETWEEN_S, IDLE_S]


def test_a_socket_file_has_no_such_thing(server, redis):
    """Its connections take no such argument."""
    del redis
    with server.client() as users:
        assert derive(users, reply_ms=1_000).ping()


def test_a_system_without_these_options_keeps_alive_as_it_does(monkeypatch):
    """The bare option is everywhere, its times are not."""
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
        monkeypatch.delattr(socket, name, raising=False)
    made = made_from(Redis())
    assert (made.socket_keepalive, made.socket_keepalive_options) == (True, {})


def test_an_error_of_a_silent_line_that_says_no_is_told(owner, monkeypatch):
    """A server that loads after its start answers so on a line that is well."""
    answers = iter([errors.BusyLoadingError("Redis is loading the dataset in memory")])
    read = Line.read

    def answered(line):
        for error in answers:
            line.hang_up()
            raise error
        return read(line)

    monkeypatch.setattr(Line, "read", answered)
    owner.now_s += 60
    assert owner.renew() == [b"lost"]
    assert owner.told == ["Redis is loading the dataset in memory", "back"]
