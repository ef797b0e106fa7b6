"""The moves of nobody in particular: what the fleet does for all, and what app code does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import text_of, unexpected
from holdfast.jobs.store.census import Census
from holdfast.jobs.store.records import obituary, stamp
from holdfast.jobs.store.sizes import expiry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.client import Pipeline

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.batches import Batch
    from holdfast.jobs.store.scripts import Scripts, Word

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


class Placement(NamedTuple):
    """Where and when a new job goes."""

    queue: str
    job_id: str
    #: Names this enqueue; a second sending under the same name changes nothing.
    op: str
    #: When it was asked for, in seconds by the producer's clock: what RQ's records say of it.
    asked_s: float
    at_front: bool = False
    #: Seconds it may wait in line, or None for ever.
    ttl: int | None = None
    #: When it is due in ms by the server's clock, or None.
    due_ms: int | None = None
    #: How far from now it is due, in ms, or None.
    delay_ms: int | None = None
    #: Keeps a second job with the same key out for `key_horizon_ms`.
    key: str | None = None
    key_horizon_ms: int = 0
    #: Refuse an id that exists.
    unique: bool = False

    def named(self, fields: Sequence[Word]) -> dict[str, Word | Sequence[Word]]:
        """Spell it as the script's arguments."""
        return {
            "op": self.op,
            "queue_name": self.queue,
            "job_id": self.job_id,
            "at_front": int(bool(self.at_front)),  # apps give RQ None and words, too
            "ttl": expiry_of(self.ttl),
            "due_ms": "" if self.due_ms is None else self.due_ms,
            "delay_ms": "" if self.delay_ms is None else self.delay_ms,
            "key": self.key or "",
            "key_horizon_ms": self.key_horizon_ms,
            "unique": int(bool(self.unique)),
            "stamp": stamp(self.asked_s),
            "fields": list(fields),
        }


def read_placed(answer: list[Any]) -> out.Queued | out.Scheduled | out.Duplicate:
    """Read what enqueue answered. Raises RuntimeError for a word it does not know."""
    match answer[0]:
        case b"queued":
            return out.Queued(answer[1].decode())
        case b"scheduled":
            return out.Scheduled(answer[1].decode())
        case b"duplicate":
            return out.Duplicate(answer[1].decode())
        case _:
            raise unexpected("enqueue", answer)


class Entrance:
    """What app code does: it puts jobs in."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def enqueue(self, placement: Placement, fields: Sequence[Word]) -> out.Queued | out.Scheduled | out.Duplicate:
        """Write a job's record and put it where it belongs, in one round trip."""
        return read_placed(self._scripts.call("enqueue", **placement.named(fields)))

    def enqueue_many(self, batches: Sequence[Batch]) -> None:
        """Put new jobs in line, each batch whole, one behind the other.

        The jobs of a batch that may not be new, or that came before, go one by one in a round trip of their own.
        """
        answers = self._scripts.taught("enqueue_many", lambda: self._flow(batches))
        for batch, answer in zip(batches, answers, strict=True):
            if answer[0] == b"known":
                self._scripts.taught("enqueue", lambda batch=batch: self._one_by_one(batch))  # type: ignore[misc]
            elif answer[0] != b"queued":
                raise unexpected("enqueue_many", answer)

    def _flow(self, batches: Sequence[Batch]) -> list[list[Any]]:
        return list(self._scripts.flow("enqueue_many", (batch.named() for batch in batches)))

    def _one_by_one(self, batch: Batch) -> list[list[Any]]:
        pipeline: Pipeline
        with self._scripts.redis.pipeline(transaction=False) as pipeline:
            for named in batch.one_by_one():
                self._scripts.add_to(pipeline, "enqueue", **named)
            return pipeline.execute()
