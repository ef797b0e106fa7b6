"""Where one case after another is played: a server, a proxy before it, a worker behind that, and a healthy one."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from holdfast.chaos.history import move_of
from holdfast.chaos.processes.family import Family
from holdfast.chaos.programs import find_program
from holdfast.chaos.proxy import FaultProxy, let_pass
from holdfast.chaos.server import PrivateServer
from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.cases import Fault, Setting
from holdfast.chaos.sweep.director import Director
from holdfast.chaos.sweep.orders import Counter
from holdfast.chaos.sweep.remains import is_at_rest, leftovers, places, untold
from holdfast.chaos.sweep.tasks import JOB
from holdfast.examples.shop.ledger import Ledger
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis import Redis

    from holdfast.chaos.history import Move, Place
    from holdfast.chaos.sweep.cases import Boundary, Case
    from holdfast.chaos.sweep.nursery import Nursery
    from holdfast.chaos.sweep.works import Cast, Work

_LOOK_S = 0.05
#: What is told once more after a speaker's death is told after minutes. Nobody may be about to end it by then.
_SILENCE_S = 0.3


@dataclass(frozen=True)
class Played:
    """How a case went, complete enough to be judged without it."""

    #: By job; None for one whose record is gone.
    places: Mapping[str, Place | None]
    #: Of all jobs, in the server's order.
    moves: tuple[Move, ...]
    #: What bodies and callbacks said when they were called: a word and the job.
    told: tuple[str, ...]
    #: Keys that should be gone, or that are missing.
    leftovers: tuple[str, ...]
    #: How often the ledger was charged.
    charges: int
    boundaries: tuple[Boundary, ...]
    has_struck: bool
    has_missed: bool
    #: It was not over when patience was.
    is_stuck: bool
    #: How the hurt worker ended by itself; None if it still ran when all was over.
    exit_code: int | None
    seconds: float
    logs: str

    @property
    def place(self) -> Place | None:
        """Where the job stands whose worker was hurt."""
        return self.places[JOB]

    def count(self, move: str, job: str = JOB) -> int:
        """Count the moves of a job by that name."""
        return sum(each.move == move and each.job == job for each in self.moves)

    def calls(self, word: str, job: str = JOB) -> int:
        """Count how often that was said."""
        return self.told.count(f"{word} {job}")


def environment_of(cast: Cast) -> dict[str, str]:
    """Give a worker's environment: ours, without what may be set here for another one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(cast.environment)


class Stage:
    """Plays one case at a time. A `with` block makes it and removes all of it."""

    def __init__(self, cast: Cast, nursery: Nursery) -> None:
        self._cast = cast
        self._nursery = nursery
        self._environment = environment_of(cast)
        self._exits = ExitStack()
        self._number = 0

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._folder = Path(tempfile.mkdtemp(prefix="holdfast-sweep-"))
            exits.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._server = exits.enter_context(PrivateServer())
            self._proxy = exits.enter_context(FaultProxy(("127.0.0.1", self._server.port)))
            self._redis = exits.enter_context(self._server.client())
            # A server that learns its scripts during the first case would be asked otherwise in the second.
            for script in load(record=True).values():
                self._redis.script_load(script.sent)
            self._ledger = Ledger(self._folder / "ledger")
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def server(self) -> str:
        """The program that serves, with its version."""
        program = find_program()
        return f"{Path(program.path).name} {'.'.join(map(str, program.version))}"

    def play(self, setting: Setting, case: Case | None = None) -> Played:
        """Run one job through a worker that is hurt as the case says, and see where it ends."""
        begun = time.monotonic()
        work, folder = self._cast.works[setting.work], self._new_folder()
        queues = ["only"] if setting.queues == 1 else ["first", "second"]
        # A dead worker's connection may outlive it for a moment, and the claim that stands on it would take the job.
        self._redis.client_kill_filter(_type="normal", skipme=True)
        self._redis.flushall()
        work.place(Counter(self._redis, queues[-1], str(folder), str(self._ledger.path)))
        director = Director(self._cast.clockwork, work, folder, case)
        self._proxy.rule = director
        with ExitStack() as families:
            watch = _Watch(self._redis, queues, work, case, director, self._cast)
            director.worker = self._start(families, folder, "hurt", queues)
            is_over = watch.until_over(lambda: self._start(families, folder, "healthy", queues))
            exit_code = director.worker.exit_code
        self._proxy.rule = let_pass
        self._proxy.cut()
        self._proxy.check()
        found = places(self._redis, queues, work.jobs)
        told = tasks.told(str(folder))
        return Played(
            places=found,
            moves=tuple(move_of(fields) for _, fields in self._redis.xrange(keys.moves())),
            told=tuple(told.read_text("utf-8").splitlines()) if told.exists() else (),
            leftovers=leftovers(self._redis, found),
            charges=self._ledger.rows_per_order().get(str(folder), 0),
            boundaries=tuple(director.boundaries),
            has_struck=director.has_struck,
            has_missed=director.has_missed,
            is_stuck=not is_over,
            exit_code=exit_code,
            seconds=time.monotonic() - begun,
            logs="\n".join(f"--- {log.name}\n{log.read_text('utf-8')}" for log in sorted(folder.glob("*.log"))),
        )

    def _start(self, families: ExitStack, folder: Path, name: str, queues: list[str]) -> Family:
        cast = self._cast
        url, kind, options = (
            (self._proxy.url, cast.worker, cast.options)
            if name == "hurt"
            else (self._server.url, cast.healthy_worker, cast.healthy_options)
        )
        command = ["rq", "worker", "-u", url, "-w", kind, *options, *queues]
        family = Family(name, command, self._environment, folder, self._nursery.start)
        families.callback(family.kill)
        return family

    def _new_folder(self) -> Path:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        return folder


