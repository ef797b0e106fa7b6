"""Looks through all job records, a page at a time, for jobs that seem to be in no place.

It only suspects; the script `rescue` looks again, and decides. No script ever scans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis
    from redis.client import Pipeline

#: How many keys are looked at in one pass.
PAGE = 1_000
#: How many ids a pass takes from each of the other places where suspects are.
_MOST = 100
#: Each costs the server a look through a whole line.
_MOST_IN_LINE = 20
_JOB = keys.job("").encode()
_QUEUE = keys.queue("").encode()


@dataclass(frozen=True)
class _Record:
    job_id: bytes
    status: bytes
    origin: bytes
    enqueued_at: bytes


class Census:
    """One page after the other; how far the fleet has come stands in Redis.

    Names are bytes here: anybody may have written a key that is no text, and its neighbours are looked at all the same.
    """

    def __init__(self, redis: Redis) -> None:
        # redis-py's types know nothing of decode_responses.
        self._redis: Any = redis

    def suspects(self) -> list[str]:
        """Look at the next page, and give the ids of jobs that may be in no place, each once."""
        cursor = int(self._redis.get(keys.sweep()) or 0)
        cursor, found = self._redis.scan(cursor, match=keys.job("*"), count=PAGE, _type="hash")
        self._redis.set(keys.sweep(), cursor)
        seen_before = self._redis.hscan(keys.orphans(), 0, count=_MOST)[1]
        ids = sorted(key.removeprefix(_JOB) for key in found)
        suspects = [*seen_before, *self._stranded(), *self._in_question(ids)]
        return [text_of(each) for each in dict.fromkeys(suspects)]

    def _stranded(self) -> list[bytes]:
        """Give what stock workers have taken and not begun."""
        names = sorted(key.removeprefix(_QUEUE) for key in self._redis.smembers(keys.queues()))
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.lrange(_spelled(keys.intermediate, name), 0, _MOST - 1)
            return [job_id for ids in ask_all(pipeline) for job_id in ids or ()]

    def _in_question(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        records = self._read(ids)
        yield from (each.job_id for each in records if each.status in {b"started", b"deferred"})
        yield from self._missed([each for each in records if each.status == b"scheduled"])
        queued = [each for each in records if each.status == b"queued"]
        heads = self._heads({each.origin for each in queued})
        passed_over = [each.job_id for each in queued if each.enqueued_at < heads[each.origin]]
        yield from passed_over[:_MOST_IN_LINE]

    def _read(self, ids: Sequence[bytes]) -> list[_Record]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hmget(_JOB + job_id, "status", "origin", "enqueued_at")
            return [
                _Record(job_id, status, origin, enqueued_at or b"")
                for job_id, answer in zip(ids, ask_all(pipeline), strict=True)
                for status, origin, enqueued_at in (answer or (None, None, None),)
                if status and origin
            ]

    def _missed(self, scheduled: Sequence[_Record]) -> Iterator[bytes]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for each in scheduled:
                pipeline.zscore(_spelled(keys.scheduled, each.origin), each.job_id)
            scores = ask_all(pipeline)
        yield from (each.job_id for each, score in zip(scheduled, scores, strict=True) if score is None)

    def _heads(self, queues: set[bytes]) -> dict[bytes, bytes]:
        """Tell since when the next job of each queue waits: one that waits for longer has been passed over, or is lost.

        An empty line has a head younger than all.
        """
        names = sorted(queues)
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.lindex(_QUEUE + name, 0)
            heads = ask_all(pipeline)
            for head in heads:
                pipeline.hget(_JOB + (head or b""), "enqueued_at")
            moments = ask_all(pipeline)
        return {
            name: (moment or b"") if head is not None else b"~"
            for name, head, moment in zip(names, heads, moments, strict=True)
        }


def ask_all(pipeline: Pipeline) -> list[Any]:
    """Ask all, and give None for what stands under a key of another type: it hides nothing but itself."""
    answers = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception) and not _is_of_another_type(answer):
            raise answer
    return [None if isinstance(answer, Exception) else answer for answer in answers]


def _is_of_another_type(error: Exception) -> bool:
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def _spelled(family: keys.Key, name: bytes) -> bytes:
    return family(name.decode(errors="surrogateescape")).encode(errors="surrogateescape")
