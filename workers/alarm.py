"""RQ's timeout of a job, set and taken away in a third of the time."""

from __future__ import annotations

import signal
from _signal import SIG_DFL  # type: ignore[import-not-found]  # enums would take 4 us more
from _signal import signal as set_handler

from holdfast.jobs.rq_surface import UnixSignalDeathPenalty


class Alarm(UnixSignalDeathPenalty):
    """Does what RQ's own does: SIGALRM raises in the main thread once the time is over."""

    def setup_death_penalty(self) -> None:
        """Begin."""
        set_handler(signal.SIGALRM, self.handle_death_penalty)
        signal.alarm(self._timeout)

    def cancel_death_penalty(self) -> None:
        """End."""
        signal.alarm(0)
        set_handler(signal.SIGALRM, SIG_DFL)