class _Watch:
    """Waits until a case is over, and helps it along: with a healthy worker, and where only time has to pass."""

    def __init__(
        self, redis: Redis, queues: Sequence[str], work: Work, case: Case | None, director: Director, cast: Cast
    ) -> None:
        self._redis = redis
        self._queues = queues
        self._work = work
        self._case = case
        self._director = director
        self._cast = cast
        self._families: list[Family] = []
        self._silent_since: float | None = None

    def until_over(self, send_help: Callable[[], Family]) -> bool:
        """Wait until the jobs are at rest and nobody can disturb them. Tells whether that came in time."""
        director = self._director
        self._families = [director.worker]
        patience = time.monotonic() + self._cast.patience_s
        struck_at, looks_at_rest = None, None
        while time.monotonic() < patience:
            if struck_at is None and director.has_struck:
                struck_at = time.monotonic()
            is_alone_too_long = struck_at is not None and time.monotonic() > struck_at + self._cast.alone_s
            if self._is_at_rest():
                looks_at_rest = director.looks if looks_at_rest is None else looks_at_rest
                if director.worker.exit_code is not None or (director.looks > looks_at_rest and not self._must_leave()):
                    return True
            elif len(self._families) == 1 and (director.worker.exit_code is not None or is_alone_too_long):
                director.open_gates()
                self._families.append(send_help())
            time.sleep(_LOOK_S)
        return False

    def _must_leave(self) -> bool:
        return self._case is not None and self._case.fault is Fault.SIGTERM and self._director.has_struck

    def _is_at_rest(self) -> bool:
        # In this order: a burial leaves what is to be told in the same moment.
        found = places(self._redis, self._queues, self._work.jobs)
        left = untold(self._redis, self._queues)
        if left:
            self._let_minutes_pass(left)
        return not left and is_at_rest(found.values())

    def _let_minutes_pass(self, left: Mapping[str, list[tuple[bytes, float]]]) -> None:
        """Make what is to be told once more due, once nobody lives who might be telling it."""
        is_told = not self._director.has_struck or any(family.horses() for family in self._families)
        self._silent_since = None if is_told else self._silent_since or time.monotonic()
        if self._silent_since is not None and time.monotonic() > self._silent_since + _SILENCE_S:
            self._silent_since = None
            for key, entries in left.items():
                # Not one that is gone by now: that would be told although it was told.
                self._redis.zadd(key, {entry: 0 for entry, _ in entries}, xx=True)
