"""What a worker does for a job, part by part, each timed alone in one process with the code that is shipped.

    python -m benchmarks.parts

It prints one line of JSON: part -> the processor's µs for a job, with one job a trip and with several.
"""

from __future__ import annotations

import gc
import json
import os
import select
import time
from contextvars import copy_context
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import hiredis
import redis
import rq

from benchmarks.alone import OVER, QUEUE, SEVERAL, Bench, Notes, Tape, WentWrong, title
from benchmarks.work import noop
from holdfast.jobs import Queue, events
from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import JobTimeoutException
from holdfast.jobs.running import exchange
from holdfast.jobs.store.answers import read_turn
from holdfast.jobs.store.outcomes import Completed
from holdfast.jobs.store.work import Stint
from holdfast.workers.calls import execute, write_result
from holdfast.workers.hold import Patience
from holdfast.workers.messages import TOOK
from holdfast.workers.mount import Mount
from holdfast.workers.news import over_in
from holdfast.workers.reins import MOST_UNHEARD, pair
from holdfast.workers.runtime import SystemRuntime
from holdfast.workers.shared_memory import Board
from holdfast.workers.turns import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from holdfast.jobs.store.outcomes import Turned
    from holdfast.workers.messages import FromHorse
    from holdfast.workers.reins import Reins
    from holdfast.workers.runtime import Horse

IN_TURN = "all of it in turn"
#: How often each is done, and how often that is repeated.
TIMES, REPEATS = 300, 9
#: How many jobs are run in turn.
RUN = 2 * TIMES


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


def resp(answer: Any) -> bytes:
    """Write an answer as a server does."""
    if isinstance(answer, list):
        return b"*%d\r\n%s" % (len(answer), b"".join(map(resp, answer)))
    return b"$%d\r\n%s\r\n" % (len(answer), answer)


def of_a_trip(bench: Bench, jobs: int) -> dict[str, float]:
    """Time what a turn of so many jobs takes in the client, but for the sockets. Raises WentWrong."""
    claimed, tape = bench.claim(jobs), Tape(bench.own)
    moves, courier = bench.moves_on(tape), bench.courier_on(tape)

    def turn(_: object) -> Turned:
        ended = [moves.spelled(OVER.completion(each.lease)) for each in claimed]
        trip = moves.begin_turn(1, ended, [QUEUE], seen_fence=0, want=jobs)
        courier.send_once(trip.send)
        return courier.send(lambda: read_turn(trip.answer(), jobs))

    turned: Any = turn(None)
    if len(turned.next) != jobs or not all(isinstance(each, Completed) for each in turned.said):
        raise WentWrong(f"a turn of {jobs} jobs answered {turned}")
    tape.wound = True
    words, raw = tape.words, resp(tape.answer)
    connection: Any = bench.own.connection_pool.make_connection()
    reader = hiredis.Reader()

    def read(_: object) -> None:
        reader.feed(raw)
        reader.gets()

    told = {
        "the move": timed(turn, jobs=jobs),
        "packing": timed(lambda _: connection.pack_command(*words), jobs=jobs),
        "reading": timed(read, jobs=jobs),
    }
    tape.put_back()
    return told


def of_turns(bench: Bench, jobs: int) -> float:
    """Time what a horse does to end one job and come to the next, so many a trip, but for the sockets."""
    tape, notes = Tape(bench.own), Notes()
    turns = bench.turns(notes, Board(), tape, jobs)
    (first,) = bench.claim(1)
    task: Task | None = Task(1, first.lease, first.record)
    turns.given(1)

    def go_on(_: object) -> None:
        nonlocal task
        assert task is not None
        turns.keep(task, OVER)
        turns.go_on(0)
        task = turns.pop()

    # Until each trip has as many as it should.
    for _ in range(8 * jobs):
        go_on(None)
    tape.wound = True
    took = timed(go_on)
    tape.hang_up()  # an answer may be on its way still
    return took


class _Heard:
    """A horse that lives, and whose words come by these reins."""

    def __init__(self, reins: Reins) -> None:
        self.heard = reins.heard

    def ended(self) -> None:
        """Not yet."""


def of_the_reins(bench: Bench, said: Sequence[tuple[FromHorse, bool]]) -> float:
    """Time how a horse says all that of its turns, and its parent hears it each time that it is woken."""
    # What is said after the last of them is of the end of a run.
    turns = said[: max(place for place, (message, _) in enumerate(said) if message[0] == TOOK) + 1]
    jobs = len(over_in([message for message, _ in turns]))
    bells = frozenset(place for place, rang in enumerate(_play(bench, turns, None)[1]) if rang)
    return median(_play(bench, turns, bells)[0] for _ in range(REPEATS)) / jobs


