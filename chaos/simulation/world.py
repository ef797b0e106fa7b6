"""A world of processes that take turns: virtual time, a seeded order, and death without a last word.

Each simulated process is a greenlet running ordinary blocking code. It gives up its turn where real code waits: at
each Redis call and each sleep. One heap of (moment, number) decides who is next, so a seed is a history.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from holdfast.jobs import running

if TYPE_CHECKING:
    from collections.abc import Callable

US = 1_000_000


@dataclass(eq=False)
class Process:
    """One simulated process."""

    name: str
    world: World
    #: Its own source of chance, so that what one process draws does not change what another does.
    rng: random.Random
    #: Decides where its core is lent to somebody else, so that this changes nothing else that is drawn.
    stalls: random.Random
    parent: Process | None = None
    skew_us: int = 0
    calls: int = 0
    is_alive: bool = True
    frozen_until_us: int = 0
    exit_code: int | None = None
    children: list[Process] = field(default_factory=list)
    #: What lives, freezes and dies with it.
    threads: list[Process] = field(default_factory=list)
    #: Which execution its code belongs to, as `jobs.running` knows it.
    execution: running.Running | None = None
    #: What is told of its end, such as a supervisor.
    on_end: Callable[[Process], None] = lambda _: None
    thread: greenlet | None = None
    #: Numbers its waits, so that a wait that was ended early is not ended twice.
    ticket: int = 0
    due_ticket: int | None = None
    may_be_woken: bool = False

    def family(self) -> list[Process]:
        """Give it and its living descendants."""
        members = [self]
        for child in self.children:
            if child.is_alive:
                members.extend(child.family())
        return members


class World:
    """The scheduler."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now_us = 0
        #: How far the server's clock is ahead of true time.
        self.server_skew_us = 0
        self.running: Process | None = None
        self.is_closed = False
        self.processes: list[Process] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._hub = getcurrent()
        self._crash: BaseException | None = None

    def chance(self, name: str) -> random.Random:
        """Give a source of chance that depends on the seed and this name only."""
        return random.Random(f"{self.seed}/{name}")

    def at(self, moment_us: int, do: Callable[[], None]) -> None:
        """Have something done at a moment."""
        self._number += 1
        heapq.heappush(self._heap, (max(moment_us, self.now_us), self._number, do))

    def spawn(
        self,
        name: str,
        run: Callable[[], Any],
        *,
        delay_us: int = 0,
        parent: Process | None = None,
        thread_of: Process | None = None,
    ) -> Process:
        """Start a process, or a thread of one."""
        process = Process(name, self, self.chance(name), self.chance(name + "/stalls"), parent=parent)
        if thread_of is not None:
            thread_of.threads.append(process)
        if parent is not None:
            parent.children.append(process)
            process.skew_us = parent.skew_us
        process.thread = greenlet(lambda: self._live(process, run), self._hub)
        self.processes.append(process)
        self.at(self.now_us + delay_us, lambda: self._resume(process, 0))
        return process

    def run(self, until_us: int, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until a moment, until nothing is left to do, or until `is_over()`."""
        while self._heap and self._heap[0][0] <= until_us:
            if is_over():
                return
            self.now_us, _, do = heapq.heappop(self._heap)
            do()
            if self._crash is not None:
                raise self._crash
        self.now_us = max(self.now_us, until_us)

    # -- for the process whose turn it is

    def wait(self, us: int) -> None:
        """Give up the turn for a while."""
        self.wait_until(self.now_us + us)

    def wait_until(self, moment_us: int, *, may_be_woken: bool = False) -> None:
        """Give up the turn until a moment, or until woken by `wake`."""
        process = self.running
        assert process is not None
        process.ticket += 1
        ticket = process.ticket
        process.may_be_woken = may_be_woken
        self.at(moment_us, lambda: self._resume(process, ticket))
        self._hub.switch()

    def stall(self) -> None:
        """Give up the turn now and then, where a process does not wait: somebody else may have its core."""
        process = self.running
        if process is not None and process.stalls.random() < _STALLS:
            self.wait(process.stalls.choice(_STALLED_US))

    def wake(self, process: Process) -> None:
        """End a wait that may be ended."""
        if process.may_be_woken:
            self._resume_now(process, process.ticket)

    # -- what can be done to a process

    def kill(self, process: Process) -> None:
        """End a process as SIGKILL does: none of its `except` and `finally` runs."""
        self.end(process)
        self._leave_if_dead()

    def kill_family(self, process: Process) -> None:
        """End a process and all its descendants at one moment."""
        for member in process.family():
            self.end(member)
        self._leave_if_dead()

    def end(self, process: Process, *, exit_code: int | None = None) -> None:
        """Mark a process as ended, from whoever's turn it is; without an exit code, by a signal."""
        self._end(process, exit_code)

    def _leave_if_dead(self) -> None:
        if self.running is not None and not self.running.is_alive:
            self._hub.switch()  # never comes back

    def freeze(self, process: Process, until_us: int) -> None:
        """Stop a process where it stands, as SIGSTOP does."""
        for part in (process, *process.threads):
            part.frozen_until_us = max(part.frozen_until_us, until_us)

    def thaw(self, process: Process) -> None:
        """Let it go on now."""
        for part in (process, *process.threads):
            part.frozen_until_us = min(part.frozen_until_us, self.now_us)
            if part.due_ticket is not None:
                ticket, part.due_ticket = part.due_ticket, None
                # Of a process and its threads, of a parent and its child, any may wake first; oftenest the child, so
                # that it is seen what it does before it is stopped.
                mean_us = WAKING_US if part is process and part.parent else 10 * WAKING_US
                self._resume_now(part, ticket, after_us=int(part.rng.expovariate(1 / mean_us)))

    def has_sleepers(self, *, woken_us: int) -> bool:
        """Tell whether a process is frozen, or was until a moment that is no longer ago than that."""
        return any(
            each.is_alive and each.frozen_until_us + woken_us > self.now_us > woken_us for each in self.processes
        )

    def _resume_now(self, process: Process, ticket: int, *, after_us: int = 0) -> None:
        self.at(self.now_us + after_us, lambda: self._resume(process, ticket))

    def close(self) -> None:
        """Free the stacks of all processes, once the run has been looked at; from then on none reaches the server."""
        self.is_closed = True
        for process in self.processes:
            process.is_alive = False
            thread = process.thread
            if thread is not None and not thread.dead:
                thread.parent = getcurrent()
                self.running = None
                thread.throw()

    def _live(self, process: Process, run: Callable[[], Any]) -> None:
        try:
            code = run()
        except GreenletExit:
            return
        except BaseException as error:  # noqa: BLE001 - production code let something out: that is a finding
            self._crash = error
            return
        if process.is_alive:
            self._end(process, exit_code=int(code or 0))

    def _end(self, process: Process, exit_code: int | None) -> None:
        if process.is_alive:
            process.is_alive = False
            process.exit_code = exit_code
            for thread in process.threads:
                thread.is_alive = False
            process.on_end(process)

    def _resume(self, process: Process, ticket: int) -> None:
        if not process.is_alive or process.ticket != ticket:
            return
        if process.frozen_until_us > self.now_us:
            process.due_ticket = ticket
            if process.frozen_until_us < FOR_EVER:
                self.at(process.frozen_until_us, lambda: self.thaw(process))
            return
        process.ticket += 1
        process.may_be_woken = False
        assert process.thread is not None
        before, self.running = self.running, process
        # A module's global is a process' own; here all share one interpreter.
        outside = running.exchange(process.execution)
        process.thread.switch()
        process.execution = running.exchange(outside)
        self.running = before


FOR_EVER = 10**18
#: How often a process loses its core between two words, and for how long: never for so long that a lease would notice.
_STALLS = 0.02
_STALLED_US = (100, 2_000, 50_000)
#: How long what was frozen takes to go on, on average.
WAKING_US = 2_000
