"""What closes a worker's silent lines, or forgets them and tells nobody, is no outage: it goes on by new ones."""

import asyncio
from types import SimpleNamespace

import pytest
import rq
from redis import Redis

from holdfast.chaos.proxy import FaultProxy
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import derive
from holdfast.workers.ears import SocketEars

POLL_MS = 30_000
#: Stands behind the bell in the place of a claim, and is answered.
CLAIM = SimpleNamespace(words=("PING",))


class HastyClock(SystemClock):
    """The machine's time, and what a test has skipped of it."""

    skipped_ms = 0

    def boot_ms(self):
        return super().boot_ms() + self.skipped_ms


@pytest.fixture
def clock():
    """Give time of which some can be skipped."""
    return HastyClock()


@pytest.fixture
def proxy(server):
    """Stand between a worker and its server."""
    with FaultProxy(("127.0.0.1", server.port)) as standing:
        yield standing


@pytest.fixture
def forget(proxy, redis):
    """Give a function that forgets all connections there are. The server gives them up, and new ones work."""

    async def never(*_):
        await asyncio.Event().wait()

    def do():
        def silence():
            for link in proxy._links:
                link._travel = never

        proxy._in_thread(silence)
        for kind in ("normal", "pubsub"):
            redis.client_kill_filter(_type=kind, skipme=True)

    return do


@pytest.fixture
def ears(proxy, clock):
    """Give the ears of a worker behind the proxy."""
    own = derive(Redis(port=proxy.port), reply_ms=1_000)
    made = SocketEars(own, clock, queues=["default"], channel="orders", poll_ms=POLL_MS)
    yield made
    made.close()


@pytest.fixture
def hears_a_command(ears, clock, redis):
    """Give a function that tells whether a command that is sent now is heard."""

    def look():
        redis.publish("orders", '{"command": "stop-job"}')
        return bool(ears.hear(clock.boot_ms() + 100, None).commands)

    return look


def test_commands_are_heard_again_after_a_firewall_forgot_their_line(forget, hears_a_command, clock, wait_until):
    """FM-042: a worker that had been out of reach ran every job that a person told it to stop, until its restart."""
    wait_until(hears_a_command)
    forget()
    silent_from = clock.boot_ms()

    def hears_a_little_later():
        clock.skipped_ms += 1_000
        return hears_a_command()

    wait_until(hears_a_little_later, within=10)
    assert clock.boot_ms() - silent_from < 30_000


def test_a_line_for_commands_that_shows_life_is_kept(ears, hears_a_command, clock, redis, wait_until):
    """A sign of life may wait for a parent that was frozen, with a command behind it: neither is thrown away."""
    wait_until(hears_a_command)
    ids = [each["id"] for each in redis.client_list(_type="pubsub")]
    for _ in range(5):
        clock.skipped_ms += 60_000
        ears.hear(0, None)  # asks, and reads nothing that comes later
        redis.publish("orders", '{"command": "kill-horse"}')
        wait_until(ears._orders.has_answer)
        clock.skipped_ms += 60_000
        found = wait_until(lambda: ears.hear(clock.boot_ms() + 100, None).commands)
        assert {"command": "kill-horse"} in found
    assert [each["id"] for each in redis.client_list(_type="pubsub")] == ids


def test_plain_jobs_are_heard_again_after_a_firewall_forgot_their_line(ears, forget, clock, redis, wait_until):
    """FM-042: their producers ring no bell, and the listener was deaf to them for as long as it was the listener."""
    ears.wait_for_bell(["default"], CLAIM)
    wait_until(lambda: redis.info("clients")["blocked_clients"] == len(("bell", "queue")))
    forget()
    clock.skipped_ms += 2 * POLL_MS
    assert ears.hear(clock.boot_ms() + 5_000, None).bell  # the bell is given up
    ears.wait_for_bell(["default"], CLAIM)
    redis.rpush(keys.queue("default"), "a-job")
    until_ms = clock.boot_ms() + 5_000
    heard = False
    while not heard and clock.boot_ms() < until_ms:
        heard = ears.hear(until_ms, None).bell
    assert heard


@pytest.mark.processes
def test_a_server_that_closes_what_is_silent_is_not_told_of_as_away(start_ready, redis, wait_until, ledger):
    """Its `timeout`, or a proxy's: a horse says nothing while it waits, and nothing during the whole of a job."""
    redis.config_set("timeout", 1)
    worker = start_ready()
    for _ in range(2):
        job = rq.Queue(connection=redis).enqueue("work.nap", 2.5)
        wait_until(lambda: ledger.status(job) == "finished")  # noqa: B023 - it is called at once
    assert "Redis is" not in worker.log
