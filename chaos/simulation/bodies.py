"""What the engine asks of the outside, simulated: clocks, processes, ears, and RQ's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.chaos.simulation.servers import EPOCH_US
from holdfast.chaos.simulation.world import FOR_EVER, Process, World
from holdfast.workers.ears import Heard
from holdfast.workers.runtime import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.workers.runtime import Horse

_SIGKILL = 9
_BOOT_MS = 1_000_000


class SimClock:
    """A process' clocks: its wall clock may be wrong, its boot clock is not."""

    def __init__(self, world: World) -> None:
        self._world = world

    def wall_s(self) -> float:
        skew_us = self._world.running.skew_us if self._world.running else 0
        return (EPOCH_US + self._world.now_us + skew_us) / 1_000_000

    def boot_ms(self) -> int:
        return _BOOT_MS + self._world.now_us // 1_000

    def sleep(self, seconds: float) -> None:
        self._world.wait(max(0, int(seconds * 1_000_000)))


class SimHorse:
    """A horse as its parent sees it."""

    def __init__(self, world: World, process: Process, parent: Process) -> None:
        self.pid = len(world.processes)
        self._world = world
        self._process = process
        process.on_end = lambda _: world.wake(parent)

    def fileno(self) -> int:
        return -1

    def ended(self) -> Ending | None:
        if self._process.is_alive:
            return None
        code = self._process.exit_code
        return Ending(code, None if code is not None else _SIGKILL)

    def freeze(self) -> None:
        self._world.freeze(self._process, FOR_EVER)

    def thaw(self) -> None:
        self._world.thaw(self._process)

    def kill(self) -> Ending:
        self._world.kill(self._process)
        ending = self.ended()
        assert ending is not None
        return ending


class SimRuntime:
    """Starts horses as simulated processes; a horse dies with its parent, as PDEATHSIG has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0

    def start_horse(self, run: Callable[[], int]) -> Horse:
        parent = self._world.running
        assert parent is not None
        self._count += 1
        process = self._world.spawn(f"{parent.name}.h{self._count}", run, delay_us=1_500, parent=parent)
        return SimHorse(self._world, process, parent)


class SimEars:
    """Waits in virtual time. The bell is a look every so often: hints are never part of safety."""

    def __init__(self, world: World, clock: SimClock, *, poll_ms: int) -> None:
        self._world = world
        self._clock = clock
        self._poll_ms = poll_ms
        self._listening_until: int | None = None
        self._commands: list[dict[str, Any]] = []
        self._process: Process | None = None

    def order(self, command: dict[str, Any]) -> None:
        """Send a command, as RQ's pub/sub does."""
        self._commands.append(command)
        if self._process is not None:
            self._world.wake(self._process)

    def nudge(self) -> None:
        """Interrupt the wait, as a signal does."""
        if self._process is not None:
            self._world.wake(self._process)

    def wait_for_bell(self, listens_at: Sequence[str]) -> None:  # noqa: ARG002 - the bell is not heard here, either
        if self._listening_until is None:
            self._listening_until = self._clock.boot_ms() + self._poll_ms

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        self._process = self._world.running
        if self._listening_until is not None:
            until_ms = min(until_ms, self._listening_until)
        if not self._commands and not (horse is not None and horse.ended()):
            wait_us = max(0, until_ms - self._clock.boot_ms()) * 1_000
            # At least one turn, so that a loop with nothing to wait for lets time pass.
            self._world.wait_until(self._world.now_us + max(wait_us, 100), may_be_woken=True)
        commands, self._commands = tuple(self._commands), []
        bell = self._listening_until is not None and self._clock.boot_ms() >= self._listening_until
        if bell:
            self._listening_until = None
        return Heard(bell, commands)


class SimFace:
    """RQ's registry is not part of what the simulation judges."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock

    def beat(self, now_ms: int) -> int:
        return now_ms + 10_000

    def busy(self) -> None:
        """Nobody looks."""

    def idle(self) -> None:
        """Nobody looks."""

    def suspended(self) -> None:
        """Nobody looks."""
