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

    name = "orphans"
    does = "put jobs back that are in no place"

    def __init__(self, upkeep: Upkeep, tell: events.Events, *, every_ms: int) -> None:
        self._upkeep = upkeep
        self._tell = tell
        self.every_ms = every_ms
        #: Of the last page, those that are still to be looked at.
        self._suspects: list[str] = []

    def run_once(self, *, goes_on: bool = False) -> int:
        """Read a page, or look at some of its suspects, if the fleet is due for it; give the ms until the next may be.

        That is 0 while there are suspects left.
        """
        batch, left = self._suspects[:_AT_A_TIME], self._suspects[_AT_A_TIME:]
        self._suspects = left  # those at which Redis balks must not come again and again before all others
        rescued = self._upkeep.rescue(every_ms=self.every_ms, goes_on=goes_on, suspects=batch)
        if isinstance(rescued, out.NotDue):
            self._suspects = [*batch, *left]
            return rescued.ms
        for each in rescued:
            self._tell.tell(events.Rescued(each) if isinstance(each, out.Rescued) else events.PassedOver(each))
        if not batch:
            self._suspects = self._upkeep.suspects()
        return 0 if self._suspects else self.every_ms
