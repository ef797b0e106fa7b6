"""The machine's own clocks: one for deadlines, which counts the time a machine was suspended, and one for people."""

import time

import pytest

from holdfast.jobs.clock import SystemClock

HOUR_NS = 3_600 * 10**9


@pytest.fixture
def machine(monkeypatch):
    """Give what each clock of this machine is off by, in ns, for a test to change."""
    off = dict.fromkeys((time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC, time.CLOCK_REALTIME), 0)
    tell = time.clock_gettime_ns
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: tell(clock) + off[clock])
    monkeypatch.setattr(time, "monotonic", lambda: (tell(time.CLOCK_MONOTONIC) + off[time.CLOCK_MONOTONIC]) / 10**9)
    monkeypatch.setattr(time, "time", lambda: (tell(time.CLOCK_REALTIME) + off[time.CLOCK_REALTIME]) / 10**9)
    return off


def test_a_deadline_has_passed_when_a_machine_wakes_that_was_suspended_for_an_hour(machine):
    """FM-055: CLOCK_MONOTONIC stood still meanwhile, and would promise a lease that Redis gave away."""
    clock = SystemClock()
    before_ms = clock.boot_ms()
    machine[time.CLOCK_BOOTTIME] += HOUR_NS  # as a suspended machine's: the others stand or are set
    machine[time.CLOCK_REALTIME] += HOUR_NS
    assert 3_600_000 <= clock.boot_ms() - before_ms < 3_600_000 + 1_000


def test_setting_a_machines_date_moves_no_deadline(machine):
    """FM-016, INV-05: neither forward nor back; only what people read moves."""
    clock = SystemClock()
    before_ms, before_s = clock.boot_ms(), clock.wall_s()
    machine[time.CLOCK_REALTIME] -= HOUR_NS
    assert 0 <= clock.boot_ms() - before_ms < 1_000
    assert -3_600 <= clock.wall_s() - before_s < -3_599
