"""What redis-py leaves to us: it works by its older versions too, on systems that have less, and when time is up."""

import itertools
import select
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from redis import UnixDomainSocketConnection

from holdfast.jobs.store import connections, scripts, transport
from holdfast.jobs.store.connections import Line, SpareLines
from holdfast.jobs.store.scripts import Scripts
from tests.jobs.test_spare_lines import RENEWAL

#: What Windows has not, which this machine has: an app there enqueues all the same.
NOT_ON_WINDOWS = """
import asyncio, multiprocessing, os, select, signal, socket, subprocess, sys, time
for module, names in {
    os: ("fork", "getuid", "geteuid", "getpgid", "killpg", "waitid", "pidfd_open", "register_at_fork", "sysconf"),
    select: ("poll", "epoll"),
    signal: ("SIGALRM", "SIGHUP", "SIGKILL", "SIGCHLD", "SIGUSR1", "alarm", "setitimer", "pthread_sigmask"),
    time: ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_REALTIME", "clock_gettime", "clock_gettime_ns"),
}.items():
    for name in names:
        delattr(module, name)
sys.modules |= dict.fromkeys(("fcntl", "grp", "pwd", "resource", "termios"))
from redis import Redis
from holdfast.jobs import Queue
queue = Queue(connection=Redis.from_url(sys.argv[1]))
for _ in range(3):
    queue.enqueue("shop.fulfil")
"""


class TimeIsUp(BaseException):
    """Raised by a signal's handler, between any two lines."""


def strike(at, files):
    """Raise TimeIsUp at the so manyeth line of these files from now on. Gives how many there were."""
    seen = itertools.count()
    found = SimpleNamespace(lines=0)

    def trace(frame, event, _):
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            found.lines = next(seen)
            if found.lines == at:
                raise TimeIsUp
        return trace

    sys.settrace(trace)
    return found


@pytest.mark.parametrize("deed", ["a line", "a flow"])
def test_who_is_struck_at_any_line_leaves_no_answer_to_the_next(server, redis, deed, monkeypatch):
    """INV-10: a job's time may be up as soon as its command is out; the next that is asked hears its own answer."""
    del redis
    # As of a slow server: when the next is asked, the answer to the one before is not there yet.
    monkeypatch.setattr(connections, "is_readable", lambda *_: False)
    monkeypatch.setattr(UnixDomainSocketConnection, "can_read", lambda *_, **__: False)
    with server.client() as client:
        moves = Scripts(client, spare=SpareLines(client, most=1))
        moves.teach("drop")
        moves.teach("renew")
        ask = {
            "a line": lambda: moves.call("drop", op="1", job_id="A-1"),
            "a flow": lambda: list(moves.flow("drop", [{"op": "2", "job_id": "A-1"}] * 6)),
        }[deed]
        files = {connections.__file__, scripts.__file__}
        for at in itertools.count():
            before, found = sys.gettrace(), strike(at, files)
            try:
                ask()
            except TimeIsUp:
                pass
            finally:
                sys.settrace(before)
            assert moves.call("renew", **RENEWAL) == [b"lost"]
            assert list(moves.flow("renew", [RENEWAL])) == [[b"lost"]]
            if found.lines < at:
                break
    assert at > 20


def test_an_older_redis_py_is_told_what_a_connection_is_for(monkeypatch):
    """Before 5.3 a pool takes no call without a command's name, and since then it warns of one with it."""
    given = []

    def get_connection(command_name, *_):
        given.append(command_name)
        return SimpleNamespace(send_command=lambda *_: None)

    monkeypatch.setattr(transport, "_WANTS_A_NAME", True)
    Line(SimpleNamespace(connection_pool=SimpleNamespace(get_connection=get_connection))).send("PING")
    assert given == ["EVALSHA"]


def test_a_line_is_looked_at_where_there_is_no_poll(monkeypatch):
    """Windows has none, and eventlet takes it away: select() tells as much."""
    monkeypatch.delattr(select, "poll")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not transport.is_readable(ours)
        theirs.send(b"+")
        assert transport.is_readable(ours, within_s=5)


def test_a_producer_needs_nothing_that_windows_has_not(server, redis):
    """As docs/versions.md says of `holdfast.jobs`."""
    run = subprocess.run(
        [sys.executable, "-c", NOT_ON_WINDOWS, server.url], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert redis.llen("rq:queue:default") == 3
