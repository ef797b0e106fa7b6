"""`holdfast keeper`: what it says of a Redis that is away, and that it finds the new one after a failover."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner

from holdfast.chaos.proxy import DropRequest, FaultProxy, Pass
from holdfast.chaos.server import PrivateServer
from holdfast.console.cli import main
from holdfast.jobs import Queue
from holdfast.jobs.store import keys
from holdfast.recovery.keeper import CHORES
from tests.patience import wait_until

pytestmark = pytest.mark.processes

_MAIN = "from holdfast.console.cli import main; main()"


class KeeperProcess:
    """The command in a process of its own, whose log is in a file."""

    def __init__(self, url, log):
        self._log = log
        with log.open("wb") as file:
            command = [sys.executable, "-c", _MAIN, "keeper", "--redis-url", url]
            self._process = subprocess.Popen(command, stdout=file, stderr=file)

    def said(self, words):
        """Give the lines with these words."""
        return [line for line in self._log.read_text("utf-8").splitlines() if words in line]

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(10)


@pytest.fixture
def keeper_at(tmp_path):
    """Give a function that starts `holdfast keeper` at an address, and waits until it keeps."""
    started = []

    def start(url):
        keeper = KeeperProcess(url, tmp_path / "keeper.log")
        started.append(keeper)
        wait_until(lambda: keeper.said("keeper: lease_ms="))
        return keeper

    yield start
    assert [keeper.stop() for keeper in started] == [0] * len(started)


def is_a_move(request):
    return request.words[0] == b"EVALSHA"


def tries_again(proxy):
    """Wait until it has asked twice more."""
    asked = []
    proxy.observer = asked.append
    wait_until(lambda: sum(is_a_move(request) for request in asked) >= 2)


def has_promoted(redis):
    """Let a job come due, and tell whether it was put in line."""
    job = Queue("default", redis).enqueue_in(timedelta(seconds=0), "shop.fulfil")
    wait_until(lambda: redis.lrange(keys.queue("default"), 0, -1) == [job.id.encode()])
    return True


def test_it_follows_a_failover_behind_one_address(keeper_at):
    """FM-022: connections that look healthy lead to a server that may not write. It says once that Redis is away."""
    with PrivateServer() as old, PrivateServer() as new, FaultProxy(("127.0.0.1", old.port)) as proxy:
        keeper = keeper_at(proxy.url)
        old.client().replicaof("127.0.0.1", new.port)
        wait_until(lambda: keeper.said("read only replica"))
        tries_again(proxy)
        proxy.target = ("127.0.0.1", new.port)
        assert has_promoted(new.client())
        wait_until(lambda: keeper.said("Redis is back"))
        assert len(keeper.said("Redis is away")) == len(keeper.said("Redis is back")) == 1


def test_it_says_once_that_redis_is_away_and_once_that_it_is_back(keeper_at):
    """LIV-03, FM-019: whoever reads the log at night must see whether that is over."""
    with PrivateServer() as server, FaultProxy(("127.0.0.1", server.port)) as proxy:
        keeper = keeper_at(proxy.url)
        proxy.rule = lambda request: DropRequest() if is_a_move(request) else Pass()
        wait_until(lambda: keeper.said("Redis is away"))
        tries_again(proxy)
        proxy.rule = lambda _: Pass()
        wait_until(lambda: keeper.said("Redis is back"))
        assert has_promoted(server.client())
        assert len(keeper.said("Redis is away")) == len(keeper.said("Redis is back")) == 1


def test_its_help_names_every_chore():
    """It was silent of the one that came last."""
    told = " ".join(CliRunner().invoke(main, ["keeper", "--help"]).output.split())
    assert [chore.name for chore, _ in CHORES if chore.does not in told] == []
    assert len({chore.does for chore, _ in CHORES}) == len(CHORES)
