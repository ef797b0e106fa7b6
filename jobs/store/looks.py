"""What the fleet looks like from outside, read in three round trips that no number of jobs makes long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.store import keys, registry
from holdfast.jobs.store.answers import server_ms, shown
from holdfast.jobs.store.oddities import ask_past, moment_of, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis
    from redis.client import Pipeline

#: How many of a queue's failures are looked at one by one: the ones that are kept longest, so mostly the last.
CAUSES_READ = 100

_WORKER = (
    *("hostname", "pid", "state", "queues", "current_job", "last_heartbeat", "birth", "version"),
    *(registry.INSTANCE, registry.BEAT, registry.FALSE_STARTS),
)


@dataclass(frozen=True, kw_only=True)
class QueueLook:
    """Where the jobs of a queue are. Moments in ms by the server's clock."""

    name: str
    in_line: int
    leased: int
    #: Leases past their deadline: their worker is silent, and a reaper will take them back.
    overdue: int
    #: The first deadline there is, passed or not.
    first_deadline_ms: int | None
    scheduled: int
    due: int
    deferred: int
    #: Executions of stock workers.
    at_stock: int
    failed: int
    #: What the failed died of, or what else they are: cause -> how many, among `causes_read` of them.
    causes: dict[str, int]
    causes_read: int
    canceled: int
    finished: int


@dataclass(frozen=True, kw_only=True)
class WorkerLook:
    """What a worker says of itself."""

    name: str
    host: str
    pid: int
    state: str
    queues: tuple[str, ...]
    job_id: str
    is_ours: bool
    #: Of RQ.
    version: str
    #: How long ago it said that it lives, in ms, at the least. For a stock worker also as long as its clock is behind.
    silent_ms: int | None
    #: How many horses in a row ended before they began a job.
    false_starts: int = 0


@dataclass(frozen=True, kw_only=True)
class ChoreLook:
    """When the fleet does a chore. Moments in ms by the server's clock; None: never yet."""

    name: str
    last_ms: int | None
    due_ms: int | None


@dataclass(frozen=True, kw_only=True)
class ServerLook:
    """The server, as it says itself."""

    version: str
    memory_bytes: int
    memory_most_bytes: int
    maxmemory_policy: str
    #: Why it refuses writes now, by its own word; empty if it says none.
    refuses_writes: str


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everything at one glance. The parts are read one after the other: jobs may move in between."""

    now_ms: int
    is_suspended: bool
    server: ServerLook
    queues: tuple[QueueLook, ...]
    workers: tuple[WorkerLook, ...]
    chores: tuple[ChoreLook, ...]
    #: Keys of another type than RQ's or ours: what stands there is not in the counts.
    unreadable: tuple[str, ...]


def look_at_fleet(redis: Redis, *, every_ms: Mapping[str, int]) -> Fleet:
    """Look at the whole fleet. `every_ms`: the chores by their names, and how often each is done."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.exists(keys.suspended())
        pipe.info()
        pipe.smembers(keys.queues())
        pipe.smembers(keys.leased())
        pipe.smembers(keys.workers())
        pipe.hget(keys.reaper(), "pass_ms")
        for chore in every_ms:
            pipe.get(keys.turn(chore))
        told, suspended, info, queue_keys, leased, worker_keys, passed, *turns = pipe.execute()
    now_ms = server_ms(told)
    names = _queue_names(queue_keys, leased)
    people = sorted(_names(worker_keys, keys.worker("")))
    queues, workers, unreadable = _look_closer(redis, names, people, now_ms)
    return Fleet(
        now_ms=now_ms,
        is_suspended=bool(suspended),
        server=_server(info),
        queues=queues,
        workers=workers,
        chores=tuple(_chores(every_ms, turns, passed)),
        unreadable=unreadable,
    )


def _names(found: set[bytes], prefix: str) -> Iterator[str]:
    for key in found:
        yield shown(key).removeprefix(prefix)