def _play(
    bench: Bench, said: Sequence[tuple[FromHorse, bool]], bells: Container[int] | None
) -> tuple[float, Sequence[bool]]:
    """Say it all, and hear it after those at which the bell rings: give the µs, and where it rang if that is asked."""
    reins, bit = pair(MOST_UNHEARD, time.monotonic)
    mount = Mount(SystemRuntime(), Board(), bench.clock, Patience(bench.settings), lambda _: 0)
    mount.horse = cast("Horse", _Heard(reins))
    rang = []
    try:
        began = time.thread_time_ns()
        for place, (message, is_urgent) in enumerate(said):
            bit.say(message, is_urgent=is_urgent)
            if bells is None:
                rang.append(bool(select.select(list(reins.files()), [], [], 0)[0]))
            if rang[-1] if bells is None else place in bells:
                mount.hear()
        mount.hear()
        return (time.thread_time_ns() - began) / 1e3, rang
    finally:
        reins.close()
        bit.close()


def of_a_job(bench: Bench, lease: Lease, record: dict[bytes, bytes]) -> dict[str, float]:
    """Time what the horse does for one job, however many are in hand."""
    execution = bench.running(lease, record)
    plain: Any = lambda: None  # noqa: E731 - the least there is to run
    stint = Stint(0, 0)

    def told(_: object) -> None:
        bench.events.tell(events.Claimed(lease, record))
        bench.events.tell(events.Settled(lease, "completed", stint))

    def within(_: object) -> None:
        before = exchange(execution)
        copy_context().run(plain)
        exchange(before)

    def limited(_: object) -> None:
        with bench.trade.death_penalty(180, JobTimeoutException, job_id=lease.job_id):
            pass

    def tidied(_: object) -> None:
        bench.tidy.before_call()
        bench.tidy.after_job()

    parts = {
        "objects": timed(lambda _: bench.attempt(Lease(*lease), record)),
        "the call's data": timed(execute, lambda: bench.blanks.job(lease.job_id, record, execution)),
        "the job itself": timed(lambda _: noop()),
        "death penalty": timed(limited),
        "result": timed(lambda _: write_result(execution, None)),
        "context": timed(within),
        "tidy": timed(tidied),
        "title": timed(lambda _: title(lease.queue, lease.job_id)),
        "told": timed(told),
    }
    parts["the call's data"] -= parts["the job itself"]
    whole = timed(lambda attempt: attempt.run(), lambda: bench.attempt(lease, record))
    within_it = ("the call's data", "the job itself", "death penalty", "result")
    parts["the attempt around these"] = max(0.0, whole - sum(parts[name] for name in within_it))
    return parts


def in_turn(bench: Bench, jobs: int) -> tuple[float, Sequence[tuple[FromHorse, bool]]]:
    """Have a horse do all of it, on the server: give what a job took, and what its parent would have heard.

    Here no part is fresh in the caches. Raises WentWrong where it did not run all.
    """
    (first,) = bench.claim(1)
    horse, board, notes = bench.horse(first, jobs, RUN)
    began = time.thread_time_ns()
    horse.serve()
    took = (time.thread_time_ns() - began) / 1e3 / RUN
    if board.begun != RUN:
        raise WentWrong(f"a horse ended after {board.begun} of {RUN} jobs")
    return took, notes.said


def of_both(bench: Bench, jobs: int, told: float) -> dict[str, float]:
    """Time what depends on how many jobs go in a trip; `told` is what of_a_job() has found for that."""
    parts = of_a_trip(bench, jobs)
    parts["its turns"] = max(0.0, of_turns(bench, jobs) - parts["the move"] - told)
    parts[IN_TURN], said = in_turn(bench, jobs)
    parts["the reins"] = of_the_reins(bench, said)
    return parts


def main() -> None:
    """Time all of them, on the worker's core."""
    if core := os.environ.get("BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    bench = Bench(redis.Redis.from_url(os.environ["BENCH_URL"]))
    bench.redis.flushall()
    queue = Queue(QUEUE, connection=bench.redis)
    queue.enqueue_many([rq.Queue.prepare_data(noop) for _ in range(2 * RUN + 20 * SEVERAL)])
    gc.collect()
    gc.freeze()
    (claimed,) = bench.claim(1)
    each = of_a_job(bench, claimed.lease, claimed.record)
    one, several = (of_both(bench, jobs, each["told"]) for jobs in (1, SEVERAL))
    pairs = {name: (one[name], several[name]) for name in one} | {name: (us, us) for name, us in each.items()}
    print(json.dumps(pairs))


if __name__ == "__main__":
    main()
