"""Finds jobs that are in no place, and puts them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.store import outcomes as out

if TYPE_CHECKING:
    from holdfast.jobs.store.upkeep import Upkeep

#: How many suspects one script looks at.
_AT_A_TIME = 20


class Orphans:
    """Looks through all records, a page at each pass.

    Our moves lose nothing. Stock RQ works in steps: a stock worker killed between two of them leaves a job in its
    intermediate list or in no list at all, and nobody ever looks at it again. Such a job is put back once it was seen
    twice, `orphaned_ms` apart, with nothing done to it in between.
    """

    def __init__(self, upkeep: Upkeep, tell: events.Events, *, every_ms: int) -> None:
        self._upkeep = upkeep
        self._tell = tell
        self.every_ms = every_ms

    def run_once(self) -> int:
        """Look at one page if the fleet is due for it; give the ms until the next may be."""
        turn = self._upkeep.rescue(every_ms=self.every_ms)
        if isinstance(turn, out.NotDue):
            return turn.ms
        suspects = self._upkeep.suspects()
        for start in range(0, len(suspects), _AT_A_TIME):
            rescued = self._upkeep.rescue(every_ms=0, suspects=suspects[start : start + _AT_A_TIME])
            for each in () if isinstance(rescued, out.NotDue) else rescued:
                if isinstance(each, out.Rescued):
                    self._tell.tell(events.Rescued(each))
                else:
                    self._tell.tell(events.PassedOver(each))
        return self.every_ms
