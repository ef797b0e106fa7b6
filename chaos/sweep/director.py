"""Watches one worker's requests, lets its job go on when enough was seen, and strikes at the boundary of a case."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from holdfast.chaos.proxy import Act, After, Before, DelayReply, DropRequest, EatReply, Pass, Request, SignalThenPass
from holdfast.chaos.sweep.boundaries import FOR_CALLBACK, TAKING, Sightings, name_of, operation_of
from holdfast.chaos.sweep.cases import DEADLY, Boundary, Case, Fault, Side
from holdfast.chaos.sweep.tasks import arrival, gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdfast.chaos.processes.family import Family
    from holdfast.chaos.sweep.works import Work

#: Longer than a worker waits for a reply under the settings of the sweep, shorter than its lease.
LATE_MS = 700
#: A process that was sent SIGKILL is gone in microseconds; one in the middle of a page-in takes longer.
_GONE_S = 10


class Director:
    """The rule of the proxy for one case, or for a run without a fault when there is none."""

    #: Who is watched. It asks for no job before it has been started, and so before this has been set.
    worker: Family

    def __init__(self, clockwork: frozenset[str], work: Work, folder: Path, case: Case | None) -> None:
        self._work = work
        self._folder = str(folder)
        self._case = case
        self._sightings = Sightings(clockwork, work.clockwork)
        self._stage = 0
        self._awaited: set[str] = set()
        self._in_multi: set[int] = set()
        #: Connections that have asked for a job: no horse does.
        self._of_the_parent: set[int] = set()
        #: How often the worker has asked for a job.
        self.looks = 0
        #: The boundaries passed from its first taking of a job until it has been watched for long enough.
        self.boundaries: list[Boundary] = []
        #: Whether the fault has happened.
        self.has_struck = False
        #: Whether there was nobody it could happen to.
        self.has_missed = False

    def __call__(self, request: Request) -> Act:
        """Say what becomes of a request. Called in the proxy's thread."""
        name = name_of(request.words)
        if name in TAKING:
            self._of_the_parent.add(request.connection)
        if name == FOR_CALLBACK and request.connection in self._of_the_parent:
            # Not by a look at processes: with many cases at a time, that takes longer than a reply may, and then the
            # horse asks again, is answered too late again, and gives its job back, for as long as the machine is busy.
            name = "renew"
        if not self.looks and name not in TAKING:
            return Pass()
        if self._is_inside_a_transaction(request):
            return Pass()
        if arrival(self._folder, self._stage + 1).exists():
            self._stage += 1
            self._awaited = set(self._work.clockwork)
        boundary = self._sightings.see(name, self._stage, operation_of(request.words))
        # Not what is only sent again: the watch would end in the middle of the job.
        self.looks += boundary is not None and name in TAKING
        if boundary is not None and self._case is None and self.looks <= self._work.takings:
            self.boundaries.append(Boundary(boundary, has_horse=bool(self.worker.horses())))
        if boundary is not None and self._case is not None and boundary == self._case.boundary:
            # Not counted as seen: after a fault that the worker survives, it must come once more.
            return self._strike(self._case, request)
        self._note(name)
        return Pass()

    def open_gates(self) -> None:
        """Let the job run through, whoever runs it."""
        for stage in range(1, self._work.gates + 1):
            gate(self._folder, stage).touch()

    def _is_inside_a_transaction(self, request: Request) -> bool:
        """Tell whether the request does nothing until an EXEC, which is the boundary of them all."""
        command = request.words[0].upper()
        if command == b"MULTI":
            self._in_multi.add(request.connection)
        elif command in {b"EXEC", b"DISCARD"}:
            self._in_multi.discard(request.connection)
        return request.connection in self._in_multi

    def _note(self, name: str) -> None:
        self._awaited.discard(name)
        if self._stage and not self._awaited:
            gate(self._folder, self._stage).touch()

    def _strike(self, case: Case, request: Request) -> Act:
        match case.fault:
            case Fault.REPLY_EATEN:
                self.has_struck = True
                return EatReply()
            case Fault.REPLY_LATE:
                self.has_struck = True
                return DelayReply(LATE_MS)
            case Fault.REQUEST_LOST:
                self.has_struck = True
                return DropRequest()
        if case.side is Side.AFTER:
            return After(lambda: self._hurt(case.fault))
        if self._outlives(case.fault, request):
            return SignalThenPass(lambda: self._hurt(case.fault))
        return Before(lambda: self._hurt(case.fault))

    def _outlives(self, fault: Fault, request: Request) -> bool:
        """Tell whether the sender will live on, so that its request goes its way."""
        if fault is Fault.KILL_HORSE:
            return request.peer_pid not in self.worker.horses()
        return fault not in DEADLY

    def _hurt(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL_PARENT:
                self.worker.tell(signal.SIGKILL)
                _wait_until(lambda: self.worker.exit_code is not None)
            case Fault.KILL_HORSE:
                horses = self.worker.horses()
                self.has_missed = not horses
                self.worker.tell_each(horses, signal.SIGKILL)
                _wait_until(lambda: not set(horses) & set(self.worker.horses()))
            case Fault.KILL_TREE:
                self.worker.kill()
            case Fault.SIGTERM:
                self.worker.tell(signal.SIGTERM)
        self.has_struck = True
        if fault is not Fault.SIGTERM:
            self.open_gates()


def _wait_until(is_gone: Callable[[], bool]) -> None:
    until = time.monotonic() + _GONE_S
    while not is_gone():
        if time.monotonic() > until:
            raise TimeoutError(f"a process that was sent SIGKILL is still there after {_GONE_S} s")
        time.sleep(0.0005)
