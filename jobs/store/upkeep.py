"""The moves of nobody in particular: what the fleet does for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import text_of, unexpected
from holdfast.jobs.store.census import Census
from holdfast.jobs.store.records import obituary, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.scripts import Scripts

#: A pass goes on batch by batch, so that no script holds the server long, nor a chore the worker that does it.
BATCH = 50


class Upkeep:
    """What chores do, whoever runs them."""

    def __init__(self, scripts: Scripts, clock: Clock, settings: Settings, *, batch: int = BATCH) -> None:
        self._scripts = scripts
        self._clock = clock
        self._settings = settings
        #: How many a pass takes at a time.
        self.batch = batch

    def reclaim(self, *, every_ms: int, goes_on: bool = False) -> out.Pass | out.Waiting | out.NotDue:
        """Take back at most a batch of leases past their deadline; `every_ms` 0: whoever was last."""
        wall_s = self._clock.wall_s()
        answer = self._scripts.call(
            "reclaim",
            every_ms=every_ms,
            goes_on=int(goes_on),
            late_ms=self._settings.late_reaper_ms,
            grace_ms=self._settings.holder_grace_ms,
            budget=self._settings.crashes,
            most=self.batch,
            stamp=stamp(wall_s),
            epoch=f"{wall_s:.6f}",
            obituary=obituary("The worker died with the job and its lease ran out; no crashes left in its budget."),
        )
        match answer[0]:
            case b"not_due":
                return out.NotDue(int(answer[1]))
            case b"waiting":
                return out.Waiting(int(answer[1]))
            case b"reclaimed":
                return out.Pass(tuple(_row(row) for row in answer[1]), tuple(_passed_over(answer[2])))
            case _:
                raise unexpected("reclaim", answer)

    def rescue(self, *, every_ms: int, goes_on: bool = False, suspects: Sequence[str] = ()) -> out.Rescue | out.NotDue:
        """Put those of the suspects back that are in no place, and were seen so long enough ago."""
        wall_s = self._clock.wall_s()
        answer = self._scripts.call(
            "rescue",
            every_ms=every_ms,
            goes_on=int(goes_on),
            patience_ms=self._settings.orphaned_ms,
            budget=self._settings.crashes,
            stamp=stamp(wall_s),
            epoch=f"{wall_s:.6f}",
            obituary=obituary("The job was in nobody's hands; no crashes left in its budget."),
            suspects=list(suspects),
        )
        match answer[0]:
            case b"not_due":
                return out.NotDue(int(answer[1]))
            case b"rescued":
                return *(out.Rescued(*map(text_of, row)) for row in answer[1]), *_passed_over(answer[2])
            case _:
                raise unexpected("rescue", answer)

    def suspects(self) -> list[str]:
        """Give the ids of jobs on the next page of all records that may be in no place."""
        return Census(self._scripts.redis, patience_ms=self._settings.orphaned_ms).suspects()

    def promote(self, *, every_ms: int, goes_on: bool = False) -> out.Promoted | out.NotDue:
        """Put at most a batch of due jobs in line."""
        answer = self._scripts.call(
            "promote",
            every_ms=every_ms,
            goes_on=int(goes_on),
            most=self.batch,
            stamp=stamp(self._clock.wall_s()),
        )
        match answer[0]:
            case b"not_due":
                return out.NotDue(int(answer[1]))
            case b"promoted":
                return out.Promoted(int(answer[1]), int(answer[2]))
            case _:
                raise unexpected("promote", answer)


def _passed_over(rows: list[list[Any]]) -> Iterator[out.PassedOver]:
    for job_id, why in rows:
        yield out.PassedOver(text_of(job_id), text_of(why))


def _row(row: list[Any]) -> out.Reclaimed:
    word, queue, job_id, execution, fence, worker, late_ms = map(text_of, row)
    return out.Reclaimed(word, queue, job_id, execution, int(fence), worker, int(late_ms))
