"""Who is measured: every system and mode, with the settings it is given and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Whom the others are compared with.
BASE = "rq.Worker"


ALL = frozenset({"enqueue", "drain", "latency", "wire", "recovery"})


@dataclass(frozen=True)
class System:
    """One line of each table."""

    name: str
    #: The file in adapters/, and the mode it is told.
    adapter: str
    mode: str = ""
    #: Added to the environment of its workers.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Where its packages are installed: requirements/<this>.txt.
    environment: str = "own"
    #: What its configuration is, beyond its defaults.
    words: str = ""
    #: About how many jobs a worker finishes in a second; after the first round, what it did is known.
    guess: int = 1000
    #: What is measured of it: all of it, unless it says less.
    measures: frozenset[str] = ALL


def _floor(batch: int, guess: int) -> System:
    words = f"one Lua script settles {batch} and claims {batch} a trip; nothing else"
    return System(
        f"floor, {batch} a trip", "floor", str(batch), words=words, guess=guess, measures=ALL - {"latency", "recovery"}
    )


FORK = {"HOLDFAST_JOBS_PER_HORSE": "1"}
MANY = {"HOLDFAST_JOBS_PER_HORSE": "1000"}
PREFETCH = {**MANY, "HOLDFAST_PREFETCH": "32"}


def _ours(name: str, settings: Mapping[str, str], words: str, guess: int) -> System:
    measures = ALL | {"growth"}
    return System(name, "holdfast", "Queue", settings, words=words, guess=guess, measures=measures)


SYSTEMS: tuple[System, ...] = (
    _ours("holdfast, fork per job", FORK, "a fork for each job, as RQ", 100),
    _ours("holdfast, many jobs a horse", MANY, "a fork each 1,000 jobs", 800),
    _ours("holdfast, prefetch", PREFETCH, "a fork each 1,000 jobs, up to 32 in hand", 2_000),
    System(
        "rq.Queue to holdfast, fork per job",
        "holdfast",
        "rq.Queue",
        FORK,
        words="jobs of a plain rq.Queue",
        measures=frozenset({"latency"}),
    ),
    System(BASE, "rq", "Worker", words="its own defaults; for recovery Retry and the shortest intervals", guess=85),
    System("rq.SimpleWorker", "rq", "SimpleWorker", words="no fork; the same intervals", guess=350),
    System(
        "celery", "celery", environment="celery", words="acks_late, results, prefork of 1, visible after 5 s", guess=700
    ),
    System("dramatiq", "dramatiq", environment="dramatiq", words="8 threads, silent after 10 s", guess=2000),
    System("huey", "huey", environment="huey", words="one thread", guess=2300),
    System("saq", "saq", environment="saq", words="10 at a time, job heartbeat of 10 s, sweep each 5 s", guess=1700),
    System("arq", "arq", environment="arq", words="16 at a time, polls each 10 ms, timeout 15 s", guess=500),
    System(
        "taskiq stream", "taskiq", "stream", environment="taskiq", words="acknowledged, results, idle 5 s", guess=1900
    ),
    System("taskiq list", "taskiq", "list", environment="taskiq", words="no acknowledgement, no results", guess=3000),
    System("streaq", "streaq", environment="streaq", words="16 at a time, idle after 2 s", guess=1300),
    _floor(1, 7_000),
    _floor(10, 40_000),
    _floor(100, 80_000),
)
