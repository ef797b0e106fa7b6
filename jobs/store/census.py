"""Looks through all job records, a page at a time, for jobs that seem to be in no place.

It only suspects; the script `rescue` looks again, and decides. No script ever scans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import server_ms, text_of
from holdfast.jobs.store.oddities import ask_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

#: How many keys are looked at in one pass.
PAGE = 1_000
#: How many ids a pass takes from each of RQ's intermediate lists.
_MOST = 100
#: To look for a job in its line the server walks through all of it. So many entries a pass, for all jobs together, are
#: a twentieth of its time; where lines are empty, as after somebody deleted one, nothing keeps jobs waiting.
_STEPS = 2_000_000
#: Where in line somebody is asked since when they wait.
_LANDMARKS = (0, 5_000)
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

    def __init__(self, redis: Redis, *, patience_ms: int) -> None:
        # redis-py's types know nothing of decode_responses.
        self._redis: Any = redis
        self._patience_ms = patience_ms

    def suspects(self) -> list[str]:
        """Look at the next page, and give the ids of jobs that may be in no place, each once."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(keys.sweep())
            pipeline.get(keys.second_look())
            pipeline.time()
            cursor, second, told = pipeline.execute()
            pipeline.scan(int(cursor or 0), match=keys.job("*"), count=PAGE, _type="hash")
            pipeline.hscan(keys.orphans(), int(second or 0), count=PAGE)
            (cursor, found), (second, seen) = pipeline.execute()
            pipeline.mset({keys.sweep(): cursor, keys.second_look(): second})
            pipeline.execute()
        now_ms = server_ms(told)
        due = [job_id for job_id, note in seen.items() if self._may_be_due(note, now_ms)]
        again = self._read(due)
        # Of these only the note is left, which the script then takes away.
        gone = set(due) - {each.job_id for each in again}
        ids = sorted(key.removeprefix(_JOB) for key in found)
        suspects = [*sorted(gone), *self._stranded(), *self._in_question(ids, again)]
        return [text_of(each) for each in dict.fromkeys(suspects)]

    def _may_be_due(self, note: bytes, now_ms: int) -> bool:
        """Tell whether what was seen in no place may be put back by now: a look before that would change nothing."""
        since = note.split(b" ", 1)[0]
        return not since.isdigit() or not 0 <= now_ms - int(since) < self._patience_ms

    def _stranded(self) -> list[bytes]:
        """Give what stock workers have taken and not begun."""
        names = sorted(key.removeprefix(_QUEUE) for key in self._redis.smembers(keys.queues()))
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.lrange(_spelled(keys.intermediate, name), 0, _MOST - 1)
            return [job_id for ids in ask_all(pipeline) for job_id in ids or ()]

    def _in_question(self, ids: Sequence[bytes], again: Sequence[_Record]) -> Iterator[bytes]:
        records = self._read(ids)
        yield from (each.job_id for each in records if each.status in {b"started", b"deferred"})
        yield from self._missed([each for each in records if each.status == b"scheduled"])
        queued = [each for each in records if each.status == b"queued"]
        heads, lengths = self._lines({each.origin for each in (*queued, *again)})
        passed_over = self._unknown([each for each in queued if each.enqueued_at < heads[each.origin]])
        # The oldest first: those that are in line are taken out of it, those that are lost remain.
        passed_over.sort(key=lambda each: each.enqueued_at)
        steps = 0
        for each in (*again, *passed_over):
            length = lengths[each.origin]
            if not steps or steps + length <= _STEPS:
                steps += length
                yield each.job_id

    def _unknown(self, records: Sequence[_Record]) -> list[_Record]:
        """Leave out what was seen in no place before: that is looked at again when its time has come."""
        if not records:
            return []
        notes = self._redis.hmget(keys.orphans(), [each.job_id for each in records])
        return [each for each, note in zip(records, notes, strict=True) if note is None]

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

    def _lines(self, queues: set[bytes]) -> tuple[dict[bytes, bytes], dict[bytes, int]]:
        """Tell since when the next jobs of each queue wait, and how many wait there.

        One that waits for longer was passed over, or is lost. An empty line has a head younger than all. In a long one
        somebody further back counts, too: what went to the front is younger than all behind it, which are not lost.
        """
        names = sorted(queues)
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                for place in _LANDMARKS:
                    pipeline.lindex(_QUEUE + name, place)
            marks = ask_all(pipeline)
            for mark in marks:
                pipeline.hget(_JOB + (mark or b""), "enqueued_at")
            moments = [moment or b"" for moment in ask_all(pipeline)]
            for name in names:
                pipeline.llen(_QUEUE + name)
            lengths = dict(zip(names, (length or 0 for length in ask_all(pipeline)), strict=True))
        since = {}
        for number, name in enumerate(names):
            first = number * len(_LANDMARKS)
            known = [moments[at] for at in range(first, first + len(_LANDMARKS)) if marks[at] is not None]
            since[name] = min(known, default=b"~")
        return since, lengths


def _spelled(family: keys.Key, name: bytes) -> bytes:
    return family(name.decode(errors="surrogateescape")).encode(errors="surrogateescape")
