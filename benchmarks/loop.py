"""The bare loop of a worker: settles and claims as fast as the server answers, runs nothing, and looks after nothing.

    python -m benchmarks.loop

A line of JSON asks for some loops, a line of JSON tells what they took. They take turns of some ms each, and each has
a database of its own: what else the machine does hits all of them alike. It runs on its own core, as a worker does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import redis
import rq

from benchmarks.adapters import floor
from benchmarks.guards import without
from benchmarks.work import noop
from holdfast.jobs import Queue
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import scripts
from holdfast.jobs.store.connections import Line, derive
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.outcomes import Claimed, Completed
from holdfast.jobs.store.work import Completion, Stint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

QUEUE, WORKER = "bench", "loop"
TTL_S = 500
#: What a trip costs when the server has nothing to do in it.
NOTHING = "return 1"
#: Trips that are made before those that are measured: the others have had the caches meanwhile.
WARM_UP = 2
SEED = 7


@dataclass(frozen=True)
class Ask:
    """One loop."""

    url: str
    #: On a server that several share, each has one.
    database: int = 0
    #: moves: ours; claims: the same, and nothing is settled; floor: its own; trip: a script that does nothing.
    kind: str = "moves"
    #: How many jobs go in one trip.
    want: int = 1
    #: Guards that are taken out, by name.
    out: tuple[str, ...] = ()
    #: Whether results are written.
    results: bool = True


@dataclass
class Took:
    """What a job took, a value for each turn: in µs of the clock, of two processors, and by the server's own count."""

    wall: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    #: Command -> how often it was called for a job, and the µs of a job in it. `evalsha` holds the others.
    commands: list[dict[str, tuple[float, float]]] = field(default_factory=list)


class WentWrong(Exception):
    """A loop did not do what it should have: its numbers would say nothing."""


class Loop(Protocol):
    """Jobs in line, and a client that does nothing but claim and settle them."""

    def go(self, trips: int) -> None:
        """Make so many trips. Raises WentWrong."""
        ...

    def check(self) -> None:
        """Raise WentWrong unless the server says what was done."""
        ...


def measure(asked: Sequence[Ask], turns: int, trips: int) -> list[Took]:
    """Let loops take turns of so many trips, so often. Raises WentWrong."""
    clients = [derive(redis.Redis.from_url(each.url, db=each.database), reply_ms=60_000) for each in asked]
    for client in clients:
        client.flushdb()
    needed = turns * (trips + WARM_UP)
    loops = [KINDS[each.kind](client, each, needed) for each, client in zip(asked, clients, strict=True)]
    took = [Took() for _ in asked]
    rng = random.Random(SEED)
    for _ in range(turns):
        # Not in a circle: nobody is always the one after the lightest.
        for place in rng.sample(range(len(asked)), len(asked)):
            loops[place].go(WARM_UP)
            _one_turn(loops[place], trips, clients[place], took[place], trips * asked[place].want)
    for loop, client in zip(loops, clients, strict=True):
        loop.check()
        client.flushdb()
        client.close()
    return took


def _one_turn(loop: Loop, trips: int, client: redis.Redis, took: Took, jobs: int) -> None:
    client.config_resetstat()
    before, began_cpu, began = _server_s(client), time.process_time(), time.perf_counter()
    loop.go(trips)
    wall, cpu, server = time.perf_counter() - began, time.process_time() - began_cpu, _server_s(client) - before
    for values, seconds in ((took.wall, wall), (took.server, server), (took.client, cpu)):
        values.append(seconds / jobs * 1e6)
    told: Any = client.info("commandstats")
    names = {name.removeprefix("cmdstat_"): each for name, each in told.items()}
    ours = {name: each for name, each in names.items() if name not in {"info", "config|resetstat"}}
    took.commands.append({name: (each["calls"] / jobs, each["usec"] / jobs) for name, each in ours.items()})


def _server_s(client: redis.Redis) -> float:
    told: Any = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


@contextmanager
def _taken_out(names: Sequence[str]) -> Iterator[None]:
    """Let Scripts that are made meanwhile be without these guards."""
    shipped = scripts.load
    if names:
        scripts.load = lambda *, record=False: without(names, record=record)  # type: ignore[assignment]
    try:
        yield
    finally:
        scripts.load = shipped


