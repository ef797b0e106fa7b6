"""Whether a worker was asked to stop, and how long it still may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings

#: A pool and a terminal may both pass on the same request; RQ takes two signals within a second for one, too.
_SAME_REQUEST_MS = 1_000


class Stop:
    """Whether the worker was asked to stop, and by when it must have."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._first_asked_ms = 0
        self.asked = False
        #: How many times: once or twice.
        self.times = 0
        #: When a job that still runs is given back, on the boot clock.
        self.at_ms: int | None = None

    def ask(self) -> None:
        """Finish within the grace, else give back. A second time: give back now. Safe in a signal handler."""
        now = self._clock.boot_ms()
        if not self.asked:
            self.asked, self._first_asked_ms, self.at_ms = True, now, now + self._settings.grace_ms
            self.times = 1
        elif now - self._first_asked_ms >= _SAME_REQUEST_MS:
            self.at_ms, self.times = now, 2

    def left_ms(self) -> int:
        """Tell how long a job that still runs may take."""
        return 0 if self.at_ms is None else max(0, self.at_ms - self._clock.boot_ms())

    def is_due(self) -> bool:
        """Tell whether the grace is over."""
        return self.at_ms is not None and self._clock.boot_ms() >= self.at_ms

    def is_past_last_word(self) -> bool:
        """Tell whether a worker that holds nothing has waited long enough for an answer under way."""
        return self.asked and self._clock.boot_ms() >= self._first_asked_ms + 2 * self._settings.reply_ms

    def is_past_grace(self) -> bool:
        """Tell whether nothing is to be waited for any more: giving back may need one more try than the grace."""
        last_try_ms = 2 * self._settings.reply_ms
        return self.at_ms is not None and self._clock.boot_ms() >= self.at_ms + last_try_ms
