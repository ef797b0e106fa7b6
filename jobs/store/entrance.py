"""The moves of app code: a job goes in, or many do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import unexpected
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.sizes import expiry_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.client import Pipeline

    from holdfast.jobs.store.batches import Batch
    from holdfast.jobs.store.scripts import Scripts, Word


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
