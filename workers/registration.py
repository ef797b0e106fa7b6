"""When a worker enters RQ's registry, under the name of a dead one too, says there that it lives, and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.errors import NameTaken
from holdfast.jobs.rq_surface import WorkerStatus
from holdfast.jobs.store import leavers
from holdfast.jobs.store.door import is_lockout
from holdfast.jobs.store.refusals import is_passing
from holdfast.jobs.store.registry import Entry
from holdfast.workers.runtime import birth_of, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.jobs.rq_surface import RQWorker
    from holdfast.jobs.settings import Settings

#: How many steps of the way through RQ's lists a worker takes before its first job: it may not live long.
_STEPS_AT_START = 20
#: How long it waits before the next, later on.
_STEP_MS = 100


class Registration:
    """How the engine shows itself to RQ's tools."""

    def __init__(self, worker: RQWorker, instance: str, settings: Settings) -> None:
        self._worker = worker
        self._entry = Entry(worker)
        self._instance = instance
        self._lease_ms = settings.lease_ms
        self._every_ms = settings.renew_ms
        self._next_ms = 0
        self._state: WorkerStatus | None = None
        self._was_tried = False
        self._is_in = False
        #: The way through RQ's lists, to take out who is gone, and when it is time for the next.
        self._sweep: Iterator[None] | None = None
        self._sweep_at = 0
        #: How many horses in a row have failed, and when the next may be started, by the server's clock in seconds.
        self._false_starts = self._next_try = self._wait_s = 0

    def enter(self, register_birth: Callable[[], None]) -> None:
        """Enter RQ's registry, also under the name of one that is known to be dead. May be done again after any error.

        Raises NameTaken, and whatever redis-py raises.
        """
        self._make_way()
        self._was_tried = True
        try:
            register_birth()
        except ValueError as taken:
            raise NameTaken(
                f"{taken}. Two of one name would hear each other's commands: give this one another --name, or stop "
                f"that one. One that is dead is known as such after a lease."
            ) from taken
        self._is_in = True
        self._entry.sign(self._instance, birth_of(self._worker.pid or 0))
        steps = 0
        while steps < _STEPS_AT_START and self._take_out_some():
            steps += 1

    def _make_way(self) -> None:
        """Remove an entry under our name whose worker is known to be dead: a kill -9 leaves one behind.

        RQ itself refuses the name for seven minutes after that; a living worker's name stays refused.
        """
        worker, named = self._worker, self._entry.namesake()
        if named is None:
            return
        is_here = named.host == worker.hostname
        if self._was_tried and is_here and named.pid == worker.pid:
            self._entry.remove()  # our own, from a try whose answer was lost
            return
        if is_here and named.pid and named.pid != worker.pid and is_alive(named.pid, named.born):
            return
        if is_here or (named.silent_ms is not None and named.silent_ms > self._lease_ms):
            worker.log.info("Worker %s: the one that had this name is dead; taking it over", worker.name)
            self._entry.remove()

    def beat(self, now_ms: int) -> int:
        """Say that the worker lives, if it is time to; give the moment of the next beat."""
        if now_ms >= self._next_ms:
            self._next_ms = now_ms + self._every_ms
            self._try(self._tell_of_life)
        if now_ms >= self._sweep_at:
            self._sweep_at = now_ms + (_STEP_MS if self._take_out_some() else leavers.EVERY_MS)
        return min(self._next_ms, self._sweep_at)

    def _tell_of_life(self) -> None:
        now_s = self._entry.keep()
        if self._wait_s:
            self._next_try, self._wait_s = now_s + self._wait_s, 0
        self._entry.beat(self._instance, now_s, false_starts=self._false_starts, next_try_s=self._next_try)

    def _take_out_some(self) -> bool:
        """Go a step on through RQ's lists, to take out who is gone; False: that was all for now.

        The lists are for people. No worker ends because of them, or keeps a job waiting for more than a step.
        """
        if self._sweep is None:
            self._sweep = leavers.take_out(self._worker.connection)
        try:
            next(self._sweep)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - such as a right that is missing: it is told
            if not is_passing(error):
                self._worker.log.warning(
                    "Worker %s: dead workers and expired jobs stay in RQ's lists for now: %s", self._worker.name, error
                )
        else:
            return True
        self._sweep = None
        return False

    def note_horses(self, event: events.Event) -> None:
        """Let the next heartbeat say whether our horses begin anything: who is idle for want of them looks well."""
        self._false_starts = self._next_try = self._wait_s = 0
        if isinstance(event, events.HorsesFailed):
            self._false_starts, self._wait_s = event.count, event.wait_ms // 1_000
        self._next_ms = 0

    def busy(self) -> None:
        """Remember that a claim has said so."""
        self._state = WorkerStatus.BUSY

    def idle(self) -> None:
        """Say that the worker waits."""
        self._show(WorkerStatus.IDLE)

    def suspended(self) -> None:
        """Say that a gate is closed."""
        self._show(WorkerStatus.SUSPENDED)

    def leave(self, register_death: Callable[[], None]) -> None:
        """Leave the registry, if we are in it and Redis still answers; else the entry expires."""
        if self._is_in:  # who was refused the name of a living worker must not sign that one off
            self._try(register_death)

    def _show(self, state: WorkerStatus) -> None:
        if self._state != state and self._try(lambda: self._worker.set_state(state)):
            self._state = state

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except Exception as error:
            if not is_passing(error) and not is_lockout(error):
                raise
            return False
        return True
