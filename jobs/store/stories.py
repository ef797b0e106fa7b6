"""One job: what a person is told of it."""

from __future__ import annotations

import json
import pickletools
import re
import zlib
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.state import Status
from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import server_ms, shown
from holdfast.jobs.store.records import journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis
    from redis.client import Pipeline

#: What a person finds among the failed.
DEAD = {Status.FAILED, Status.STOPPED, Status.CANCELED}
#: How far into a line a job is looked for.
FAR = 10_000
#: RQ's numbers for the types of its results.
_RESULTS = {"1": "successful", "2": "failed", "3": "stopped", "4": "retried", "5": "max retries exceeded"}
#: A line of the journal is written by the hot path, with spaces between names that may have some of their own. So it is
#: read from what has none: the last word of what names a queue or a job, the last execution of what names a worker.
_ENDS_WITH_A_WORD = frozenset({"enqueue", "promote", "released"})
_OF_PEOPLE = frozenset({"requeue", "resolve"})
_BY_EXECUTION = re.compile(r"(?P<who>.*) (?P<detail>[0-9a-f]{32}(?: .*)?)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A line of a job's journal."""

    at_ms: int
    move: str
    who: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """An outcome as RQ keeps it. Moments in ms; begun and ended are the worker's, `at_ms` the server's."""

    at_ms: int
    kind: str
    worker: str
    execution: str
    begun_ms: int | None
    ended_ms: int | None
    #: The traceback, where there is one.
    error: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The marker of an effect."""

    name: str
    #: intent: meant, and not said whether done; done.
    state: str
    #: Of the execution that meant it.
    fence: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that is on record of a job. Moments in ms by the server's clock."""

    job_id: str
    now_ms: int
    record: dict[bytes, bytes]
    moves: tuple[Move, ...]
    results: tuple[Result, ...]
    marks: tuple[Mark, ...]
    #: Until when it is leased, or None.
    deadline_ms: int | None
    #: When it is due, or None.
    due_ms: int | None
    #: Its place in line, from 0; None where it is not, or is further back than 10,000.
    place: int | None
    #: How many are in its line.
    in_line: int
    #: The jobs it waits for, with their statuses; "gone" for one without a record.
    waits_for: dict[str, str]

    def said(self, field: str) -> str:
        """Give a field of the record as text; empty if it has none."""
        return shown(self.record.get(field.encode(), b""))

    @property
    def has_ended(self) -> bool:
        """Whether it failed, was stopped or was canceled: what a person may put in line again."""
        return self.said("status") in DEAD

    @property
    def doubts(self) -> tuple[str, ...]:
        """Effects that may or may not have taken place: meant, and nobody is at it."""
        is_held = self.deadline_ms is not None
        return () if is_held else tuple(mark.name for mark in self.marks if mark.state == "intent")


def marks_of(fields: Mapping[bytes, bytes | None]) -> Iterator[Mark]:
    """Read the markers of effects among the fields of a record, in order."""
    for field, value in sorted(fields.items()):
        name = shown(field).removeprefix(keys.effect_field(""))
        if value and (found := re.match(rb"(\w+) (\d+)", value)):
            yield Mark(name=name, state=found[1].decode(), fence=found[2].decode())


def tell(redis: Redis, job_id: str) -> Story | None:
    """Read all that is on record of a job; None where there is no record."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(keys.job(job_id))
        pipe.xrevrange(keys.results(job_id), count=20)
        pipe.smembers(keys.dependencies(job_id))
        told, record, results, parents = pipe.execute()
    if not record:
        return None
    with redis.pipeline(transaction=False) as pipe:
        _ask_where(pipe, job_id, record)
        for parent in sorted(parents):
            pipe.hget(keys.job("").encode() + parent, "status")
        deadline_ms, due_s, place, length, *statuses = pipe.execute()
    waits_for = {
        shown(parent): shown(status or b"gone") for parent, status in zip(sorted(parents), statuses, strict=True)
    }
    effects = {field: value for field, value in record.items() if field.startswith(keys.effect_field("").encode())}
    return Story(
        job_id=job_id,
        now_ms=server_ms(told),
        record=record,
        moves=tuple(_move(line) for line in journal(record)),
        results=tuple(_result(entry, fields) for entry, fields in reversed(results)),
        marks=tuple(marks_of(effects)),
        deadline_ms=None if deadline_ms is None else int(deadline_ms),
        due_ms=None if due_s is None else int(due_s * 1000),
        place=place,
        in_line=length,
        waits_for=waits_for,
    )


def _ask_where(pipe: Pipeline, job_id: str, record: dict[bytes, bytes]) -> None:
    origin = shown(record.get(b"origin", b""))
    leased_in = shown(record.get(b"hf_lease_queue", b"")) or origin
    pipe.zscore(keys.leases(leased_in), f"{job_id}:{shown(record.get(b'hf_lease', b''))}")
    pipe.zscore(keys.scheduled(origin), job_id)
    pipe.lpos(keys.queue(origin), job_id, maxlen=FAR)
    pipe.llen(keys.queue(origin))


def _move(line: str) -> Move:
    _, at_ms, move, said = line.split(" ", 3)
    if move in _ENDS_WITH_A_WORD:
        who, _, detail = said.rpartition(" ")
    elif move not in _OF_PEOPLE and (found := _BY_EXECUTION.fullmatch(said)):
        who, detail = found["who"], found["detail"]
    else:
        who, _, detail = said.partition(" ")
    return Move(at_ms=int(at_ms), move=move, who=who, detail=detail)


def _result(entry: bytes, fields: dict[bytes, bytes]) -> Result:
    def said(name: str) -> str:
        return shown(fields.get(name.encode(), b""))

    def seconds(name: str) -> int | None:
        return round(float(said(name)) * 1000) if said(name) else None

    return Result(
        at_ms=int(entry.split(b"-")[0]),
        kind=_RESULTS.get(said("type"), said("type")),
        worker=said("worker_name"),
        execution=said("execution_id"),
        begun_ms=seconds("execution_started_at"),
        ended_ms=seconds("execution_ended_at"),
        error=_unpacked(said("exc_string")),
    )


def _unpacked(text: str) -> str:
    return shown(zlib.decompress(b64decode(text))) if text else ""


def decode_call(record: dict[bytes, bytes], serializer: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Read what a job calls: function, arguments, keyword arguments. Raises whatever the serializer does.

    Unpickling runs what the producer wrote, as a worker would.
    """
    name, _, args, kwargs = _read_data(record, serializer)
    return name, tuple(args), dict(kwargs)


def function_of(record: dict[bytes, bytes]) -> str:
    """Read the name of the function that a job calls from a pickle or JSON, and run nothing; empty if it is neither."""
    data = _data_of(record)
    with suppress(IndexError, TypeError, ValueError):
        if data.startswith(b"["):
            return str(json.loads(data)[0])
        # The first text in it: RQ writes the name before all else.
        return next((str(said) for code, said, _ in pickletools.genops(data) if "UNICODE" in code.name), "")
    return ""


def why_foreign(record: dict[bytes, bytes], serializer: Any) -> str:
    """Say why a job's data was not written by this serializer; empty if it was, as far as can be seen here."""
    try:
        _read_data(record, serializer)
    except (AttributeError, ImportError):  # what it names is not installed here: it was read so far
        return ""
    except Exception as error:  # noqa: BLE001 - a serializer may raise anything
        return str(error) or type(error).__name__
    return ""


def _read_data(record: dict[bytes, bytes], serializer: Any) -> tuple[Any, Any, Any, Any]:
    name, instance, args, kwargs = serializer.loads(_data_of(record))
    return name, instance, args, kwargs


def _data_of(record: dict[bytes, bytes]) -> bytes:
    data = record.get(b"data", b"")
    with suppress(zlib.error):  # older records are not compressed
        data = zlib.decompress(data)
    return data
