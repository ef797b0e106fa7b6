"""What redis-py leaves to us: it works by its older versions too, on systems that have less, and when time is up."""

import itertools
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
import redis.exceptions as errors
from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection

from holdfast.jobs.store import connections, scripts, transport
from holdfast.jobs.store.connections import Line, SpareLines, derive
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.transport import Packer
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


class SlowServer:
    """Takes what comes through a thin pipe, and answers a while after the last byte of each of so many commands."""

    def __init__(self, sizes, *, answers_after_s):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.port = self._listener.getsockname()[1]
        self._sizes, self._answers_after_s = sizes, answers_after_s
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with self._listener, self._listener.accept()[0] as peer, suppress(OSError):
            for size in self._sizes:
                left = size
                while left > 0 and (taken := len(peer.recv(min(left, 400_000)))):
                    left -= taken
                    time.sleep(taken / 10_000_000)
                time.sleep(self._answers_after_s)
                peer.sendall(b"+OK\r\n")


def test_what_is_big_may_take_longer_than_a_reply():
    """A call of 20 MB over a slow link went on its way again and again, and never arrived."""
    big, small = ("SET", "big", b"x" * 8_000_000), ("PING",)
    sizes = [sum(map(len, Packer(reply_s=1).pack(*words))) for words in (big, small)]
    server = SlowServer(sizes, answers_after_s=0.8)
    line = Line(derive(Redis(port=server.port, host="127.0.0.1"), reply_ms=400))
    line.send(*big)
    assert line.read() == b"OK"
    line.send(*small)
    with pytest.raises(errors.TimeoutError):  # a small one has no more time than before
        line.read()


def test_what_is_big_is_sent_in_parts_that_are_the_whole():
    """Each has all of the time: a write that goes on is not ended in the middle."""
    words = ("SET", "big", bytes(range(256)) * 2_000)
    parts = Packer(reply_s=1).pack(*words)
    assert b"".join(parts) == b"".join(Connection().pack_command(*words))
    assert max(map(len, parts)) <= 65_536


def test_what_is_big_has_no_less_time_than_the_user_gave():
    """And more, the bigger it is; what is small is rather sent again."""
    theirs = derive(Redis(socket_timeout=60), reply_ms=3_000).connection_pool.connection_kwargs["command_packer"]
    other = derive(Redis(socket_timeout=None), reply_ms=3_000).connection_pool.connection_kwargs["command_packer"]
    assert [theirs.wait_s(size) for size in (1_000, 2**20)] == [3, 60]
    assert [other.wait_s(size) for size in (1_000, 2**20, 2**30)] == [3, 7, 67]


def test_many_in_flow_have_time_for_all_that_are_on_their_way(server, redis, monkeypatch):
    """And those that come after them on that connection have no more than others."""
    del redis
    given = []
    monkeypatch.setattr(scripts, "give_time", lambda _pool, _connection, size: given.append(size))
    with server.client() as client:
        moves = Scripts(client)
        moves.teach("drop")
        list(moves.flow("drop", [{"op": op, "job_id": "A-1"} for op in ("1", "2" * 50_000, "3")]))
    assert given[1:] == [0]
    assert given[0] > 4 * 50_000


class Foreign:
    """A connection as of valkey-py: its errors are not redis-py's."""

    def __init__(self, *, host, of_its_own):
        pass


def test_a_client_of_valkey_py_is_served_by_redis_py():
    """Its connections know arguments that redis-py's do not, and raise errors by which nobody is known to be away."""
    kind = type("SSLConnection", (Foreign,), {})
    pool = ConnectionPool(connection_class=kind, host="redis.example", of_its_own=1, ssl_cert_reqs="required")
    made = derive(Redis(connection_pool=pool), reply_ms=500).connection_pool.make_connection()
    assert (type(made), made.host) == (SSLConnection, "redis.example")


def test_a_producer_needs_nothing_that_windows_has_not(server, redis):
    """As docs/versions.md says of `holdfast.jobs`."""
    run = subprocess.run(
        [sys.executable, "-c", NOT_ON_WINDOWS, server.url], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert redis.llen("rq:queue:default") == 3
