"""A fleet that has nothing to do costs next to nothing, whatever the reason is that there is nothing to do."""

import socket
import threading
import time
from contextlib import suppress

import pytest
import rq

import holdfast.jobs
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load

pytestmark = pytest.mark.processes

CROWD = 40
#: Nobody looks by himself while such a test counts.
NEVER_MS = 60_000
#: Within 250 ms, if each wait between them is as short as chance may make it: 10, 20, 40, 80 and then what is left.
TRIES_AT_ONCE = 6
DEFAULTS = {name: getattr(Settings(), name) for name in ("lease_ms", "renew_ms", "margin_ms", "poll_ms", "reap_ms")}


class Tap:
    """Counts the claims that a server is asked for."""

    def __init__(self, port):
        self.claims = 0
        self._sha = load(record=True)["claim"].sha.encode()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(b"MONITOR\r\n")
        self._lines = self._socket.makefile("rb")
        assert self._lines.readline() == b"+OK\r\n"
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def close(self):
        """Stop counting."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._lines.close()
        self._socket.close()

    def _count(self):
        with suppress(ConnectionResetError):  # closed while there was more to come
            for line in self._lines:
                self.claims += b'"EVALSHA"' in line and self._sha in line


@pytest.fixture
def tap(server):
    """Give a count of the claims that this test's server is asked for."""
    counting = Tap(server.port)
    yield counting
    counting.close()


def are_idle(redis, count):
    found = redis.smembers(keys.workers.spelling)
    return len(found) == count and all(redis.hget(key, "state") == b"idle" for key in found)


@pytest.mark.parametrize(("queue_class", "most"), [(rq.Queue, 5), (holdfast.jobs.Queue, 3)], ids=["plain", "ours"])
def test_one_job_does_not_wake_a_whole_fleet(start_worker, redis, tap, wait_until, notes, queue_class, most):
    """Who takes it, and who listens then in his place: all the others sleep on."""
    start_worker(command="worker-pool", options=["-n", str(CROWD)], poll_ms=NEVER_MS)
    wait_until(lambda: are_idle(redis, CROWD), within=60)
    lines = CROWD + 1  # a bell for each, and the queue for the one who listens there
    wait_until(lambda: redis.info("clients")["blocked_clients"] == lines)
    before = tap.claims
    queue_class(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    time.sleep(0.5)  # whoever else was woken asks now
    assert 1 <= tap.claims - before <= most
    notes.say_go()


def fill_memory(redis):
    redis.config_set("maxmemory", 1)


def forbid(command):
    def do(redis):
        redis.execute_command("ACL", "SETUSER", "default", f"-{command}")

    return do


def leave_dirt(redis):
    redis.rpush(keys.queue("default"), *[f"ghost-{number}" for number in range(500)])


def suspend(redis):
    redis.set(keys.suspended.spelling, 1)
    rq.Queue(connection=redis).enqueue("work.say")


@pytest.mark.parametrize(
    "trouble", [suspend, leave_dirt, fill_memory, forbid("blmove"), forbid("blpop")],
    ids=["suspended", "dirt in line", "out of memory", "no BLMOVE", "no BLPOP"],
)  # fmt: skip
def test_no_trouble_makes_an_idle_worker_spin(start_ready, redis, tap, trouble):
    """It looks a few times a second at the most, and its processor does not notice.

    Who is refused tries a few times within a quarter of a second, and then looks a second later.
    """
    worker = start_ready(**DEFAULTS)
    trouble(redis)
    time.sleep(1)  # what the change itself sets off
    claims, cpu_s = tap.claims, worker.cpu_s
    time.sleep(4)
    most = 4 * TRIES_AT_ONCE
    assert (tap.claims - claims <= most, worker.cpu_s - cpu_s < 0.4) == (True, True), (
        f"{tap.claims - claims} claims, {worker.cpu_s - cpu_s:.2f} s of processor time in 4 s"
    )
    redis.config_set("maxmemory", 0)
