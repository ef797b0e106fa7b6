"""What a worker waits with hears what it should, goes on hearing it, and costs nothing meanwhile."""

import random
import time

import pytest

from holdfast.jobs.clock import SystemClock
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import derive
from holdfast.workers.ears import SocketEars

POLL_MS = 1_000
LINE, BELL = keys.queue("default"), keys.bell("default")


class Listener:
    """The ears of a worker that serves one queue, and a clock."""

    def __init__(self, redis, poll_ms=POLL_MS):
        self._clock = SystemClock()
        own = derive(redis, reply_ms=1_000)
        self.ears = SocketEars(own, self._clock, queues=["default"], channel="orders", poll_ms=poll_ms)

    def listen(self, within_ms):
        """Wait as an idle worker that is the listener. Tells whether the wait is over, and after how many ms."""
        self.ears.wait_for_bell(["default"])
        return self.wait(within_ms)

    def wait(self, within_ms):
        """Go on waiting."""
        begun = time.monotonic()
        heard = False
        while not heard and (left_ms := within_ms - (time.monotonic() - begun) * 1000) > 0:
            heard = self.ears.hear(self._clock.boot_ms() + int(left_ms) + 1, None).bell
        return heard, (time.monotonic() - begun) * 1000


@pytest.fixture
def listener(redis):
    """Give ears that are closed in the end."""
    made = []

    def make(**how):
        made.append(Listener(redis, **how))
        return made[-1]

    yield make
    for each in made:
        each.ears.close()


def test_ears_hear_the_last_job_of_a_long_life_like_the_first(listener, redis):
    """A pool makes a hundred connections and then no more: ears that made one for each job were deaf from then on."""
    ears = listener(poll_ms=30_000)
    for number in range(150):
        redis.rpush(LINE, number)
        assert ears.listen(5_000)[0], f"deaf to plain producers after {number} jobs"
        redis.delete(LINE)
        # Another is the listener now.
        ears.ears.wait_for_bell([])
        redis.rpush(BELL, number)
        assert ears.wait(5_000)[0], f"deaf to the bell after {number} jobs"
        redis.delete(BELL)


def test_ears_that_heard_a_bell_in_between_hear_plain_jobs_on(listener, redis):
    """The two waits then end at different times, and the one that ends first is begun again."""
    ears = listener()
    assert ears.listen(600) == (False, pytest.approx(600, abs=200))
    redis.rpush(BELL, 1)
    assert ears.wait(300)[0]
    # What was asked of the line first comes to its end here, and what was asked of the bell does not.
    assert not ears.listen(600)[0]
    redis.rpush(LINE, "a-job")
    assert ears.wait(200)[0]


def test_a_server_that_went_while_a_job_ran_does_not_keep_its_worker_busy(listener, redis):
    """The line to the bell ends, and nobody reads its end: the waits for the horse must be waits all the same."""
    ears = listener()
    redis.rpush(BELL, 1)
    assert ears.listen(1_000)[0]
    redis.client_kill_filter(_type="normal", skipme=True)
    begun, turns = time.monotonic(), 0
    while time.monotonic() < begun + 0.3:
        ears.ears.hear(SystemClock().boot_ms() + 100, None)
        turns += 1
    assert turns < 20


def test_a_worker_that_may_not_wait_for_its_bell_looks_once_a_second(listener, redis):
    """An ACL that was cut too close: BLPOP is refused at once, and the queues must not be asked at that speed."""
    redis.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-blpop"], keys=["*"])
    ears = listener(poll_ms=500)
    begun, looks = time.monotonic(), 0
    while time.monotonic() < begun + 2:
        looks += ears.listen(200 + random.randrange(100))[0]
    assert 1 <= looks <= 10


def test_a_worker_that_may_not_listen_to_plain_producers_waits_for_its_bell(listener, redis):
    """The same with BLMOVE: what our own Queue puts in line is heard, and nothing is asked over and over."""
    redis.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-blmove"], keys=["*"])
    ears = listener(poll_ms=5_000)
    assert not ears.listen(500)[0]
    redis.rpush(BELL, 1)
    assert ears.wait(500)[0]


def test_ears_are_open_to_commands_before_a_job_is_asked_for(listener, redis, wait_until):
    """A command to stop the first job may come before the worker waits for anything, as after a slow start."""
    ears = listener().ears
    wait_until(lambda: redis.publish("orders", '{"command": "stop-job"}'))
    assert ears.hear(SystemClock().boot_ms() + 1_000, None).commands == ({"command": "stop-job"},)
