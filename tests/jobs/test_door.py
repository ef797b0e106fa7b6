"""At the door: which server is let in, and how long one that says nothing is waited for."""

import random
from types import SimpleNamespace

import pytest
import redis.exceptions as errors

from holdfast.chaos.server import PrivateServer
from holdfast.jobs.errors import Unreachable, UnsupportedServer
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.door import check_server, reach


def server_that_says(**info):
    return SimpleNamespace(info=lambda: info)


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "8.0.1", "10.0"])
def test_a_server_that_can_keep_our_promises_is_let_in(version):
    """Versions are numbers, not texts."""
    check_server(server_that_says(redis_version=version, redis_mode="standalone"))


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "2.8.4"])
def test_a_server_that_is_too_old_is_refused_with_its_version(version):
    """FM-032: it would fail in the middle of a script."""
    with pytest.raises(UnsupportedServer, match=rf"{version}; Holdfast needs 6\.2"):
        check_server(server_that_says(redis_version=version))


def test_a_cluster_is_refused_with_the_reason():
    """FM-054: the keys of one job live in different slots."""
    with pytest.raises(UnsupportedServer, match=r"cluster mode.*different slots"):
        check_server(server_that_says(redis_version="7.2.0", redis_mode="cluster"))


def test_a_cluster_of_any_kind_says_so_and_is_refused():
    """FM-054: as a real server in cluster mode describes itself, whoever made it."""
    with (
        PrivateServer(arguments=("--cluster-enabled", "yes")) as server,
        server.client() as client,
        pytest.raises(UnsupportedServer, match=r"cluster mode"),
    ):
        check_server(client)


def test_a_real_server_is_let_in(redis):
    """As it describes itself."""
    check_server(redis)


class Door:
    """A server that fails so often, each time after so long, and then lets us in."""

    def __init__(self, clock, error, *, failures, after_ms):
        self._clock, self._error, self._failures, self._after_ms = clock, error, failures, after_ms
        self.connection_pool = SimpleNamespace(connection_kwargs={}, connection_class=SimpleNamespace)
        self.asked = 0

    def info(self):
        self.asked += 1
        if self.asked <= self._failures:
            self._clock.advance(self._after_ms)
            raise self._error
        return {"redis_version": "7.2.0"}

    def exists(self, *_):
        return 0

    def eval(self, *_):
        return 1

    def reach(self):
        return reach(self, Courier(self, self._clock, random.Random(7)), self._clock, gives_up=lambda: False)


def test_a_machine_that_stands_still_for_some_seconds_is_waited_for(clock):
    """FM-009: with a lease of a second a reply is waited for for 0.3 s; three of them are no outage."""
    door = Door(clock, errors.TimeoutError("Timeout reading from socket"), failures=15, after_ms=300)
    assert door.reach() is None
    assert door.asked == 16


@pytest.mark.parametrize(("after_ms", "asked"), [(100, 50), (300, 17), (3_000, 3)])
def test_silence_is_not_waited_out(clock, after_ms, asked):
    """A wrong address must be said soon: after five seconds, and after three tries."""
    door = Door(clock, errors.TimeoutError("Timeout reading from socket"), failures=1_000, after_ms=after_ms)
    with pytest.raises(Unreachable, match="Nothing was heard in time"):
        door.reach()
    assert door.asked == asked


def test_a_server_that_is_not_there_is_said_at_once(clock):
    """Nobody waits five seconds to read that he has started the wrong thing."""
    door = Door(clock, errors.ConnectionError("Connection refused"), failures=1_000, after_ms=0)
    with pytest.raises(Unreachable, match="Connection refused"):
        door.reach()
    assert door.asked == 3


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("DB index is out of range", "It runs, and has fewer databases"),
        ("DENIED Redis is running in protected mode", "It runs, and refuses what a worker needs"),
    ],
)
def test_a_server_that_runs_and_refuses_need_not_be_started(clock, said, advice):
    """The advice is about what it said."""
    door = Door(clock, errors.ResponseError(said), failures=1, after_ms=0)
    with pytest.raises(Unreachable, match=advice):
        door.reach()
