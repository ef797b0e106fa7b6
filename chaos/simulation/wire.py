"""The one seam between production code and the simulated world: redis-py's Connection class.

Every call is two scheduling points: the request's way to the server and the reply's way back. What goes wrong on the
way is asked of the world's strikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import redis
from greenlet import GreenletExit
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from holdfast.chaos.simulation.breaking import next_version
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.chaos.simulation.world import Process, World

#: How long a lost reply is waited for, in virtual us. The client's own patience, as `Settings.reply_ms`.
_LATENCY_US = 600


@dataclass(frozen=True)
class Call:
    """One Redis call of one process."""

    process: Process
    #: Counts the calls of this process.
    number: int
    #: The move, or the command where it is none.
    name: str


@dataclass
class Fate:
    """What befalls one call. Each is None or False unless a fault says otherwise."""

    drop_request: bool = False
    drop_reply: bool = False
    crash_before: Callable[[], None] | None = None
    crash_after: Callable[[], None] | None = None
    pause_before: Callable[[], None] | None = None
    pause_after: Callable[[], None] | None = None
    repeat: bool = False
    #: How much longer than usual the request takes to arrive.
    delay_us: int = 0
    #: Applied this many us after the client has given up.
    deliver_late_us: int | None = None
    #: The server answers with this error instead of doing it.
    refuse: Exception | None = None


class Fates(Protocol):
    """Decides what befalls each call."""

    def of(self, call: Call) -> Fate:
        """Give the fate of this call."""
        ...


class Server(Protocol):
    """The server behind the wire."""

    def set_clock(self) -> None:
        """Make the server's clock show the world's moment, before a command is applied."""
        ...

    def apply(self, packed: Any) -> None:
        """Apply a packed command on a connection of nobody."""
        ...


def move_names() -> dict[str, str]:
    """Name the move of each script's sha, and of its text: a server that has forgotten a script is sent that."""
    names: dict[str, str] = {}
    for record in (False, True):
        for name, each in load(record=record).items():
            for script in (each, next_version(each)):
                names |= {script.sha: name, script.sent: name}
    return names


_NAMES = move_names()


def name_of(words: tuple[Any, ...]) -> str:
    """Name what a command asks for."""
    first = str(words[0]).upper()
    if first in {"EVALSHA", "EVAL"}:
        return _NAMES.get(str(words[1]), first)
    return first


class Wire:
    """Mixed in before a connection class: `world`, `server` and `fates` come as class attributes of a subclass."""

    world: World
    server: Server
    fates: Fates
    patience_us: int

    _name = "?"
    _fate = Fate()
    _is_greeting = False

    def connect(self) -> None:
        if getattr(self, "_sock", None):
            return
        self._is_greeting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_greeting = False

    def send_command(self, *words: Any, **options: Any) -> Any:
        if not self._is_greeting:
            self._name = name_of(words)
        return super().send_command(*words, **options)  # type: ignore[misc]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        if self.world.is_closed:
            raise GreenletExit  # thrown once to free the stack, it was taken for a job's failure
        process = self.world.running
        if self._is_greeting or process is None:
            self.server.set_clock()
            super().send_packed_command(command, check_health)  # type: ignore[misc]
            return
        process.calls += 1
        call = Call(process, process.calls, self._name)
        self._fate = fate = self.fates.of(call)
        self.world.wait(1 + int(process.rng.expovariate(1 / _LATENCY_US)) + fate.delay_us)
        if fate.crash_before:
            fate.crash_before()
        if fate.pause_before:
            fate.pause_before()
            self.world.wait(1)
        if fate.drop_request:
            self.world.wait(self.patience_us)
            self._give_up(RedisConnectionError("simulated: request lost"))
        if fate.deliver_late_us is not None:
            self.world.at(
                self.world.now_us + self.patience_us + fate.deliver_late_us, lambda: self.server.apply(command)
            )
            self.world.wait(self.patience_us)
            self._give_up(RedisTimeoutError("simulated: request late"))
        if fate.refuse is not None:
            raise fate.refuse
        self.connect()
        self.server.set_clock()
        if fate.repeat:
            self.server.apply(command)
        super().send_packed_command(command, check_health)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        process = self.world.running
        if self._is_greeting or process is None:
            return super().read_response(*args, **options)  # type: ignore[misc]
        fate, self._fate = self._fate, Fate()
        if fate.crash_after:
            fate.crash_after()
        if fate.pause_after:
            fate.pause_after()
        self.world.wait(1 + int(process.rng.expovariate(1 / _LATENCY_US)))
        if fate.drop_reply:
            self.world.wait(self.patience_us)
            self._give_up(RedisTimeoutError("simulated: reply lost"))
        return super().read_response(*args, **options)  # type: ignore[misc]

    def _give_up(self, error: Exception) -> None:
        self.disconnect()  # type: ignore[attr-defined]
        raise error


def client(connection_class: type[Any], **arguments: Any) -> redis.Redis:
    """Give a client whose connections are of that class."""
    pool = redis.ConnectionPool(connection_class=connection_class, protocol=2, retry=None, **arguments)
    return redis.Redis(connection_pool=pool)
