"""What every room's tests start from: a real server, a fake one, and time that passes when told to."""

import os
import signal
import time
from contextlib import contextmanager
from unittest.mock import patch

import fakeredis
import pytest

from holdfast.chaos.server import NoServer, PrivateServer


def pytest_configure():
    """Let what tests start be interrupted, also where a script runs the tests behind itself, deaf to SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class FakeClock:
    """Time that passes only when told to: a `jobs.clock.Clock`, and inside `rules` a fake server's too."""

    def __init__(self):
        # RQ reads the machine's own clock, so both begin at the same moment. Whole microseconds, as floats
        # that are added up drift away from the server's milliseconds.
        self._us = int(time.time()) * 1_000_000

    def wall_s(self):
        return self._us / 1_000_000

    def boot_ms(self):
        return self._us // 1_000

    def sleep(self, seconds):
        self._us += round(seconds * 1_000_000)

    def advance(self, ms):
        self.sleep(ms / 1_000)

    @contextmanager
    def rules(self):
        """Let fakeredis tell this time: its TIME, expiries and Lua read `time.time` at each call."""
        with patch.object(time, "time", self.wall_s):
            yield self


def make_fake():
    """Make a client of a fake server that nobody else knows."""
    return fakeredis.FakeRedis(server=fakeredis.FakeServer(version=(7,)), version=(7,))


@pytest.fixture(scope="session")
def server():
    """Run a real server, on a unix socket. Where there is none: a skip at a desk, a failure in CI."""
    private = PrivateServer(unix_socket=True)
    try:
        private.start()
    except NoServer as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield private
    private.stop()


@pytest.fixture
def redis(server):
    """Give a client of the real server, which has forgotten all keys and scripts."""
    with server.client() as client:
        client.flushall()
        client.script_flush()
        yield client


@pytest.fixture
def fake():
    """Give a client of a fake server of its own, by the machine's clock unless a FakeClock rules."""
    with make_fake() as client:
        yield client


@pytest.fixture(params=["fake", "real"])
def either(request):
    """Run the test twice: on the fake, which is quick, and on a real server, which is right."""
    return request.getfixturevalue("fake" if request.param == "fake" else "redis")


@pytest.fixture
def clock():
    """Give time that passes only when told to; fake servers follow it."""
    with FakeClock().rules() as ruling:
        yield ruling


@pytest.fixture
def new_world():
    """Give a function that opens a world, for tests that need many: a fake server and its clock."""

    @contextmanager
    def world():
        with make_fake() as client, FakeClock().rules() as ruling:
            yield client, ruling

    return world
