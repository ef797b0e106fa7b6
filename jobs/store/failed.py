"""The failed of a queue, as a person is shown them and has them requeued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import server_ms, shown
from holdfast.jobs.store.looks import cause_of, read_queue_names
from holdfast.jobs.store.oddities import ask_all, ask_past, moment_of, number_of
from holdfast.jobs.store.stories import DEAD, FAR, marks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

#: How many of a queue's failed are put in order by their ends, at the least: RQ keeps them by when they are forgotten.
LOOKED_AT = 1_000
_LISTED = (
    *("status", "origin", "hf_lease", "hf_lease_queue"),
    *("hf_dead", "description", "ended_at", "hf_failures", "hf_crashes"),
)


@dataclass(frozen=True, kw_only=True)
class Dead:
    """A job among the failed of a queue, in a line of a list."""

    job_id: str
    queue: str
    #: What was called, as RQ describes it.
    what: str
    cause: str
    #: By the clock of who ended it, in ms; None where it does not say.
    ended_ms: int | None
    failures: int
    crashes: int
    #: Effects that may or may not have taken place.
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the failed of a queue."""

    dead: tuple[Dead, ...]
    #: All ids that were read: some may have no record any more, or be at work again.
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Newest(Page):
    """Those of a queue that ended last, the last first."""

    #: By the server's clock.
    now_ms: int
    #: How many there are, but for those that RQ has to forget by now.
    count: int
    #: How many of them were looked at: the ones that are kept longest.
    looked_at: int
    #: Why the queue's failed cannot be read; empty if they can.
    error: str = ""


def queues_with_failures(redis: Redis) -> list[str]:
    """Name the queues in whose failed registry there is something, also if it cannot be read, in order."""
    names = read_queue_names(redis)
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.zcard(keys.failed(name))
        counts = ask_past(pipe)
    return [name for name, count in zip(names, counts, strict=True) if count]


def count_failed(redis: Redis, queue: str) -> int:
    """Count what RQ's failed registry of a queue holds."""
    count: int = redis.zcard(keys.failed(queue))
    return count


def read_newest(redis: Redis, queue: str, *, most: int) -> Newest:
    """Read those of a queue's failed that ended last."""
    now_ms = server_ms(redis.time())
    with redis.pipeline(transaction=False) as pipe:
        pipe.zcount(keys.failed(queue), now_ms / 1000, "+inf")
        pipe.zrevrangebyscore(keys.failed(queue), "+inf", now_ms / 1000, start=0, num=max(most, LOOKED_AT))
        count, found = ask_past(pipe)
    if isinstance(count, Exception):
        error = f"{keys.failed(queue)} is not readable: {count}"
        return Newest(dead=(), ids=(), now_ms=now_ms, count=0, looked_at=0, error=error)
    ids = [shown(each) for each in found]
    with redis.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hget(keys.job(job_id), "ended_at")
        ends = [moment_of(each) if isinstance(each, bytes) else None for each in ask_past(pipe)]
    # Stable: where nothing is said of an end, the one that is kept longest comes first.
    order = sorted(zip(ids, ends, strict=True), key=lambda pair: pair[1] or 0, reverse=True)
    chosen = [job_id for job_id, _ in order[:most]]
    dead = tuple(_read(redis, queue, chosen))
    return Newest(dead=dead, ids=tuple(chosen), now_ms=now_ms, count=count, looked_at=len(ids))


def read_dead(redis: Redis, queue: str, *, start: int = 0, most: int) -> Page:
    """Read some of the failed of a queue, from the one that is forgotten first."""
    found: list[Any] = redis.zrange(keys.failed(queue), start, start + most - 1)
    ids = [shown(each) for each in found]
    return Page(dead=tuple(_read(redis, queue, ids)), ids=tuple(ids))


def read_named(redis: Redis, ids: Sequence[str]) -> dict[str, Dead]:
    """Read what is said of these, wherever they failed; what cannot be dead is left out."""
    return {each.job_id: each for each in _read(redis, "", ids)}


def _read(redis: Redis, queue: str, ids: Sequence[str]) -> list[Dead]:
    """Read what is said of these, but for those that have no record, have finished, or are elsewhere by now."""
    with redis.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), *_LISTED)
            pipe.hkeys(keys.job(job_id))
        answers = ask_past(pipe)
    records, names = answers[::2], [[] if isinstance(each, Exception) else each for each in answers[1::2]]
    marks = [[name for name in fields if name.startswith(keys.effect_field("").encode())] for fields in names]
    doubts = _read_doubts(redis, ids, marks)
    elsewhere = _elsewhere(redis, dict(zip(ids, records, strict=True)))
    return [
        _dead(job_id, queue, record, doubt)
        for job_id, record, doubt in zip(ids, records, doubts, strict=True)
        if isinstance(record, Exception) or (record[0] and record[0] != b"finished" and job_id not in elsewhere)
    ]


def _elsewhere(redis: Redis, records: dict[str, Any]) -> set[str]:
    """Give those that somebody enqueued again: RQ leaves them among the failed.

    A status alone is not enough, an app may save another over it: they must stand somewhere, or be in hand.
    """
    asked = [
        (job_id, [shown(each or b"") for each in record[:4]])
        for job_id, record in records.items()
        if not isinstance(record, Exception)
    ]
    asked = [(job_id, said) for job_id, said in asked if said[0] not in DEAD]
    with redis.pipeline(transaction=False) as pipe:
        for job_id, (_, origin, lease, lease_queue) in asked:
            pipe.lpos(keys.queue(origin), job_id, maxlen=FAR)
            pipe.zscore(keys.scheduled(origin), job_id)
            pipe.zscore(keys.deferred(origin), job_id)
            pipe.zscore(keys.leases(lease_queue or origin), f"{job_id}:{lease}")
            pipe.zcard(keys.executions(job_id))
        answers = ask_all(pipe)
    return {
        job_id
        for number, (job_id, _) in enumerate(asked)
        if any(each is not None for each in answers[number * 5 : number * 5 + 4]) or answers[number * 5 + 4]
    }


def _read_doubts(redis: Redis, ids: Sequence[str], marks: list[list[bytes]]) -> list[tuple[str, ...]]:
    with redis.pipeline(transaction=False) as pipe:
        for job_id, fields in zip(ids, marks, strict=True):
            if fields:
                pipe.hmget(keys.job(job_id), *fields)
        answers = iter(pipe.execute())
    found = [dict(zip(fields, next(answers), strict=True)) if fields else {} for fields in marks]
    return [tuple(mark.name for mark in marks_of(fields) if mark.state == "intent") for fields in found]


def _dead(job_id: str, queue: str, record: Any, doubts: tuple[str, ...]) -> Dead:
    if isinstance(record, Exception):
        record = [b"failed", b"", b"", b"", b"not readable", str(record).encode(), None, None, None]
    status, _, _, _, cause, what, ended, failures, crashes = record
    return Dead(
        job_id=job_id,
        queue=queue,
        what=shown(what or b""),
        cause=cause_of(status, cause),
        ended_ms=moment_of(ended),
        failures=number_of(failures),
        crashes=number_of(crashes),
        doubts=doubts,
    )
