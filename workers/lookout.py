"""Looks out for an answer for a moment before it sleeps: to be woken up may take longer than the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: If the core was away for so long, in seconds, somebody else needed it.
_WANTED_S = 0.0001
#: How many waits in a row are slept through at the most once looking out did not pay.
_MOST_RESTS = 64


class Lookout:
    """Spins before it sleeps, as locks do: for `spin_us` at the most, and less and less often where that does not pay.

    It does not where the answer takes longer, and not where others want the core: at each look it is offered to them
    (`give_way`). Spinning for about as long as sleeping would cost is at most twice as bad as the best choice,
    which is known only later: Karlin, Li, Manasse, Owicki, "Empirical studies of competitive spinning" (SOSP 1991).
    """

    def __init__(
        self, has_answer: Callable[[], bool], *, spin_us: int, now_s: Callable[[], float], give_way: Callable[[], None]
    ) -> None:
        self._has_answer = has_answer
        self._spin_s = spin_us / 1e6
        self._now_s = now_s
        self._give_way = give_way
        #: How many waits are still slept through, and how many after the next that does not pay.
        self._rests, self._rests_next = 0, 1

    def __call__(self) -> None:
        """Return as soon as there is an answer, or when it is better to sleep for it."""
        if self._rests:
            self._rests -= 1
            return
        before = looked = self._now_s()
        until = looked + self._spin_s
        while not self._has_answer():
            if looked >= until or looked - before > _WANTED_S:
                self._rests, self._rests_next = self._rests_next, min(2 * self._rests_next, _MOST_RESTS)
                return
            self._give_way()
            before, looked = looked, self._now_s()
        self._rests_next = 1
