"""An upkeep that answers from a script, and a real one over jobs whose workers are gone."""

import random
import time

import pytest

from holdfast.jobs import Queue
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.events import Events
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import BATCH, Upkeep
from holdfast.recovery.keeper import Keeper
from tests.conftest import FakeClock


class NoSpread(random.Random):
    """Dice that always fall on the lowest number."""

    def randint(self, a, b):
        return a


class ScriptedUpkeep:
    """Answers one line of its script after the other, and notes how it was asked."""

    batch = BATCH

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []
        #: What the next page has.
        self.page = []

    def _answer(self, *, every_ms, goes_on=False, **about):
        self.asked.append(" ".join([str(every_ms), *["goes on"] * goes_on, *about.get("suspects", ())]))
        return self._answers.pop(0)

    reclaim = promote = rescue = _answer

    def suspects(self):
        self.asked.append("a page")
        return self.page


class TimedUpkeep:
    """A real upkeep, of which each answer's time and size is noted."""

    def __init__(self, upkeep, size_of):
        self._upkeep = upkeep
        self.batch = upkeep.batch
        self._size_of = size_of
        self.took_ms = []
        self.sizes = []

    def _time(self, ask, **how):
        began = time.perf_counter()
        answer = ask(**how)
        self.took_ms.append(1_000 * (time.perf_counter() - began))
        self.sizes.append(self._size_of(answer))
        return answer

    def reclaim(self, **how):
        return self._time(self._upkeep.reclaim, **how)

    def promote(self, **how):
        return self._time(self._upkeep.promote, **how)


@pytest.fixture
def scripted():
    """Give a maker of upkeeps that answer from a script."""
    return ScriptedUpkeep


@pytest.fixture
def keep_at():
    """Give a function that has a keeper do all there is to do of a chore, and gives the ms until it is due again."""

    def keep_at(chore):
        clock = FakeClock()
        keeper = Keeper([chore], clock, NoSpread())
        while keeper.due_ms() <= clock.boot_ms():
            keeper.run_due()
        return keeper.due_ms() - clock.boot_ms()

    return keep_at


@pytest.fixture
def told():
    """Give the list of events that were told."""
    return []


@pytest.fixture
def tell(told):
    """Give an event stream into that list."""
    return Events(told.append)


class Fleet:
    """Workers that claim and are heard of no more, on a real server."""

    def __init__(self, redis):
        #: So short that a test need not wait for the dead.
        self.settings = Settings(lease_ms=500, renew_ms=30, margin_ms=10)
        self.redis = redis
        self.clock = SystemClock()
        self.scripts = Scripts(redis)
        self.upkeep = Upkeep(self.scripts, self.clock, self.settings)

    def queue(self, name="default"):
        return Queue(name, self.redis, rng=random.Random(name))

    def enqueue(self, count, name="default", **options):
        data = [Queue.prepare_data("shop.fulfil", (number,), **options) for number in range(count)]
        return self.queue(name).enqueue_many(data)

    def claim_and_die(self, count, *queues):
        """Claim that many jobs by one worker each life, and give the leases. They are over when it returns."""
        leases = []
        for number in range(count):
            moves = Moves(self.scripts, self.clock, self.settings, Caller("dead", f"{number + 1:016x}"))
            answer = moves.claim(1, queues or ("default",), seen_fence=0)
            assert isinstance(answer, tuple), answer
            leases.append(answer[0].lease)
        time.sleep(self.settings.lease_ms / 1_000 + 0.005)
        return leases

    def timed(self, size_of):
        return TimedUpkeep(self.upkeep, size_of)

    def watch_slowness(self):
        """From now on, let the server note every command with the microseconds it took."""
        self.redis.config_set("slowlog-log-slower-than", 0)
        self.redis.config_set("slowlog-max-len", 10_000)
        self.redis.slowlog_reset()

    def slowest_script_ms(self):
        """Give how long the server was held by the slowest script since."""
        noted = self.redis.slowlog_get(10_000)
        self.redis.config_set("slowlog-log-slower-than", 10_000)
        return max(entry["duration"] for entry in noted if entry["command"].upper().startswith(b"EVAL")) / 1_000


@pytest.fixture
def fleet(redis):
    """Give workers on a real server, who die as they are told to."""
    return Fleet(redis)
