"""Puts scheduled jobs in line when they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.store import outcomes as out

if TYPE_CHECKING:
    from holdfast.jobs.store.upkeep import Upkeep


class Promoter:
    """Serves RQ's scheduled sets, and with them the backoff of retries."""

    name = "promoter"
    does = "put jobs in line that are due"

    def __init__(self, upkeep: Upkeep, tell: events.Events, *, every_ms: int) -> None:
        self._upkeep = upkeep
        self._tell = tell
        self.every_ms = every_ms

    def run_once(self, *, goes_on: bool = False) -> int:
        """Promote one batch if the fleet is due for it; give the ms until the next may be, 0 after a full one."""
        match self._upkeep.promote(every_ms=self.every_ms, goes_on=goes_on):
            case out.NotDue(ms):
                return ms
            case out.Promoted(count, seen):
                if count:
                    self._tell.tell(events.Promoted(count))
                return self.every_ms if seen < self._upkeep.batch else 0
