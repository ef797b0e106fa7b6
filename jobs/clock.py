"""Time, as an argument: what a simulation replaces."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for records that people read, boot time for deadlines of our own."""

    def wall_s(self) -> float:
        """Seconds since the epoch, by this machine. Never used for a deadline."""
        ...

    def boot_ms(self) -> int:
        """Milliseconds since the machine started, asleep or not. Never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clocks."""

    # Where there is none, what stands in for it may stand still while a machine is suspended; a lease does not.
    _BOOT = getattr(time, "CLOCK_BOOTTIME", None)

    def wall_s(self) -> float:
        return time.time()

    def boot_ms(self) -> int:
        now_ns = time.monotonic_ns() if self._BOOT is None else time.clock_gettime_ns(self._BOOT)
        return now_ns // 1_000_000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
