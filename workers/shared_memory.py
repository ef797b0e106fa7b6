"""What parent and horse both see: a few numbers on a page they share.

Each is one aligned 8-byte word, so none is ever seen half written. Ids are made of numbers (`Caller.execution`), so
that the one word `execution` says what the horse works on, at any moment, even when it was just killed.
"""

from __future__ import annotations

import mmap

_OP, _EXECUTION, _STOP_BY, _BEGUN, _SETTLING, _SEEN_FENCE = range(6)
_WORDS = 6


class Board:
    """The shared page of one worker's life."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 8 * _WORDS)
        self._words = memoryview(self._page).cast("q")

    def next_op(self) -> int:
        """Give the next operation its number. Parent and horse never send at once: one waits, or the other is dead."""
        self._words[_OP] += 1
        return self._words[_OP]

    @property
    def execution(self) -> int:
        """The operation that claimed what is being worked on; 0 when it is settled."""
        return self._words[_EXECUTION]

    @execution.setter
    def execution(self, op: int) -> None:
        self._words[_EXECUTION] = op

    @property
    def stop_by_ms(self) -> int:
        """When, on the boot clock, a holder that could not renew stops: by then someone else may hold the job."""
        return self._words[_STOP_BY]

    @stop_by_ms.setter
    def stop_by_ms(self, moment: int) -> None:
        self._words[_STOP_BY] = moment

    @property
    def begun(self) -> bool:
        """Whether the job's own code may have started."""
        return bool(self._words[_BEGUN])

    @begun.setter
    def begun(self, begun: bool) -> None:
        self._words[_BEGUN] = int(begun)

    @property
    def settling(self) -> bool:
        """Whether the horse has asked for the end of its lease, and may not have heard the answer yet."""
        return bool(self._words[_SETTLING])

    @settling.setter
    def settling(self, settling: bool) -> None:
        self._words[_SETTLING] = int(settling)

    @property
    def seen_fence(self) -> int:
        """The highest fence this worker was ever given."""
        return self._words[_SEEN_FENCE]

    @seen_fence.setter
    def seen_fence(self, fence: int) -> None:
        self._words[_SEEN_FENCE] = max(fence, self._words[_SEEN_FENCE])
