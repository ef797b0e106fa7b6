"""What a worker waits with hears what it should, goes on hearing it, and costs nothing meanwhile."""

import os
import random
import resource
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import rq

from holdfast.jobs import Queue
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import read_claim
from holdfast.jobs.store.connections import derive
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.workers.ears import Heard, SocketEars
from holdfast.workers.reins import pair
from holdfast.workers.watch import SocketWatch

POLL_MS = 1_000
LINE, BELL = keys.queue("default"), keys.bell("default")


class Listener:
    """The ears of a worker that serves one queue, and a clock."""

    def __init__(self, redis, poll_ms=POLL_MS):
        self._clock = SystemClock()
        own = derive(redis, reply_ms=1_000)
        self.ears = SocketEars(own, self._clock, queues=["default"], channel="orders", poll_ms=poll_ms)
        self.moves = Moves(Scripts(own), self._clock, Settings(), Caller("listener", "f" * 16))
        self.moves.scripts.teach("claim")
        self._op = 0

    def listen(self, within_ms):
        """Wait as an idle worker that is the listener. Tells whether the wait is over, and after how many ms."""
        self.begin(["default"])
        return self.wait(within_ms)

    def begin(self, listens_at):
        """Begin to wait, and have a claim stand."""
        self.ears.wait_for_bell(listens_at, self.spell(listens_at))

    def spell(self, listens_at):
        """Spell the next claim that is to stand."""
        self._op += 1
        return self.moves.begin_claim(self._op, ["default"], seen_fence=0, listens=bool(listens_at), stands=True)

    def wait(self, within_ms):
        """Go on waiting."""
        begun = time.monotonic()
        heard = Heard()
        while not heard.bell and (left_ms := within_ms - (time.monotonic() - begun) * 1000) > 0:
            heard = self.ears.hear(self._clock.boot_ms() + int(left_ms) + 1, None)
        self.answer = heard.answer
        return heard.bell, (time.monotonic() - begun) * 1000

    def take(self):
        """Give what was claimed, if something was; what is unknown of a claim is asked once more, as a worker does."""
        unknown = self.answer is None
        answer = self.moves.claim(self._op, ["default"], seen_fence=0) if unknown else read_claim(self.answer)
        return answer if isinstance(answer, tuple) else ()


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
        ears.begin([])
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


@pytest.fixture
def many_files():
    """Have more files open than select() can tell of."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    with ExitStack() as files:
        for _ in range(1_100):
            files.enter_context(Path(os.devnull).open())
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@pytest.mark.usefixtures("many_files")
def test_who_has_a_thousand_files_open_hears_a_plain_job(redis):
    """A job may leave that many open, and its horse is the one that waits: an error there would end it."""
    ears = Listener(redis)
    redis.rpush(LINE, "a-job")
    assert ears.listen(5_000)[0]
    ears.ears.close()


def test_a_worker_that_may_not_wait_for_its_bell_looks_once_a_second(listener, redis, wait_until):
    """An ACL that was cut too close: BLPOP is refused at once, and the queues must not be asked at that speed."""
    redis.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-blpop"], keys=["*"])
    ears = listener(poll_ms=500)
    begun, looks = time.monotonic(), 0
    while time.monotonic() < begun + 2:
        looks += ears.listen(200 + random.randrange(100))[0]
    assert 1 <= looks <= 10
    job = Queue(connection=redis).enqueue("builtins.len", b"")
    claimed = wait_until(lambda: ears.listen(300)[0] and ears.take())
    assert claimed[0].lease.job_id == job.id


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
    commands = wait_until(lambda: ears.hear(SystemClock().boot_ms() + 100, None).commands)
    assert commands == ({"command": "stop-job"},)


def test_who_is_called_has_the_job_in_the_same_breath(listener, redis):
    """The claim stands on the server before there is a job: no trip is made for it once there is one."""
    ears = listener(poll_ms=30_000)
    ears.begin(["default"])
    job = Queue(connection=redis).enqueue("builtins.len", b"")
    assert ears.wait(5_000)[0]
    [claimed] = read_claim(ears.answer)
    assert claimed.lease.job_id == job.id


@pytest.fixture
def watch(listener, redis):
    """Give a function that lets a claim stand at a horse's bell, and its reins."""
    ears = listener()
    reins, bit = pair(4, time.monotonic)
    own = derive(redis, reply_ms=1_000)
    watch = SocketWatch(own, SystemClock(), queues=["default"], poll_ms=POLL_MS)
    yield lambda: watch.is_called(["default"], ears.spell(["default"]), bit), watch, (reins, bit)
    watch.close()
    reins.close()
    bit.close()


