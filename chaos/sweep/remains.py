"""What is on a server when a case is over: where each job stands, and what should be gone and is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.chaos.processes.evidence import place_of
from holdfast.chaos.sweep.boundaries import family_of
from holdfast.jobs.state import Status
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

    from holdfast.chaos.history import Place

_SETS = ("leases", "wip", "scheduled", "finished", "failed", "deferred", "canceled")
_ENDED = {Status.FINISHED, Status.FAILED, Status.STOPPED, Status.CANCELED}
#: Keys that exist while something is under way, and not when nothing is.
_OF_WORK = {
    "queue",
    "intermediate",
    "scheduled",
    "leases",
    "held",
    "wip",
    "execution",
    "executions",
    "aftermath",
    "ghosts",
    "dedupe",
}
#: What remains of a job whose record is not kept.
TOMBSTONE = "tombstone"


def places(redis: Redis, queues: Sequence[str], jobs: Sequence[str]) -> dict[str, Place | None]:
    """Tell of each job where it stands, all at one moment; None for one without a record."""
    with redis.pipeline() as pipe:
        for queue in queues:
            pipe.lrange(keys.queue(queue), 0, -1)
            for family in _SETS:
                pipe.zrange(keys.FAMILIES[family](queue), 0, -1)
        for job in jobs:
            pipe.hgetall(keys.job(job))
        answers = pipe.execute()
    names = ["line", *_SETS] * len(queues)
    standing = [(name, each.decode().split(":")[0]) for name, ids in zip(names, answers, strict=False) for each in ids]
    records = zip(jobs, answers[len(names) :], strict=True)
    return {
        job: place_of(record, [name for name, each in standing if each == job]) if record else None
        for job, record in records
    }


def is_at_rest(found: Iterable[Place | None]) -> bool:
    """Tell whether nothing is under way: each job has ended, or waits for one that will never succeed."""
    return all(
        place is None
        or (place.status in _ENDED and not set(place.places) & {"line", "leases", "wip", "scheduled"})
        or (place.status == Status.DEFERRED and place.places == ("deferred",))
        for place in found
    )


def untold(redis: Redis, queues: Sequence[str]) -> dict[str, list[tuple[bytes, float]]]:
    """Give, by key, what is left to be told of the dead, and when that is due, in ms."""
    found = {}
    for queue in queues:
        entries: Any = redis.zrange(keys.aftermath(queue), 0, -1, withscores=True)
        if entries:
            found[keys.aftermath(queue)] = entries
    return found


def leftovers(redis: Redis, found: dict[str, Place | None]) -> tuple[str, ...]:
    """Name the keys of work that is over, and all that tells of a job without a record; a tombstone it must have."""
    gone = {job for job, place in found.items() if place is None}
    kept = {key.decode() for key in redis.scan_iter(count=1000)}
    left = {key for key in kept if family_of(key) in _OF_WORK}
    for job in gone:
        left |= {key for key in kept if job in key.split(":") and family_of(key) != TOMBSTONE}
        if keys.tombstone(job) not in kept:
            left.add(f"no {keys.tombstone(job)}")
    left |= {key for key in kept if family_of(key) == TOMBSTONE and key.split(":")[-1] not in gone}
    return tuple(sorted(left))
