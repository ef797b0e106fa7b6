"""A parent looks after what it has in hand: when it renews, and tries again, and how it ends the work on a job."""

import pytest
from redis.exceptions import ConnectionError as RedisIsSilent

from holdfast.jobs import events
from tests.workers.stable import Stable


@pytest.fixture
def stable(fake, clock):
    """Give a worker at a job, with a lease of ten seconds, of which one is margin, and renewals every three."""
    made = Stable(fake, clock, "a", prefetch=1)
    made.task = made.horse.begin()
    return made


def test_a_renewal_counts_from_when_it_was_sent_however_late_it_is_answered(stable, monkeypatch):
    """FM-043, INV-04: the lease that it stands for began at the server no sooner than that, and maybe no later."""
    moves, sent_ms = stable.engine._groom._moves, []
    renew = moves.renew

    def on_a_slow_link(*about, **how):
        sent_ms.append(stable.clock.boot_ms())
        answer = renew(*about, **how)
        stable.clock.advance(2_000)
        return answer

    monkeypatch.setattr(moves, "renew", on_a_slow_link)
    stable.clock.advance(3_000)
    stable.step()
    [hold] = stable.mount.holds
    assert [hold.stop_by_ms - 9_000, hold.renew_at - 3_000] == sent_ms * 2
    assert stable.board.stop_by_ms == hold.stop_by_ms


def test_a_renewal_that_nobody_answers_is_tried_again_soon(stable, monkeypatch):
    """FM-007: several times before the holder must stop, and not only when the next would have been due."""
    tried_ms, began_ms = [], stable.clock.boot_ms()

    def is_lost(*_, **__):
        tried_ms.append(stable.clock.boot_ms() - began_ms)
        raise RedisIsSilent("Timeout reading from socket")

    monkeypatch.setattr(stable.engine._groom._moves, "renew", is_lost)
    while stable.clock.boot_ms() - began_ms < 3_950:
        stable.step()
    assert tried_ms == pytest.approx([3_000, 3_300, 3_600, 3_900], abs=20)


def test_a_claim_that_nobody_answers_is_asked_anew_when_its_lease_would_be_half_over(fake, clock, monkeypatch):
    """FM-008, FM-019, PM-0004: under its number while it is young; what it gives later could hardly be begun."""
    stable, asked = Stable(fake, clock), {}

    def is_lost(op, *_, **__):
        asked.setdefault(op, []).append(stable.clock.boot_ms())
        raise RedisIsSilent("Timeout reading from socket")

    monkeypatch.setattr(stable.engine._clerk._moves, "claim", is_lost)
    began_ms = stable.clock.boot_ms()
    while stable.clock.boot_ms() - began_ms < 20_000:
        stable.step()
    spans = [last_ms - first_ms for first_ms, *_, last_ms in asked.values()]
    assert list(asked) == sorted(asked)
    assert 4 <= len(asked) <= 5
    assert spans[:-1] == pytest.approx([4_500] * len(spans[:-1]), abs=250)


def test_a_horse_that_ends_its_job_in_the_instant_before_it_is_frozen_is_heard_out(stable, monkeypatch):
    """FM-050, INV-06: a person's stop comes too late for that one, and the horse lives on for the next."""
    horse = stable.horse
    monkeypatch.setattr(horse, "freeze", lambda: horse.end(stable.task, "bury"))
    assert stable.engine._groom.stop_job("a")
    assert isinstance(stable.told[-1], events.HorseSpared)
    stable.line("b")
    stable.run_all()
    assert (stable.statuses(), stable.horses) == ({"failed": 1, "finished": 1}, [horse])