def called(stand, queue):
    """Have a job enqueued while a horse stands at its bell, which must hear it; give how long it stood, in seconds."""
    timer = threading.Timer(0.1, lambda: queue.enqueue("builtins.len", b""))
    begun = time.monotonic()
    timer.start()
    assert stand()
    took_s = time.monotonic() - begun
    timer.join()  # it may not have had its answer yet, from a server that is about to end
    return took_s


@pytest.mark.parametrize("queue_class", [rq.Queue, Queue], ids=["plain", "ours"])
def test_a_horse_at_its_bell_is_called_by_a_job(watch, redis, queue_class):
    """Ours ring, and it has the job with that; of a plain one it only hears."""
    stand, watch, _ = watch
    assert 0.05 < called(stand, queue_class(connection=redis)) < 0.8
    assert (watch.claimed is not None) == (queue_class is Queue)


def test_a_horse_at_its_bell_hears_its_parent_first(watch, redis):
    """What stood there is withdrawn by then, and what is sent on that line would be read as its answer."""
    stand, watch, (reins, bit) = watch
    timer = threading.Timer(0.1, lambda: reins.say(("go",)))
    timer.start()
    assert not stand()
    assert bit.look() == ("go",)
    called(stand, Queue(connection=redis))
    execution = watch.claimed[1][2]
    assert execution.endswith(b"2")


def test_a_horse_at_its_bell_looks_by_itself_after_the_poll_interval(watch):
    """Nobody came: the claim was made, and found nothing."""
    stand, watch, _ = watch
    assert stand()
    assert watch.claimed[0] == b"empty"


def test_a_bell_that_should_have_answered_and_did_not_is_not_trusted_again(watch, server, redis):
    """FM-049: its answer may come yet, and would be read as the answer to the next claim."""
    stand, watch, _ = watch
    assert stand()
    server.pause()
    assert stand()
    assert watch.claimed is None
    server.resume()
    redis.ping()
    called(stand, Queue(connection=redis))
    execution = watch.claimed[1][2]
    assert execution.endswith(b"3")


def test_what_was_claimed_behind_a_bell_that_broke_is_heard_of_by_asking_again(listener, redis, wait_until):
    """FM-008, FM-048: the server has made the claim, and its reply is lost with the line."""
    ears = listener(poll_ms=400)
    ears.begin([])
    job = Queue(connection=redis).enqueue("builtins.len", b"")
    wait_until(lambda: redis.hget(keys.job(job.id), "status") == b"started")
    ears.ears._watch._bell.hang_up()
    assert ears.wait(5_000)[0]
    assert ears.answer is None
    [claimed] = ears.take()
    assert (claimed.lease.job_id, claimed.record[b"hf_executions"]) == (job.id, b"1")


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_horse_whose_end_makes_nothing_readable_is_looked_at_often(listener, is_watched):
    """There is no pidfd on macOS, and what a job left behind may hold the horse's ends of the reins for ever."""
    (words, its_words), (more, its_more) = os.pipe(), os.pipe()
    horse = SimpleNamespace(is_watched=is_watched, files=lambda: {words: False, more: False})
    ears = listener()
    ears.ears.hear(SystemClock().boot_ms() + 5_000, None)  # that commands will be told of
    begun = time.monotonic()
    ears.ears.hear(SystemClock().boot_ms() + 1_000, horse)
    assert (time.monotonic() - begun < 0.5) is not is_watched
    for end in (words, its_words, more, its_more):
        os.close(end)
