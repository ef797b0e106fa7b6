"""Takes jobs back from dead workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.store import outcomes as out

if TYPE_CHECKING:
    from holdfast.jobs.store.upkeep import Upkeep


class Reaper:
    """Reclaims leases past their deadline.

    It has no power to run a job: it puts it back in line, where the one admission path lets one runner through. So
    two reapers do no harm, and none needs to lead.
    """

    name = "reaper"
    does = "take jobs back from dead workers"

    def __init__(self, upkeep: Upkeep, tell: events.Events, *, every_ms: int) -> None:
        self._upkeep = upkeep
        self._tell = tell
        self.every_ms = every_ms

    def run_once(self, *, goes_on: bool = False) -> int:
        """Take one batch if the fleet is due for it; give the ms until the next may be, 0 after a full one."""
        match self._upkeep.reclaim(every_ms=self.every_ms, goes_on=goes_on):
            case out.NotDue(ms):
                return ms
            case out.Waiting(ms):
                self._tell.tell(events.HoldersGraced(ms))
                return min(ms, self.every_ms)
            case out.Pass(reclaimed, passed_over):
                for taken in reclaimed:
                    self._tell.tell(events.Reclaimed(taken))
                for found in passed_over:
                    self._tell.tell(events.PassedOver(found))
                return self.every_ms if len(reclaimed) < self._upkeep.batch else 0
