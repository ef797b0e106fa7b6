"""Who is measured: every system and mode, with the settings it is given and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Whom the others are compared with.
BASE = "rq.Worker"
ALL = frozenset({"enqueue", "drain", "logged", "latency", "wire", "recovery"})
#: Of those that are neither ours, nor the base, nor the three quickest that are neither.
MOST = ALL - {"logged"}


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
    #: By what a killed worker's job comes back, and what that asks of other jobs.
    recovers: str = ""
    #: About how many jobs a worker finishes in a second; after the first round, what it did is known.
    guess: int = 1000
    #: What is measured of it: all of it, unless it says less.
    measures: frozenset[str] = MOST


def _floor(batch: int, guess: int) -> System:
    words = f"one Lua script settles {batch} and claims {batch} a trip; nothing else"
    return System(
        f"floor, {batch} a trip", "floor", str(batch), words=words, guess=guess, measures=MOST - {"latency", "recovery"}
    )


#: The three modes.
FORK = {"HOLDFAST_JOBS_PER_HORSE": "1"}
MANY = {"HOLDFAST_JOBS_PER_HORSE": "10000"}
PREFETCH = {**MANY, "HOLDFAST_PREFETCH": "100"}


def _ours(name: str, settings: Mapping[str, str], words: str, guess: int) -> System:
    measures, recovers = ALL | {"growth"}, "a lease of 10 s, renewed while the worker lives"
    return System(name, "holdfast", "Queue", settings, words=words, recovers=recovers, guess=guess, measures=measures)


SYSTEMS: tuple[System, ...] = (
    _ours("holdfast, fork per job", FORK, "a fork for each job, as RQ", 100),
    _ours("holdfast, many jobs a horse", MANY, "a fork each 10,000 jobs", 1_000),
    _ours("holdfast, prefetch", PREFETCH, "a fork each 10,000 jobs, up to 100 in hand", 4_000),
    System(
        "rq.Queue to holdfast, fork per job",
        "holdfast",
        "rq.Queue",
        FORK,
        words="jobs of a plain rq.Queue",
        measures=frozenset({"latency"}),
    ),
    System(
        BASE,
        "rq",
        "Worker",
        words="looks after the dead each 5 s; jobs have Retry where one is killed",
        recovers="Retry, and a heartbeat whose minute cannot be made shorter",
        guess=100,
        measures=ALL,
    ),
    System(
        "rq.SimpleWorker",
        "rq",
        "SimpleWorker",
        words="no fork; looks after the dead each 5 s",
        recovers="Retry, after the job's timeout: it sends no heartbeat during a job",
        guess=500,
    ),
    System(
        "celery",
        "celery",
        environment="celery",
        words="acks_late, results, prefork pool of 1, no gossip, mingle or heartbeat",
        recovers="a visibility timeout of 5 s, not renewed: a longer job is run twice",
        guess=700,
    ),
    System(
        "dramatiq",
        "dramatiq",
        environment="dramatiq",
        words="8 threads, no results, 5% of requests do maintenance",
        recovers="a heartbeat of the worker, 10 s",
        guess=2_000,
    ),
    System(
        "huey",
        "huey",
        environment="huey",
        words="1 thread",
        recovers="nothing: a job is taken off the list before it is run",
        guess=6_000,
        measures=ALL,
    ),
    System(
        "saq",
        "saq",
        environment="saq",
        words="10 at a time",
        recovers="a heartbeat of 10 s that the job itself sends, and a sweep each 5 s",
        guess=2_500,
    ),
    System(
        "arq",
        "arq",
        environment="arq",
        words="16 at a time, polls each 10 ms",
        recovers="a job timeout of 15 s, + 10 s: a longer job is cancelled",
        guess=2_000,
    ),
    System(
        "taskiq stream",
        "taskiq",
        "stream",
        environment="taskiq",
        words="acknowledged when the result is saved, up to 100 at a time",
        recovers="an idle time of 5 s, not renewed: a longer job is run twice",
        guess=2_000,
        measures=ALL,
    ),
    System(
        "taskiq list",
        "taskiq",
        "list",
        environment="taskiq",
        words="no acknowledgement, no results, up to 100 at a time",
        recovers="nothing: a job is taken off the list before it is run",
        guess=3_000,
        measures=ALL,
    ),
    System(
        "streaq",
        "streaq",
        environment="streaq",
        words="16 at a time",
        recovers="an idle time of 2 s, renewed while the worker lives",
        guess=1_000,
    ),
    _floor(1, 13_000),
    _floor(10, 60_000),
    _floor(100, 80_000),
)
