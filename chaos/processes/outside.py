"""The world outside Redis, as files that survive whatever kills a worker: what ran, and which effects took place."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from holdfast.chaos.history import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Nothing is unique: the world would act twice if it were asked twice, and that is what must be seen.
_ACTS = """
CREATE TABLE acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    us INTEGER NOT NULL,
    who TEXT NOT NULL,
    job TEXT NOT NULL,
    execution TEXT NOT NULL,
    fence INTEGER NOT NULL,
    key TEXT NOT NULL
)
"""
#: A worker may be stopped by SIGSTOP while it holds the database.
_LOCK_S = 30


def now_us() -> int:
    """Tell the time of a run's evidence: one clock for all processes, and no fault makes it wrong."""
    return time.monotonic_ns() // 1_000


class Outside:
    """The files of one run. Any process may write at any time; times are of the machine's monotonic clock, in us."""

    def __init__(self, folder: Path) -> None:
        self._lines = folder / "outside.jsonl"
        self._acts = folder / "acts.db"
        self._failures = folder / "failures"

    def make(self) -> None:
        """Make the files of a new run."""
        self._failures.mkdir()
        self._lines.touch()
        with closing(sqlite3.connect(self._acts)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_ACTS)

    def note(self, who: str, did: str, job: str, execution: str, fence: int) -> None:
        """Append one line, in one write, so that lines of many processes do not mix."""
        line = Line(now_us(), who, did, job, execution, fence)
        file = os.open(self._lines, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, json.dumps(asdict(line)).encode() + b"\n")
        finally:
            os.close(file)

    def act(self, who: str, job: str, execution: str, fence: int, key: str) -> None:
        """Make an effect: it has taken place when this returns, and may have when it raises."""
        with self._database() as connection:
            connection.execute(
                "INSERT INTO acts (us, who, job, execution, fence, key) VALUES (?, ?, ?, ?, ?, ?)",
                (now_us(), who, job, execution, fence, key),
            )

    def has_acted(self, key: str) -> bool:
        """Tell whether an effect has taken place under this key."""
        with self._database() as connection:
            return bool(connection.execute("SELECT 1 FROM acts WHERE key = ? LIMIT 1", (key,)).fetchone())

    def fail_again(self, job: str, times: int) -> bool:
        """Count one more failure of a job, and tell whether it is among its first so many."""
        file = os.open(self._failures / job, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, b".")
            return os.fstat(file).st_size <= times
        finally:
            os.close(file)

    def lines(self) -> Iterator[Line]:
        """Give all that was noted, and every act."""
        with self._lines.open("rb") as file:
            yield from (Line(**json.loads(line)) for line in file if line.endswith(b"\n"))
        with self._database() as connection:
            for us, *rest, key in connection.execute("SELECT us, who, job, execution, fence, key FROM acts"):
                who, job, execution, fence = rest
                yield Line(us, who, "act", job, execution, fence, key)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        # One for each call: workers fork, and an SQLite connection must not cross a fork.
        with closing(sqlite3.connect(self._acts, timeout=_LOCK_S)) as connection, connection:
            # What a killed process wrote is kept by the page cache; nobody cuts the power here.
            connection.execute("PRAGMA synchronous = OFF")
            yield connection
