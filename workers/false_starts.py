"""Horses in a row that ended before they began anything: for how long their worker takes no job and starts no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock
    from holdfast.workers.runtime import Ending
    from holdfast.workers.shared_memory import Board

#: So many may be bad luck.
_FORGIVEN = 2
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 60_000


class FalseStarts:
    """What they died of would kill the next, too: meanwhile their jobs are for healthier workers."""

    def __init__(self, board: Board, clock: Clock, tell: events.Events) -> None:
        self._board = board
        self._clock = clock
        self._tell = tell
        self._count = 0
        self._why = ""
        #: When the next may be started, on the boot clock.
        self.until_ms = 0

    @property
    def is_waiting(self) -> bool:
        """Whether no horse is to be started now, and so no job to be taken."""
        return self._clock.boot_ms() < self.until_ms

    def look_at(self, ending: Ending, *, is_leaving: bool) -> None:
        """Count a horse that has ended, if it had not begun anything and was not told to go; else count anew."""
        if self._board.has_come_up or is_leaving:
            self._begin_anew()
        elif ending.exit_code is None:
            self.note(str(ending))
        else:
            self.note(f"exit code {ending.exit_code}: their error stands above")

    def look_up(self) -> None:
        """Count anew once a horse has begun something: one that is well may live for days."""
        if self._count and self._board.has_come_up:
            self._begin_anew()

    def _begin_anew(self) -> None:
        if self._count > _FORGIVEN:
            self._tell.tell(events.HorsesBegin())
        self._count = self.until_ms = 0

    def note(self, why: str) -> None:
        """Count one more."""
        self._count += 1
        self._why = why
        if (beyond := self._count - _FORGIVEN) > 0:
            # The shift has a bound: this may go on for a year.
            wait_ms = min(_FIRST_WAIT_MS << min(beyond - 1, 10), _LONGEST_WAIT_MS)
            self.until_ms = self._clock.boot_ms() + wait_ms
            self._tell.tell(events.HorsesFailed(self._count, why, wait_ms))

    def __str__(self) -> str:
        return f"{self._count} horses in a row ended before they began a job ({self._why})"
