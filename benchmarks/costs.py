"""Where a plain job's time goes, and what its guards cost: each thing is measured with it and without it, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from benchmarks import environments
from benchmarks.cast import FORK, System
from benchmarks.enqueue import put
from benchmarks.guards import GUARDS, SAFETY
from benchmarks.loop import Ask
from benchmarks.machine import processor_s
from benchmarks.rounds import rotated
from benchmarks.stage import AS_IT_COMES, LOGGED, SILENT_S, NotRun, Stage
from benchmarks.stamps import COLD
from holdfast.chaos.server import PrivateServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.figures import Results
    from benchmarks.machine import Cores
    from benchmarks.plan import Plan

#: Jobs in a trip of the bare loop, and in hand of a worker.
WANTS = (1, 32)
#: How often each worker is run in a round: what they differ by is small beside what machines do.
WORKERS_A_ROUND = 2
#: How many turns each loop has for a second of a drain, and how many trips a turn: some 20 ms.
TURNS_A_S, TRIPS = 10, {1: 100, 32: 8}
#: How many jobs a worker does for a second of a drain, about.
WORKER_RATES = {1: 1_500, 32: 4_000}
LOOK_S = 0.01
#: Each loop has a database of its own.
DATABASES = ("--databases", "32")


@dataclass(frozen=True)
class Variant:
    """One way to run the bare loop."""

    name: str
    out: tuple[str, ...] = ()
    kind: str = "moves"
    results: bool = True
    #: Whether the server writes its log.
    logged: bool = True


SHIPPED, UNSAFE, FLOOR, TRIP = "as shipped", "none of the three", "floor", "an empty script"
CLAIMS, NO_RESULTS, NO_LOG, BARE = "claims alone", "without results", "without the server's log", "nothing but RQ's own"
OURS = tuple(name for name in GUARDS if not name.startswith("RQ's"))
VARIANTS = (
    Variant(SHIPPED),
    *(Variant(f"without {name}", (name,)) for name in GUARDS),
    Variant(UNSAFE, SAFETY),
    Variant(BARE, OURS),
    Variant(NO_RESULTS, results=False),
    Variant(NO_LOG, logged=False),
    Variant(CLAIMS, kind="claims"),
    Variant(FLOOR, kind="floor"),
    Variant(TRIP, kind="trip"),
)

#: So that no horse is replaced while it is measured; that is measured by itself.
_LONG_LIVED = {"HOLDFAST_JOBS_PER_HORSE": "1000000", "BENCH_CLASS": "benchmarks.unguarded.Worker"}
#: Nothing is renewed and nobody looks for what has run out.
_UNRENEWED = {"HOLDFAST_LEASE_MS": "600000", "HOLDFAST_RENEW_MS": "100000", "HOLDFAST_REAP_MS": "60000"}
FORKS = System("a fork for each job", "holdfast", "Queue", FORK, guess=100)


def worker(want: int, variant: str) -> System:
    """Name a worker process with so many jobs in hand: as shipped, or with none of the three."""
    settings = {**_LONG_LIVED, "HOLDFAST_PREFETCH": str(want)}
    if variant == UNSAFE:
        settings |= {**_UNRENEWED, "BENCH_OUT": ",".join(SAFETY)}
    return System(line_of("worker", want, variant), "holdfast", "Queue", settings)


def line_of(what: str, want: int, variant: str) -> str:
    """Name a line of figures: what was run, a loop or a worker, with how many jobs, in which variant."""
    return f"{what}, {want}, {variant}"


class Costs:
    """One run of the profile, whose numbers go into `results` as they come."""

    def __init__(self, plan: Plan, cores: Cores, results: Results, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._cores = cores
        self._results = results
        self._tell = tell

    def steps(self) -> int:
        """Tell how often `tell` will be called, for a progress bar."""
        return self._plan.rounds * (len(WANTS) + 2 * len(WANTS) * WORKERS_A_ROUND + 2)

    def run(self) -> None:
        """Measure everything. What cannot be measured has no number, and its reason is kept."""
        steps = {"loops": self._run_loops, "workers": self._run_workers, "parts": self._time_parts, "fork": self._fork}
        for number in range(self._plan.rounds):
            for name, step in steps.items():
                try:
                    step(number)
                except NotRun as why:
                    self._results.of(name).not_run["profile"] = str(why)

    def _say(self, number: int, what: str) -> None:
        self._tell(f"round {number + 1} of {self._plan.rounds}: profile, {what}")

    def _run_loops(self, number: int) -> None:
        turns = max(1, int(TURNS_A_S * self._plan.drain_s))
        with ExitStack() as stack:
            logged, unlogged = (stack.enter_context(self._server(log=log)) for log in (True, False))
            loops = stack.enter_context(Looper(_environment(self._cores)))
            for want in WANTS:
                self._say(number, f"bare loops, {want} a trip")
                asked = [
                    Ask((logged if each.logged else unlogged).url, at, each.kind, want, each.out, each.results)
                    for at, each in enumerate(VARIANTS)
                ]
                for variant, took in zip(VARIANTS, loops.ask(asked, turns, TRIPS[want]), strict=True):
                    for turn in range(turns):
                        self._note_turn(number * turns + turn, line_of("loop", want, variant.name), took, turn)

    @contextmanager
    def _server(self, *, log: bool) -> Iterator[PrivateServer]:
        server = PrivateServer(arguments=(*DATABASES, *(LOGGED if log else AS_IT_COMES)), program=self._plan.server)
        with self._cores.of_server():
            server.start()
        try:
            yield server
        finally:
            server.stop()

    def _note_turn(self, number: int, name: str, took: dict[str, Any], turn: int) -> None:
        figures = self._results.of(name)
        wall, server, client = (took[measure][turn] for measure in ("wall", "server", "client"))
        for measure, us in (("wall", wall), ("server", server), ("client", client), ("both", server + client)):
            figures.note(number, measure, us)
        if name not in {line_of("loop", want, SHIPPED) for want in WANTS}:
            return
        for command, (calls, us) in took["commands"][turn].items():
            figures.note(number, f"calls {command}", calls)
            figures.note(number, f"us {command}", us)

    def _run_workers(self, number: int) -> None:
        cast = [(want, worker(want, variant)) for want in WANTS for variant in (SHIPPED, UNSAFE)]
        rounds = self._plan.rounds * WORKERS_A_ROUND
        for turn in range(number * WORKERS_A_ROUND, (number + 1) * WORKERS_A_ROUND):
            for want, system in rotated(cast, turn, rounds):
                self._say(number, system.name)
                with Stage(system, self._cores, server=self._plan.server) as stage:
                    took = serve(stage, int(WORKER_RATES[want] * self._plan.drain_s))
                for measure, us in took._asdict().items():
                    self._results.of(system.name).note(turn, measure, us)
                self._results.of(system.name).note(turn, "all", took.server + took.parent + took.horse)

    def _time_parts(self, number: int) -> None:
        self._say(number, "parts of a job")
        with self._server(log=True) as server:
            line = [str(environments.python("own")), "-m", "benchmarks.parts"]
            environment = {**_environment(self._cores), "BENCH_URL": server.url}
            done = subprocess.run(
                line, cwd=environments.ROOT, env=environment, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise NotRun(f"benchmarks.parts ended with status {done.returncode}: {done.stderr[-500:]}")
        for part, pair in json.loads(done.stdout).items():
            for want, us in zip(WANTS, pair, strict=True):
                self._results.of(line_of("part", want, part)).note(number, "us", us)

    def _fork(self, number: int) -> None:
        """Measure what a new horse takes, by having one for each job."""
        self._say(number, FORKS.name)
        with Stage(FORKS, self._cores, server=self._plan.server) as stage:
            jobs = max(int(FORKS.guess * self._plan.drain_s), 20)
            stage.forget_stamps()
            put(stage, jobs)
            stage.start_workers(1)
            _wait_for(stage, jobs // 5)
            seen, before = stage.stamps.count(), stage.workers_cpu_s()
            _wait_for(stage, jobs)
            us = (stage.workers_cpu_s() - before) / (stage.stamps.count() - seen) * 1e6
        self._results.of(FORKS.name).note(number, "us", us)


class Took(NamedTuple):
    """What a job of a worker process took, in µs: by the clock, and of the processors."""

    wall: float
    server: float
    parent: float
    horse: float


class _Look(NamedTuple):
    jobs: int
    moment: float
    server_s: float
    parent_s: float
    horse_s: float


def serve(stage: Stage, jobs: int) -> Took:
    """Have a worker do so many jobs, and give what those after its cold start took. Raises NotRun."""
    stage.forget_stamps()
    put(stage, jobs)
    stage.start_workers(1)
    first, last = (_look(stage, at_least) for at_least in (int(jobs * COLD), jobs))
    stage.wait_until_done(SILENT_S)
    stage.end_workers()
    done = last.jobs - first.jobs
    if done <= 0:
        raise NotRun(f"{jobs} jobs were too few to see a worker at them")
    return Took(*((after - before) / done * 1e6 for after, before in zip(last[1:], first[1:], strict=True)))


def _look(stage: Stage, at_least: int) -> _Look:
    """Wait for so many jobs, and give what has been spent on them."""
    _wait_for(stage, at_least)
    told: Any = stage.redis.info("cpu")
    parent, horses = stage.worker_pids(0)
    server_s = float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
    return _Look(stage.stamps.count(), time.monotonic(), server_s, processor_s(parent), sum(map(processor_s, horses)))


def _wait_for(stage: Stage, jobs: int) -> None:
    seen, last_news = 0, time.monotonic()
    while (now_seen := stage.stamps.count()) < jobs:
        stage.check_workers()
        if now_seen > seen:
            seen, last_news = now_seen, time.monotonic()
        elif time.monotonic() > last_news + SILENT_S:
            raise NotRun(f"{seen} of {jobs} jobs were begun, and then none for {SILENT_S:.0f} s")
        time.sleep(LOOK_S)


class Looper:
    """A process of benchmarks.loop, in a `with` block that ends it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [str(environments.python("own")), "-m", "benchmarks.loop"],
            cwd=environments.ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, asked: Sequence[Ask], turns: int, trips: int) -> list[dict[str, Any]]:
        """Have loops take turns. Raises NotRun where it ends instead; it has said why."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([[asdict(each) for each in asked], turns, trips]) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise NotRun(f"benchmarks.loop ended with status {self._process.wait()}; what it said is above")
        told: list[dict[str, Any]] = json.loads(line)
        return told


def _environment(cores: Cores) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_", "BENCH_"))}
    given = {"PYTHONPATH": str(environments.ROOT), "BENCH_CORE": cores.of_worker(0)}
    return {**kept, **given, "BENCH_STAMPS": os.devnull, "BENCH_WORKER": "0"}