class OurLoop:
    """Holdfast's moves."""

    def __init__(self, client: redis.Redis, asked: Ask, trips: int) -> None:
        self._redis, self._asked = client, asked
        queue = Queue(QUEUE, connection=client)
        queue.enqueue_many([rq.Queue.prepare_data(noop, result_ttl=TTL_S) for _ in range(trips * asked.want)])
        with _taken_out(asked.out):
            told = scripts.Scripts(client, line=Line(client))
        for move in ("claim", "turn"):
            told.teach(move)
        settings = Settings(keep_results=asked.results)
        self._moves = Moves(told, SystemClock(), settings, Caller(WORKER, f"{1:016x}"))
        self._op, self._seen_fence, self._settled = 1, 0, 0
        self._in_hand: Sequence[Completion] = ()

    def go(self, trips: int) -> None:
        """Settle what is in hand, if that is asked, and claim as many, so often."""
        want = self._asked.want
        for _ in range(trips):
            taken = self._turn(want) if self._in_hand else self._claim(want)
            self._op, self._seen_fence = self._op + want, taken[-1].lease.fence
            self._settled, now_s = self._settled + len(self._in_hand), time.time()
            if self._asked.kind == "moves":
                self._in_hand = [Completion(each.lease, Stint(now_s, now_s), "", TTL_S) for each in taken]

    def _turn(self, want: int) -> Sequence[Claimed]:
        turned = self._moves.turn(self._op, self._in_hand, [QUEUE], seen_fence=self._seen_fence, want=want)
        if not all(isinstance(each, Completed) for each in turned.said) or not isinstance(turned.next, tuple):
            raise WentWrong(f"without {self._asked.out} a turn answered {turned}")
        return turned.next

    def _claim(self, want: int) -> Sequence[Claimed]:
        taken = self._moves.claim(self._op, [QUEUE], seen_fence=self._seen_fence, want=want)
        if not isinstance(taken, tuple):
            raise WentWrong(f"without {self._asked.out} a claim answered {taken}")
        return taken

    def check(self) -> None:
        """Compare with what RQ's own tools would say."""
        finished = self._redis.zcard(f"rq:finished:{QUEUE}")
        if finished != self._settled or (not self._settled and self._asked.kind == "moves"):
            raise WentWrong(
                f"without {self._asked.out} {finished} of {self._settled} jobs that were settled are finished"
            )


class FloorsLoop:
    """The floor's script, in the floor's way."""

    def __init__(self, client: redis.Redis, asked: Ask, trips: int) -> None:
        self._redis, self._want = client, asked.want
        pipe = client.pipeline(transaction=False)
        for number in range(trips * asked.want):
            pipe.hset(f"{floor.JOB}{number}", mapping={"call": "noop", "status": "queued"})
            pipe.rpush(floor.QUEUE, number)
        pipe.execute()
        self._trade = client.register_script(floor.TRADE)
        client.script_load(floor.TRADE)
        self._in_hand: list[bytes] = []

    def go(self, trips: int) -> None:
        """Settle and claim."""
        keys = [floor.QUEUE, floor.LEASES]
        for _ in range(trips):
            answer = self._trade(keys=keys, args=[floor.LEASE_MS, self._want, floor.JOB, *self._in_hand])
            self._in_hand = answer[::2]

    def check(self) -> None:
        """Look that it was not at the end of its line."""
        if len(self._in_hand) != self._want:
            raise WentWrong(f"the floor has {len(self._in_hand)} jobs in hand, not {self._want}")


class EmptyLoop:
    """Trips in which the server has nothing to do."""

    def __init__(self, client: redis.Redis, asked: Ask, trips: int) -> None:
        del asked, trips
        self._line, self._sha = Line(client), client.script_load(NOTHING)

    def go(self, trips: int) -> None:
        """Ask for nothing."""
        for _ in range(trips):
            self._line.send("EVALSHA", self._sha, 0)
            self._line.read()

    def check(self) -> None:
        """Have nothing to be wrong about."""


KINDS: Mapping[str, Callable[[redis.Redis, Ask, int], Loop]] = {
    "moves": OurLoop,
    "claims": OurLoop,
    "floor": FloorsLoop,
    "trip": EmptyLoop,
}


def main() -> None:
    """Answer until there are no more lines."""
    if core := os.environ.get("BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    for line in sys.stdin:
        loops, turns, trips = json.loads(line)
        asked = [Ask(**{**words, "out": tuple(words["out"])}) for words in loops]
        print(json.dumps([asdict(each) for each in measure(asked, turns, trips)]), flush=True)


if __name__ == "__main__":
    main()
