"""A chore that has seconds of work keeps nobody waiting: its worker renews, hears signals, beats, does the others."""

import random

import pytest

from holdfast.jobs import events
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.upkeep import BATCH
from holdfast.recovery.keeper import Keeper
from holdfast.recovery.promoter import Promoter
from holdfast.recovery.reaper import Reaper
from tests.workers.stable import Stable

#: 35,000 jobs, due at one moment.
BATCHES, BATCH_MS = 700, 6


class LongUpkeep:
    """Answers for chores with much to do: each batch takes its time."""

    batch = BATCH

    def __init__(self, clock):
        self._clock = clock
        self.left = BATCHES
        self.reaped = []

    def promote(self, **_):
        self._clock.advance(BATCH_MS)
        self.left -= 1
        seen = BATCH if self.left else 0
        return out.Promoted(seen, seen)

    def reclaim(self, **_):
        self.reaped.append(self._clock.boot_ms())
        return out.Pass(())


class Face:
    """Notes when the worker is said to live."""

    def __init__(self):
        self.beats = []

    def beat(self, now_ms):
        if not self.beats or now_ms - self.beats[-1] >= 800:
            self.beats.append(now_ms)
        return self.beats[-1] + 800

    def busy(self):
        pass

    idle = suspended = busy


@pytest.fixture
def upkeep(clock):
    return LongUpkeep(clock)


@pytest.fixture
def stable(fake, clock, upkeep):
    """Give a worker with one job begun, whose promoter has much to do."""
    stable = Stable(fake, clock, "a", lease_ms=3_000, renew_ms=800, margin_ms=400, jobs_per_horse=1, prefetch=1)
    stable.horse.begin()
    tell = events.Events()
    chores = [Promoter(upkeep, tell, every_ms=1_000), Reaper(upkeep, tell, every_ms=1_000)]
    stable.engine._keeper = Keeper(chores, clock, random.Random(7))
    stable.engine._face = Face()
    return stable


def rounds(stable, upkeep):
    """Let the parent go round until the chore is done; between two rounds it is the test's turn."""
    while upkeep.left > 0:
        stable.engine._tend(stable.engine._do_upkeep(), 0)
        yield stable.clock.boot_ms()


def test_a_holder_renews_in_time_while_a_chore_has_seconds_of_work(stable, upkeep):
    """INV-05, LIV-02: else its own guard ends the job, for nothing but a heap of due jobs."""
    [hold] = stable.mount.holds
    for now in rounds(stable, upkeep):
        assert now < hold.stop_by_ms
        assert now - hold.renew_at <= BATCH_MS
    assert stable.clock.boot_ms() - hold.stop_by_ms < 0
    assert stable.redis.zscore(keys.leases("default"), f"a:{hold.lease.execution}") > stable.clock.boot_ms()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_renewal_that_is_due_comes_before_chores_that_are_due_too(stable, upkeep, is_away):
    """FM-043, PM-0005: on a slow link each takes long; and what nobody answers takes as long as a reply may."""
    [hold] = stable.mount.holds
    stable.engine._courier.is_away = is_away
    stable.clock.advance(hold.renew_at - stable.clock.boot_ms() - (1 if is_away else 0))
    assert stable.engine._do_upkeep() == hold.renew_at
    assert (upkeep.left, upkeep.reaped, stable.engine._face.beats) == (BATCHES, [], [])
    stable.clock.advance(1)
    stable.step()
    assert hold.renew_at > stable.clock.boot_ms()


def test_the_other_chores_and_the_beat_come_when_they_are_due(stable, upkeep):
    """LIV-02, LIV-03: a reaper that comes late takes that for an outage; a worker that is silent is taken for dead."""
    began, *_, ended = rounds(stable, upkeep)
    assert ended - began > 4_000
    assert len(upkeep.reaped) >= 4
    assert len(stable.engine._face.beats) >= 5


def test_a_signal_is_heard_between_two_batches(stable, upkeep):
    """LIV-04: asked twice to stop, it gives the job back at once."""
    rest = rounds(stable, upkeep)
    for _ in range(20):
        next(rest)
    stable.engine.ask_to_stop()
    stable.clock.advance(1_000)
    stable.engine.ask_to_stop()
    next(rest)
    assert BATCHES - 25 < upkeep.left < BATCHES
    assert [event.why for event in stable.told if isinstance(event, events.HorseStopped)] == ["grace"]
