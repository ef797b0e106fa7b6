"""Fills the history of a run from what is there to see: the moves, the logs, the files, and Redis at the end."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from rq.job import Job
from rq.results import Result

from holdfast.chaos.history import History, Line, Place, move_of
from holdfast.chaos.processes.logs import Log
from holdfast.chaos.processes.outside import now_us
from holdfast.chaos.processes.workload import QUEUES
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from redis import Redis

    from holdfast.chaos.history import Move
    from holdfast.chaos.processes.family import Family
    from holdfast.chaos.processes.outside import Outside

_SETS = ("leases", "wip", "scheduled", "finished", "failed", "deferred", "canceled")
_BATCH = 2_000
#: After the server did not answer, until it is asked again: whoever asks also heals it.
_REST_S = 0.5


class Evidence:
    """A history in the making. Times of its lines are in us from the start of the run."""

    def __init__(self, redis: Redis, outside: Outside) -> None:
        self.history = History()
        self.started_us = now_us()
        #: The same moment by the wall clock, which moves are stamped by.
        self.started_ms = time.time_ns() // 1_000_000
        self._redis = redis
        self._outside = outside
        self._logs: dict[str, Log] = {}
        self._seen = "0"
        self._rest_until = 0.0
        #: How many entries the server says it ever added to the stream, where it says so.
        self.moves_made: int | None = None

    def now_us(self) -> int:
        """Tell the time of the run."""
        return now_us() - self.started_us

    def note(self, who: str, did: str, job: str = "", **more: object) -> None:
        """Write a line at this moment."""
        self.history.note(self.now_us(), who, did, job, **more)

    def look(self, families: Iterable[Family]) -> None:
        """Take in what was said and done since the last look; what cannot be read now is read later."""
        for family in families:
            log = self._logs.setdefault(family.name, Log(family))
            for said in log.news():
                self.note(log.who, said.did, said.job, execution=said.execution, fence=said.fence, detail=said.detail)
        if time.monotonic() >= self._rest_until:
            try:
                while self._hear() == _BATCH:
                    pass
            except (RedisError, OSError):
                self._rest_until = time.monotonic() + _REST_S

    def _hear(self) -> int:
        answer: Any = self._redis.xread({keys.moves(): self._seen}, count=_BATCH)
        entries = answer[0][1] if answer else []
        for self._seen, entry in entries:
            self.history.moves.append(move_of(entry))
        return len(entries)

    def on_record(self) -> list[Move]:
        """Give the moves that the server still knows of."""
        entries: Any = self._redis.xrange(keys.moves())
        return [move_of(entry) for _, entry in entries]

    def open_of(self, jobs: Iterable[str]) -> dict[str, bool]:
        """Give those of these jobs that have not come to their end, and whether each has a record.

        Raises RedisError while the server is away.
        """
        asked = list(jobs)
        with self._redis.pipeline(transaction=False) as pipe:
            for job in asked:
                pipe.hget(keys.job(job), "status")
            answers = pipe.execute()
        over = {b"finished", b"failed", b"stopped", b"canceled"}
        return {job: status is not None for job, status in zip(asked, answers, strict=True) if status not in over}

    def last_words(self, jobs: Iterable[str]) -> dict[str, list[str]]:
        """Give what RQ's own results say of each failure of these jobs, the last first."""
        results = {job: Result.all(Job(job, connection=self._redis)) for job in jobs}
        return {job: [each.exc_string or "" for each in found] for job, found in results.items()}

    def close(self, families: Iterable[Family], known: set[str]) -> History:
        """Take in the rest, once nothing moves any more, and give the whole history."""
        self._rest_until = 0.0
        self.look(families)
        self.history.lines += [_since(line, self.started_us) for line in self._outside.lines()]
        self.history.lines.sort(key=lambda line: line.us)
        self._look_around(known)
        if self._redis.exists(keys.moves()):
            about: Any = self._redis.xinfo_stream(keys.moves())
            self.moves_made = about.get("entries-added")
        return self.history

    def _look_around(self, known: set[str]) -> None:
        """Write down where everything is."""
        where: dict[str, list[str]] = {}
        for queue in QUEUES:
            in_line: Any = self._redis.lrange(keys.queue(queue), 0, -1)
            # Where a stock worker that takes from one queue keeps a job until it has begun with it.
            between: Any = self._redis.lrange(f"{keys.queue(queue)}:intermediate", 0, -1)
            for place, members in (("line", in_line), ("intermediate", between)):
                for member in members:
                    where.setdefault(member.decode(), []).append(place)
            for place in _SETS:
                entries: Any = self._redis.zrange(keys.FAMILIES[place](queue), 0, -1)
                for entry in entries:
                    where.setdefault(entry.decode().split(":")[0], []).append(place)
        for job in sorted(known | set(where)):
            record: Any = self._redis.hgetall(keys.job(job))
            if record:
                self.history.final[job] = place_of(record, where.get(job, []))
            elif job in where:
                self.history.ghosts.append(f"{job} in {where[job]}")


def place_of(record: dict[bytes, bytes], places: Iterable[str]) -> Place:
    """Read a job's record."""
    return Place(
        status=record.get(b"status", b"").decode(),
        places=tuple(sorted(places)),
        ended=record.get(b"hf_ended", b"").decode(),
        dead=record.get(b"hf_dead", b"").decode(),
        executions=int(record.get(b"hf_executions", 0)),
        crashes=int(record.get(b"hf_crashes", 0)),
        failures=int(record.get(b"hf_failures", 0)),
    )


def write(history: History, path: Path) -> None:
    """Write a history as history.jsonl: lines, moves in the server's order, and where each job ended."""
    with path.open("w", encoding="utf-8") as file:
        for line in history.lines:
            file.write(json.dumps({"line": asdict(line)}) + "\n")
        for move in history.moves:
            file.write(json.dumps({"move": asdict(move)}) + "\n")
        for job, place in sorted(history.final.items()):
            file.write(json.dumps({"final": job, **asdict(place)}) + "\n")
        for ghost in history.ghosts:
            file.write(json.dumps({"ghost": ghost}) + "\n")


def _since(line: Line, started_us: int) -> Line:
    return Line(line.us - started_us, line.who, line.did, line.job, line.execution, line.fence, line.detail)
