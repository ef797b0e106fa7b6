"""What parent and horse both see: a few numbers on a page they share.

Each is one aligned 8-byte word, so none is ever seen half written. Jobs are numbered as they are handed to a horse, so
that the one word `begun` says how far it has come, at any moment, even when it was just killed.
"""

from __future__ import annotations

import mmap

_STOP_BY, _BEGUN, _ENDED, _RECALLED_TO, _KEPT = range(5)
_WORDS = 5


class Board:
    """The shared page of one worker's life."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 8 * _WORDS)
        self._words = memoryview(self._page).cast("q")

    @property
    def stop_by_ms(self) -> int:
        """When, on the boot clock, a holder that could not renew stops: by then someone else may hold the job."""
        return self._words[_STOP_BY]

    @stop_by_ms.setter
    def stop_by_ms(self, moment: int) -> None:
        self._words[_STOP_BY] = moment

    # -- the horse's words

    def begin(self, number: int) -> bool:
        """Say that the code of the job with that number may start now; False: it was recalled and must not.

        Said first and looked at then: a parent that recalls a job freezes the horse, and sees one or the other.
        """
        self._words[_BEGUN] = number
        if number > self._words[_RECALLED_TO] or number == self._words[_KEPT]:
            return True
        self._words[_ENDED] = number
        return False

    def end(self, number: int) -> None:
        """Say that what became of it has been told to the parent."""
        self._words[_ENDED] = number

    @property
    def is_at_work(self) -> bool:
        """Whether the code of a job may be running."""
        return self._words[_BEGUN] > self._words[_ENDED]

    # -- the parent's words

    @property
    def begun(self) -> int:
        """The number of the last job whose code may have started."""
        return self._words[_BEGUN]

    def recall(self, last: int, *, but: int = 0) -> None:
        """Let none begin up to that number, `but` one. The horse must not be running at this moment.

        Also none of those that were recalled before: they may be unread on their way still.
        """
        self._words[_RECALLED_TO] = last
        self._words[_KEPT] = but
