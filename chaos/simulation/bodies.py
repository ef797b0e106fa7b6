"""What the engine asks of the outside, simulated: clocks, processes, ears, and RQ's registry."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from redis import Connection

from holdfast.chaos.simulation.servers import EPOCH_US
from holdfast.chaos.simulation.world import FOR_EVER, Process, World
from holdfast.workers.ears import Heard
from holdfast.workers.reins import QUIET_S
from holdfast.workers.runtime import Ending
from holdfast.workers.shared_memory import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.store.scripts import Trip
    from holdfast.workers.messages import FromHorse, FromParent
    from holdfast.workers.reins import Bit
    from holdfast.workers.runtime import Horse

_SIGKILL = 9
_BOOT_MS = 1_000_000
#: What a word between parent and horse takes.
_HOP_US = 20

_pack: Callable[..., Any] = Connection().pack_command


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


class SimBoard(Board):
    """The page that parent and horse share: each may lose its core just before it reads, and just after it writes."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._words = _Words(world, len(self._words))  # type: ignore[assignment]  # a list serves as well


class _Words(list[int]):
    def __init__(self, world: World, size: int) -> None:
        super().__init__([0] * size)
        self._world = world

    def __getitem__(self, at: Any) -> Any:
        self._world.stall()
        return super().__getitem__(at)

    def __setitem__(self, at: Any, word: Any) -> None:
        super().__setitem__(at, word)
        self._world.stall()


class SimBit:
    """The horse's end of the reins."""

    def __init__(self, world: World, parent: Process) -> None:
        self._world = world
        self._parent = parent
        self.process: Process | None = None
        #: What each end has been told, and has not heard yet.
        self.for_horse: deque[FromParent] = deque()
        self.for_parent: deque[FromHorse] = deque()
        #: Whether the parent was woken since it heard last, and when.
        self.rung = False
        self._rung_at_us = 0

    def say(self, message: FromHorse, *, is_urgent: bool = True) -> None:
        self._world.stall()
        self.for_parent.append(message)
        if is_urgent or self._world.now_us >= self._rung_at_us + QUIET_S * 1_000_000:
            self._ring()
        # A process may be stopped or killed just after it has said something.
        self._world.wait(_HOP_US)
        self._world.stall()

    def _ring(self) -> None:
        self.rung, self._rung_at_us = True, self._world.now_us
        self._world.wake(self._parent)

    def whisper(self, message: FromHorse) -> None:
        self._world.stall()
        self.for_parent.append(message)
        self._world.wait(_HOP_US)
        self._world.stall()

    def fileno(self) -> int:
        return -1

    def is_cut_off(self) -> bool:
        return False

    def look(self) -> FromParent | None:
        self._world.stall()
        return self.for_horse.popleft() if self.for_horse else None

    def wait(self) -> FromParent | None:
        self.process = self._world.running
        if not self.for_horse and self.for_parent:
            self._ring()
        while not self.for_horse:
            self._world.wait_until(FOR_EVER, may_be_woken=True)
        return self.for_horse.popleft()

    def hears_by(self, until_us: int) -> bool:
        """Wait for a message until then, without waking anybody; tell whether there is one."""
        self.process = self._world.running
        while not self.for_horse and self._world.now_us < until_us:
            self._world.wait_until(until_us, may_be_woken=True)
        return bool(self.for_horse)

    @property
    def is_alone(self) -> bool:
        return False  # it ends with its parent


class SimWatch:
    """A horse's wait for its bell, which is not heard: a look every so often."""

    claimed = None

    def __init__(self, world: World, poll_ms: int, apply: Callable[[Any], None]) -> None:
        self._world = world
        self._poll_us = poll_ms * 1_000
        self._apply = apply

    def is_called(self, listens_at: Sequence[str], claim: Trip, bit: Bit) -> bool:
        del listens_at
        assert isinstance(bit, SimBit)
        _let_stand(self._world, self._poll_us, self._apply, claim)
        return not bit.hears_by(self._world.now_us + self._poll_us)


def _let_stand(world: World, poll_us: int, apply: Callable[[Any], None], claim: Trip) -> None:
    """Have the server make it about when the wait is over, or not at all; its answer is never heard."""
    process = world.running
    assert process is not None
    about_us = process.rng.choice([-1_000, 0, 1_000, 5_000, None])
    if about_us is not None:
        moment_us = world.now_us + poll_us + about_us
        # A frozen process has its connections still, a dead one has not.
        world.at(moment_us, lambda: apply(_pack(*claim.words)) if process.is_alive else None)


class SimHorse:
    """A horse as its parent sees it."""

    def __init__(self, world: World, process: Process, parent: Process, bit: SimBit) -> None:
        self.pid = len(world.processes)
        self._world = world
        self._process = process
        self._bit = bit
        process.on_end = lambda _: world.wake(parent)

    def files(self) -> dict[int, bool]:
        return {}

    @property
    def is_watched(self) -> bool:
        return True

    def say(self, *messages: FromParent) -> None:
        self._world.stall()
        self._bit.for_horse.extend(messages)
        if self._bit.process is not None:
            self._world.wake(self._bit.process)

    def heard(self) -> list[FromHorse]:
        said = list(self._bit.for_parent)
        self._bit.for_parent.clear()
        self._bit.rung = False
        self._world.stall()
        return said

    @property
    def has_news(self) -> bool:
        """Whether its parent was woken."""
        return self._bit.rung or not self._process.is_alive

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

    def start_horse(self, run: Callable[[Bit], int]) -> Horse:
        parent = self._world.running
        assert parent is not None
        self._count += 1
        bit = SimBit(self._world, parent)
        name = f"{parent.name}.h{self._count}"
        process = self._world.spawn(name, lambda: run(bit), delay_us=1_500, parent=parent)
        return SimHorse(self._world, process, parent, bit)


class SimEars:
    """Waits in virtual time. The bell is a look every so often: hints are never part of safety."""

    def __init__(self, world: World, clock: SimClock, *, poll_ms: int, apply: Callable[[Any], None]) -> None:
        self._world = world
        self._clock = clock
        self._poll_ms = poll_ms
        self._apply = apply
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

    def wait_for_bell(self, listens_at: Sequence[str], claim: Trip) -> None:  # noqa: ARG002 - the bell is not heard here, either
        if self._listening_until is None:
            self._listening_until = self._clock.boot_ms() + self._poll_ms
            _let_stand(self._world, self._poll_ms * 1_000, self._apply, claim)

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        self._process = self._world.running
        if self._listening_until is not None:
            until_ms = min(until_ms, self._listening_until)
        if not self._commands and not (isinstance(horse, SimHorse) and horse.has_news):
            wait_us = max(0, until_ms - self._clock.boot_ms()) * 1_000
            # At least one turn, so that a loop with nothing to wait for lets time pass.
            self._world.wait_until(self._world.now_us + max(wait_us, 100), may_be_woken=True)
        commands, self._commands = tuple(self._commands), []
        bell = self._listening_until is not None and self._clock.boot_ms() >= self._listening_until
        if bell:
            self._listening_until = None
        return Heard(bell, commands=commands)


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
