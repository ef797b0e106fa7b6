"""What a worker does for a job, part by part, each timed alone in one process with the code that is shipped.

    python -m benchmarks.parts

It prints one line of JSON: part -> the processor's µs for a job, with one job a trip and with several.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import time
from contextvars import copy_context
from dataclasses import astuple, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import hiredis
import redis
import rq
from rq.worker import base as rqs_worker

from benchmarks.work import noop
from holdfast.jobs import Queue, events
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import JobTimeoutException
from holdfast.jobs.running import Running, running
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier, Line, derive
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.work import Completion, Spell
from holdfast.workers.attempt import Attempt
from holdfast.workers.calls import execute, write_result
from holdfast.workers.fenced_job import Blanks
from holdfast.workers.reins import pair
from holdfast.workers.say import Say
from holdfast.workers.tidy import Tidy
from holdfast.workers.trade import Trade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.store.outcomes import Claimed
    from holdfast.jobs.store.scripts import Word

QUEUE = "bench"
#: How many jobs go in a trip where several are in hand: half of the 32, as the worker settles them.
SEVERAL = 16
IN_TURN = "all of it in turn"
#: How often each is done, and how often that is repeated.
TIMES, REPEATS = 300, 9


class Tape(Line):
    """A line that remembers what was said on it, and says the last answer again once it is `wound`."""

    words: Sequence[Word] = ()
    answer: Any = None
    wound = False

    def ask(self, *words: Word) -> Any:
        """Ask the server, or the tape."""
        self.words = words
        if not self.wound:
            self.answer = super().ask(*words)
        return self.answer


def timed(do: Callable[[Any], object], make: Callable[[], object] = lambda: None, jobs: int = 1) -> float:
    """Give the µs of a job in `do`, which takes what `make` makes and serves so many jobs."""
    found = []
    for _ in range(REPEATS):
        made = [make() for _ in range(TIMES)]
        began = time.thread_time_ns()
        for each in made:
            do(each)
        found.append((time.thread_time_ns() - began) / 1e3 / TIMES / jobs)
    return median(found)


@dataclass
class Bench:
    """A client of the server, as a horse has it."""

    redis: redis.Redis

    def __post_init__(self) -> None:
        self.clock, self.rng = SystemClock(), random.Random()
        self.own = derive(self.redis, reply_ms=5_000)
        self.tape = Tape(self.own)
        self.moves = Moves(
            Scripts(self.own, line=self.tape), self.clock, Settings(), Caller("parts", f"{random.getrandbits(64):016x}")
        )
        self.courier = Courier(self.own, self.clock, self.rng, line=self.tape)
        self.trade = Trade(
            connection=self.redis,
            job_class=rq.job.Job,
            serializer=rq.serializers.DefaultSerializer,
            death_penalty=rq.Worker.death_penalty_class,
        )
        self.blanks = Blanks(self.trade)
        self.tidy = Tidy(memory_max_mb=0, clock=self.clock)

    def claim(self, op: int, done: Sequence[Completion], want: int) -> Sequence[Claimed]:
        """Make a turn."""
        turned: Any = self.moves.turn(op, done, [QUEUE], seen_fence=0, want=want)
        claimed: Sequence[Claimed] = turned.next
        return claimed

    def running(self, lease: Lease, record: dict[bytes, bytes]) -> Running:
        """Make what the code of a job may ask."""
        born = record.get(b"created_at", b"").decode()
        return Running(lease, self.moves, self.courier, self.trade.serializer, born, lambda: False)

    def attempt(self, lease: Lease, record: dict[bytes, bytes]) -> Attempt:
        """Make what a horse makes for each job."""
        execution = self.running(lease, record)
        job = self.blanks.job(lease.job_id, execution)
        return Attempt(execution, record, job, self.trade, self.clock, self.rng, self.tidy.before_call)

    def restored(self, lease: Lease, record: dict[bytes, bytes]) -> Job:
        """Make a job object that has read its record."""
        job = self.blanks.job(lease.job_id, self.running(lease, record))
        job.restore(record)
        return job


def completions(claimed: Sequence[Claimed]) -> list[Completion]:
    """Say that all of these went well."""
    return [Completion(each.lease, Spell(1.0, 2.0), "", 500) for each in claimed]


def resp(answer: Any) -> bytes:
    """Write an answer as a server does."""
    if isinstance(answer, list):
        return b"*%d\r\n%s" % (len(answer), b"".join(map(resp, answer)))
    return b"$%d\r\n%s\r\n" % (len(answer), answer)


def of_a_trip(bench: Bench, jobs: int, op: int) -> dict[str, float]:
    """Time what a turn of so many jobs takes in the client, but for the sockets; `op` is its first operation."""
    claimed = bench.claim(op, [], jobs)
    bench.claim(op + jobs, completions(claimed), jobs)
    words, raw = bench.tape.words, resp(bench.tape.answer)
    connection: Any = bench.own.connection_pool.make_connection()
    reader = hiredis.Reader()

    def read(_: object) -> None:
        reader.feed(raw)
        reader.gets()

    bench.tape.wound = True
    told = {
        "the move": timed(lambda _: bench.claim(1, completions(claimed), jobs), jobs=jobs),
        "packing": timed(lambda _: connection.pack_command(*words), jobs=jobs),
        "reading": timed(read, jobs=jobs),
    }
    bench.tape.wound = False
    return told


def of_the_reins(claimed: Sequence[Claimed]) -> float:
    """Time how jobs go from a process to another and their ends come back: both sides, without the waiting."""
    jobs = len(claimed)
    reins, bit = pair(max(1, jobs))
    ended = ("ended", 1, "complete", {"started_s": 1.0, "ended_s": 2.0, "value": "", "result_ttl": 500}, False, False)

    def there_and_back(_: object) -> None:
        reins.say(*(("run", 1, _plain(each.lease), each.record) for each in claimed))
        for _each in claimed:
            bit.wait()
            bit.say(ended)
        reins.heard()

    try:
        return timed(there_and_back, jobs=jobs)
    finally:
        reins.close()
        bit.close()


def _plain(lease: Lease) -> tuple[Any, ...]:
    """Spell a lease in plain values."""
    return (lease.queue, lease.job_id, lease.execution, lease.fence, lease.deadline_ms, lease.generation)


def of_a_job(bench: Bench, lease: Lease, record: dict[bytes, bytes]) -> dict[str, float]:
    """Time what the horse does for one job, however many are in hand."""
    execution = bench.running(lease, record)
    plain: Any = lambda: None  # noqa: E731 - the least there is to run
    tell = _teller(bench)

    def told(_: object) -> None:
        tell.tell(events.Claimed(lease, "benchmarks.work.noop()"))
        tell.tell(events.Settled(lease, "completed", ""))

    def within(_: object) -> None:
        with running(execution):
            copy_context().run(plain)

    def limited(_: object) -> None:
        with bench.trade.death_penalty(180, JobTimeoutException, job_id=lease.job_id):
            pass

    def tidied(_: object) -> None:
        bench.tidy.before_call()
        bench.tidy.after_job()

    parts = {
        "objects": timed(lambda _: bench.attempt(Lease(*astuple(lease)), record)),
        "restore": timed(lambda job: job.restore(record), lambda: bench.blanks.job(lease.job_id, execution)),
        "the call's data": timed(execute, lambda: bench.restored(lease, record)),
        "the job itself": timed(lambda _: noop()),
        "death penalty": timed(limited),
        "result": timed(lambda _: write_result(execution, None)),
        "context": timed(within),
        "tidy": timed(tidied),
        "title": timed(lambda _: _title(lease)),
        "told": timed(told),
    }
    parts["the call's data"] -= parts["the job itself"]
    whole = timed(lambda attempt: attempt.run(), lambda: bench.attempt(lease, record))
    within_it = ("restore", "the call's data", "the job itself", "death penalty", "result")
    parts["the attempt around these"] = max(0.0, whole - sum(parts[name] for name in within_it))
    return parts


def in_turn(bench: Bench, jobs: int, op: int) -> float:
    """Do all of it for one job after the other, on the server: what the parts take that are not fresh in the caches."""
    tell = _teller(bench)
    claimed = bench.claim(op, [], jobs)
    trips = TIMES // jobs
    began = time.thread_time_ns()
    for trip in range(1, trips + 1):
        for each in claimed:
            _run(bench, each, tell)
        claimed = bench.claim(op + trip * jobs, completions(claimed), jobs)
    return (time.thread_time_ns() - began) / 1e3 / trips / jobs


def _run(bench: Bench, claimed: Claimed, tell: events.Events) -> None:
    _title(claimed.lease)
    attempt = bench.attempt(claimed.lease, claimed.record)
    with running(attempt.execution):
        copy_context().run(attempt.run)
    bench.tidy.after_job()
    tell.tell(events.Claimed(claimed.lease, "benchmarks.work.noop()"))
    tell.tell(events.Settled(claimed.lease, "completed", ""))


def _title(lease: Lease) -> None:
    os.environ["RQ_JOB_ID"] = lease.job_id
    told = f"rq:worker:parts: Processing {lease.job_id} from {lease.queue}"
    rqs_worker.setprocname(told)  # type: ignore[attr-defined]  # rq imports it, or makes one that does nothing


def _teller(bench: Bench) -> events.Events:
    log = logging.getLogger("benchmarks.parts")
    log.setLevel(logging.WARNING)
    return events.Events(Say(log, "parts", bench.clock, log_description=True))


def main() -> None:
    """Time all of them, on the worker's core."""
    if core := os.environ.get("BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    bench = Bench(redis.Redis.from_url(os.environ["BENCH_URL"]))
    bench.redis.flushall()
    queue = Queue(QUEUE, connection=bench.redis)
    queue.enqueue_many([rq.Queue.prepare_data(noop) for _ in range(2 * TIMES + 9 * SEVERAL)])
    gc.collect()
    gc.freeze()
    claimed = bench.claim(1, [], SEVERAL)
    one = {**of_a_trip(bench, 1, 100), "the reins": of_the_reins(claimed[:1])}
    several = {**of_a_trip(bench, SEVERAL, 200), "the reins": of_the_reins(claimed)}
    each = of_a_job(bench, claimed[0].lease, claimed[0].record)
    each_way = {IN_TURN: (in_turn(bench, 1, 1_000), in_turn(bench, SEVERAL, 10_000))}
    pairs = (
        {name: (one[name], several[name]) for name in one} | {name: (us, us) for name, us in each.items()} | each_way
    )
    print(json.dumps(pairs))


if __name__ == "__main__":
    main()