def read_queue_names(redis: Redis) -> list[str]:
    """Name every queue that RQ or a chore of ours knows, in order."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.smembers(keys.queues())
        pipe.smembers(keys.leased())
        return _queue_names(*pipe.execute())


def _queue_names(queue_keys: set[bytes], leased: set[bytes]) -> list[str]:
    return sorted({*_names(queue_keys, keys.queue("")), *map(shown, leased)})


def _server(info: dict[str, Any]) -> ServerLook:
    return ServerLook(
        version=str(info.get("valkey_version") or info.get("redis_version", "?")),
        memory_bytes=int(info.get("used_memory", 0)),
        memory_most_bytes=int(info.get("maxmemory", 0)),
        maxmemory_policy=str(info.get("maxmemory_policy", "")),
        refuses_writes=_why_no_writes(info),
    )


def _why_no_writes(info: dict[str, Any]) -> str:
    if info.get("role") == "slave":
        return "it is a replica (READONLY): ask its primary, or look why there is none"
    if info.get("aof_last_write_status", "ok") != "ok":
        return "its last write to the append-only file failed (MISCONF): look at its disk and log"
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return "its last save to disk failed (MISCONF, unless stop-writes-on-bgsave-error is no): see its disk and log"
    if info.get("min_slaves_good_slaves", 1) == 0:  # told only where min-replicas-to-write is set
        return "it has no replica that keeps up (NOREPLICAS), and min-replicas-to-write wants one: look at the replicas"
    return ""


def _chores(every_ms: Mapping[str, int], turns: list[bytes | None], passed: bytes | None) -> Iterator[ChoreLook]:
    for (name, interval_ms), turn in zip(every_ms.items(), turns, strict=True):
        due_ms = None if turn is None else number_of(turn)
        last_ms = None if due_ms is None else due_ms - interval_ms
        # Only the reaper writes down when it passed; a turn says the same of a fleet with these settings.
        if name == "reaper" and passed is not None:
            last_ms = number_of(passed)
        yield ChoreLook(name=name, last_ms=last_ms, due_ms=due_ms)


def _look_closer(
    redis: Redis, names: list[str], workers: list[str], now_ms: int
) -> tuple[tuple[QueueLook, ...], tuple[WorkerLook, ...], tuple[str, ...]]:
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            _ask_for_queue(pipe, name, now_ms)
        for worker in workers:
            pipe.hmget(keys.worker(worker), *_WORKER)
        answers = ask_past(pipe)
    asked_of = [family(name) for name in names for family in _ASKED] + [keys.worker(worker) for worker in workers]
    odd = {key: "" for key, answer in zip(asked_of, answers, strict=True) if isinstance(answer, Exception)}
    rest = iter(answers)
    asked = [[next(rest) for _ in _ASKED] for _ in names]
    seen = [_worker(worker, now_ms, next(rest)) for worker in workers]
    causes = _causes(redis, [[] if isinstance(answer[-1], Exception) else answer[-1] for answer in asked])
    queues = [_queue(name, answer, cause) for name, answer, cause in zip(names, asked, causes, strict=True)]
    return tuple(queues), tuple(worker for worker in seen if worker), tuple(odd)


#: Of which key each question is that `_ask_for_queue` asks.
_ASKED = (
    *(keys.queue, keys.leases, keys.leases, keys.leases, keys.scheduled, keys.scheduled, keys.deferred, keys.wip),
    *(keys.failed, keys.canceled, keys.finished, keys.failed),
)


def _ask_for_queue(pipe: Pipeline, name: str, now_ms: int) -> None:
    pipe.llen(keys.queue(name))
    pipe.zcard(keys.leases(name))
    pipe.zcount(keys.leases(name), "-inf", now_ms)
    pipe.zrange(keys.leases(name), 0, 0, withscores=True)
    pipe.zcard(keys.scheduled(name))
    pipe.zcount(keys.scheduled(name), "-inf", now_ms / 1000)
    pipe.zcard(keys.deferred(name))
    pipe.zcard(keys.wip(name))
    # RQ's registries keep what is over until somebody cleans them.
    pipe.zcount(keys.failed(name), now_ms / 1000, "+inf")
    pipe.zcard(keys.canceled(name))
    pipe.zcount(keys.finished(name), now_ms / 1000, "+inf")
    pipe.zrevrange(keys.failed(name), 0, CAUSES_READ - 1)


def _queue(name: str, answer: list[Any], causes: Counter[str]) -> QueueLook:
    read: list[Any] = [0 if isinstance(each, Exception) else each for each in answer]
    in_line, leased, overdue, first, scheduled, due, deferred, wip, failed, canceled, finished, _ = read
    return QueueLook(
        name=name,
        in_line=in_line,
        leased=leased,
        overdue=overdue,
        first_deadline_ms=int(first[0][1]) if first else None,
        scheduled=scheduled,
        due=due,
        deferred=deferred,
        at_stock=max(0, wip - leased),
        failed=failed,
        causes=dict(causes.most_common()),
        causes_read=sum(causes.values()),
        canceled=canceled,
        finished=finished,
    )


def _causes(redis: Redis, failed: list[list[bytes]]) -> list[Counter[str]]:
    """Count, for each list of ids, what they died of."""
    with redis.pipeline(transaction=False) as pipe:
        for ids in failed:
            for job_id in ids:
                pipe.hmget(keys.job(job_id.decode(errors="replace")), "status", "hf_dead")
        answers = iter(ask_past(pipe))
    counted = []
    for ids in failed:
        records = [
            (b"failed", b"not readable") if isinstance(answer, Exception) else answer
            for answer in (next(answers) for _ in ids)
        ]
        counted.append(Counter(cause_of(status, dead) for status, dead in records if status))
    return counted


def cause_of(status: bytes | None, dead: bytes | None) -> str:
    """Name what a job in RQ's failed registry died of; `stock RQ`: it does not say."""
    if status == b"stopped":
        return "stopped"
    return shown(dead) if dead else "stock RQ"


def _worker(name: str, now_ms: int, record: Any) -> WorkerLook | None:
    if isinstance(record, Exception) or not any(record):  # gone, and still in the set of all
        return None
    said = {field: shown(value or b"") for field, value in zip(_WORKER, record, strict=True)}
    return WorkerLook(
        name=name,
        host=said["hostname"],
        pid=number_of(said["pid"]),
        state=said["state"],
        queues=tuple(said["queues"].split(",")),
        job_id=said["current_job"],
        is_ours=bool(said[registry.INSTANCE]),
        version=said["version"],
        silent_ms=_silence_ms(said, now_ms),
        false_starts=int(said[registry.FALSE_STARTS] or 0),
    )


def _silence_ms(said: Mapping[str, str], now_ms: int) -> int | None:
    if beat := said[registry.BEAT]:
        return registry.silence_ms(beat, now_ms)
    heard_ms = moment_of(said["last_heartbeat"].encode())
    return None if heard_ms is None else max(0, now_ms - heard_ms)
