"""Where one case after another is played: a server, a proxy before it, a worker behind that, and a healthy one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import rq

from holdfast.chaos.demo_story import move_of
from holdfast.chaos.processes.evidence import place_of
from holdfast.chaos.processes.family import Family
from holdfast.chaos.programs import find_program
from holdfast.chaos.proxy import FaultProxy, let_pass
from holdfast.chaos.server import PrivateServer
from holdfast.chaos.sweep.cases import Fault, Setting
from holdfast.chaos.sweep.director import Director
from holdfast.examples.shop.ledger import Ledger
from holdfast.jobs.state import Status
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.chaos.history import Move, Place
    from holdfast.chaos.sweep.cases import Boundary, Case
    from holdfast.chaos.sweep.works import Cast, Work

JOB = "the-job"
_ENDED = {Status.FINISHED, Status.FAILED, Status.STOPPED, Status.CANCELED}
#: Where nothing of an ended job may be left.
_UNRESTED = ("line", "leases", "wip", "scheduled")
_SETS = ("leases", "wip", "scheduled", "finished", "failed", "deferred", "canceled")
_LOOK_S = 0.02


@dataclass(frozen=True)
class Played:
    """How a case went, complete enough to be judged without it."""

    #: None for a job whose record is gone.
    place: Place | None
    moves: tuple[Move, ...]
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
    def claims(self) -> int:
        """How many executions began."""
        return sum(move.move == "claim" for move in self.moves)


class Stage:
    """Plays one case at a time. A `with` block makes it and removes all of it."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
        self._environment = inherited | {"PYTHONUNBUFFERED": "1"} | dict(cast.environment)
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
                self._redis.script_load(script.text)
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
        self._redis.flushall()
        self._enqueue(work, queues[-1], folder)
        director = Director(self._cast.clockwork, work.gates, folder, case)
        self._proxy.rule = director
        with ExitStack() as families:
            director.worker = self._start(families, folder, "hurt", queues)
            is_over = self._wait(case, director, queues, lambda: self._start(families, folder, "healthy", queues))
            exit_code = director.worker.exit_code
        self._proxy.rule = let_pass
        self._proxy.cut()
        self._proxy.check()
        moves = [move_of(fields) for _, fields in self._redis.xrange(keys.moves())]
        return Played(
            place=self._find(queues),
            moves=tuple(move for move in moves if move.job == JOB),
            charges=self._ledger.rows_per_order().get(str(folder), 0),
            boundaries=tuple(director.boundaries),
            has_struck=director.has_struck,
            has_missed=director.has_missed,
            is_stuck=not is_over,
            exit_code=exit_code,
            seconds=time.monotonic() - begun,
            logs="\n".join(f"--- {log.name}\n{log.read_text('utf-8')}" for log in sorted(folder.glob("*.log"))),
        )

    def _enqueue(self, work: Work, queue: str, folder: Path) -> None:
        arguments = [str(folder)] + [str(self._ledger.path)] * work.has_ledger
        retry = rq.Retry(work.retries) if work.retries else None
        rq.Queue(queue, connection=self._redis).enqueue(work.function, *arguments, job_id=JOB, retry=retry)

    def _start(self, families: ExitStack, folder: Path, name: str, queues: list[str]) -> Family:
        cast = self._cast
        url, kind, options = (
            (self._proxy.url, cast.worker, cast.options)
            if name == "hurt"
            else (self._server.url, cast.healthy_worker, cast.healthy_options)
        )
        command = [sys.executable, "-m", "rq.cli", "worker", "-u", url, "-w", kind, *options, *queues]
        family = Family(name, command, self._environment, folder)
        families.callback(family.kill)
        return family

    def _wait(self, case: Case | None, director: Director, queues: list[str], send_help: Callable[[], object]) -> bool:
        """Wait until the job is at rest and nobody can disturb it. Tells whether that came in time."""
        patience = time.monotonic() + self._cast.patience_s
        helped, struck_at, looks_at_rest = False, None, None
        while time.monotonic() < patience:
            if struck_at is None and director.has_struck:
                struck_at = time.monotonic()
            is_alone_too_long = struck_at is not None and time.monotonic() > struck_at + self._cast.alone_s
            if self._is_at_rest(queues):
                looks_at_rest = director.looks if looks_at_rest is None else looks_at_rest
                must_leave = case is not None and case.fault is Fault.SIGTERM and director.has_struck
                if director.worker.exit_code is not None or (director.looks > looks_at_rest and not must_leave):
                    return True
            elif not helped and (director.worker.exit_code is not None or is_alone_too_long):
                helped = True
                director.open_gates()
                send_help()
            time.sleep(_LOOK_S)
        return False

    def _is_at_rest(self, queues: list[str]) -> bool:
        status = self._redis.hget(keys.job(JOB), "status")
        if status is not None and status.decode() not in _ENDED:
            return False
        place = self._find(queues)
        return place is None or (place.status in _ENDED and not set(place.places) & set(_UNRESTED))

    def _find(self, queues: list[str]) -> Place | None:
        with self._redis.pipeline() as pipe:
            pipe.hgetall(keys.job(JOB))
            for queue in queues:
                pipe.lrange(keys.queue(queue), 0, -1)
                for family in _SETS:
                    pipe.zrange(keys.FAMILIES[family](queue), 0, -1)
            record, *members = pipe.execute()
        names = ["line", *_SETS] * len(queues)
        places = [
            name for name, ids in zip(names, members, strict=True) for each in ids if each.decode().split(":")[0] == JOB
        ]
        return place_of(record, places) if record else None

    def _new_folder(self) -> Path:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        return folder
