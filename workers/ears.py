"""Waiting: for the horse to end, the bell to ring, a command to come, a signal, or a moment."""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import RedisError

from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis
    from redis.connection import ConnectionInterface

    from holdfast.jobs.clock import Clock
    from holdfast.workers.runtime import Horse

_POLL_WITHOUT_PIDFD_MS = 20
_RECONNECT_MS = 1_000
_SAME_MOMENT_S = 0.0003


@dataclass(frozen=True)
class Heard:
    """What came while waiting."""

    #: The wait for a job is over: the bell rang, or it is time to look without one.
    bell: bool = False
    commands: tuple[dict[str, Any], ...] = field(default=())


class Ears(Protocol):
    """What the engine waits with: the seam that a simulation replaces."""

    def wait_for_bell(self, listens_at: Sequence[str]) -> None:
        """From now on, until it is heard, listen for the bell of our queues, and at these for plain producers."""
        ...

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        """Wait until something comes, the horse ends or says something, or that moment on the boot clock."""
        ...


class _Line:
    """A connection on which an answer may come at any time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.connection: ConnectionInterface | None = None
        #: Whether an answer is still to come.
        self.is_asking = False

    def fileno(self) -> int:
        sock = getattr(self.connection, "_sock", None)
        return -1 if sock is None else int(sock.fileno())

    def ask(self, *words: str | float) -> bool:
        """Send a command whose answer may take long. Tells whether it went out."""
        try:
            if self.connection is None:
                self.connection = self._redis.connection_pool.make_connection()
            self.connection.send_command(*words)
        except (RedisError, OSError):
            self.hang_up()
            return False
        self.is_asking = True
        return True

    def answers(self) -> list[Any]:
        """Read what has come. An empty list after a broken line."""
        found = []
        self.is_asking = False
        try:
            assert self.connection is not None
            found.append(self.connection.read_response())
            while self.connection.can_read(timeout=0):
                found.append(self.connection.read_response())
        except (RedisError, OSError):
            self.hang_up()
        return found

    def hang_up(self) -> None:
        """End what was asked. The connection is kept for the next time: a pool makes only so many, ever."""
        if self.connection is not None:
            with suppress(RedisError, OSError):
                self.connection.disconnect()
        self.is_asking = False


class SocketEars:
    """Ears on real sockets: one select over all of them, in the one thread of the parent."""

    def __init__(self, redis: Redis, clock: Clock, *, queues: Sequence[str], channel: str, poll_ms: int) -> None:
        self._clock = clock
        self._bells = [keys.bell(queue) for queue in queues]
        self._channel = channel
        self._poll_ms = poll_ms
        self._redis = redis
        self._bell = _Line(redis)
        self._peeks: dict[str, _Line] = {}
        self._orders = _Line(redis)
        self._listening_until: int | None = None
        self._subscribe_at = 0
        self._trust_bell_at = 0
        self._poll, self._polled = select.poll(), dict[int, bool]()
        self._wake_read, self._wake_write = os.pipe()  # macOS has no pipe2()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._woken_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # Before the first job is asked for: a command may be about it as soon as it has begun.
        self._subscribe()

    def wait_for_bell(self, listens_at: Sequence[str]) -> None:
        if self._listening_until is None:
            # BLPOP takes a hint, never a job: a lost answer costs time only.
            if not self._bell.is_asking:
                self._bell.ask("BLPOP", *self._bells, self._poll_ms / 1000)
            self._listening_until = self._clock.boot_ms() + self._poll_ms + self._poll_ms // 4
            self._peek(listens_at)

    def _peek(self, queues: Sequence[str]) -> None:
        for queue in self._peeks.keys() - set(queues):
            self._peeks[queue].hang_up()
        for queue in queues:
            line = self._peeks.setdefault(queue, _Line(self._redis))
            if not line.is_asking:
                self._ask_for_plain(queue, line)

    def _ask_for_plain(self, queue: str, line: _Line) -> None:
        # The head of the line to the head of the line: tells of a job, and moves none.
        line.ask("BLMOVE", keys.queue(queue), keys.queue(queue), "LEFT", "LEFT", self._poll_ms / 1000)

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        self._subscribe()
        if self._listening_until is not None:
            until_ms = min(until_ms, self._listening_until)
        ready = self._select(until_ms, horse)
        if self._wake_read in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        commands = self._read_commands() if self._orders.fileno() in ready else ()
        return Heard(self._bell_is_over(ready), commands)

    def close(self) -> None:
        """Hang up, and give signals back to whoever waited for them before."""
        signal.set_wakeup_fd(self._woken_before)
        os.close(self._wake_read)
        os.close(self._wake_write)
        for line in (self._bell, self._orders, *self._peeks.values()):
            line.hang_up()

    def _select(self, until_ms: int, horse: Horse | None) -> set[int]:
        wait_ms = max(0, until_ms - self._clock.boot_ms())
        files = {self._wake_read: False, self._orders.fileno(): False}
        if self._listening_until is not None:
            # Only then is an answer read: one that came before, as from a server that has gone, would end every wait.
            files |= {line.fileno(): False for line in (self._bell, *self._peeks.values())}
        if horse is not None:
            its_files = horse.files()
            if len(its_files) < len(("what it says", "its end")):
                wait_ms = min(wait_ms, _POLL_WITHOUT_PIDFD_MS)
            files |= its_files
        files.pop(-1, None)
        return {file for file, _ in self._poll_of(files).poll(wait_ms)}

    def _poll_of(self, files: dict[int, bool]) -> select.poll:
        # The same files most of the time, and thousands of times a second.
        if files != self._polled:
            self._poll, self._polled = select.poll(), files
            for file, may_be_written in files.items():
                self._poll.register(file, select.POLLIN | (select.POLLOUT if may_be_written else 0))
        return self._poll

    def _bell_is_over(self, ready: set[int]) -> bool:
        if self._listening_until is None:
            return False
        if self._hears_a_plain_job(ready):
            if self._rings_with_it():
                self._bell.answers()
            else:
                # Or a bell that rings for others would be heard by one that is at work.
                self._bell.hang_up()
            self._listening_until = None
            return True
        if self._bell.fileno() in ready and (self._bell.answers() or self._may_look_after_a_break()):
            self._listening_until = None
            return True
        if self._clock.boot_ms() >= self._listening_until:
            # No answer although Redis should have given one: do not trust this line again.
            self._bell.hang_up()
            self._listening_until = None
            return True
        return False

    def _rings_with_it(self) -> bool:
        # Our producers ring in the same script, and both are told of in one go; to connect anew takes longer.
        return self._bell.fileno() >= 0 and bool(select.select([self._bell], [], [], _SAME_MOMENT_S)[0])

    def _may_look_after_a_break(self) -> bool:
        # A server that refuses this line and no other would else be asked as fast as it can refuse.
        now = self._clock.boot_ms()
        if now < self._trust_bell_at and self._listening_until is not None:
            self._listening_until = min(self._listening_until, self._trust_bell_at)
            return False
        self._trust_bell_at = now + _RECONNECT_MS
        return True

    def _hears_a_plain_job(self, ready: set[int]) -> bool:
        heard = False
        for queue, line in self._peeks.items():
            if line.fileno() in ready:
                answers = line.answers()
                heard = heard or any(answer is not None for answer in answers)
                if answers == [None]:
                    # It was asked at another moment than the bell, and the bell's wait goes on.
                    self._ask_for_plain(queue, line)
        return heard

    def _subscribe(self) -> None:
        if self._orders.fileno() < 0 and self._clock.boot_ms() >= self._subscribe_at:
            self._subscribe_at = self._clock.boot_ms() + _RECONNECT_MS
            self._orders.ask("SUBSCRIBE", self._channel)

    def _read_commands(self) -> tuple[dict[str, Any], ...]:
        found = []
        for answer in self._orders.answers():
            if isinstance(answer, list) and answer[0] == b"message":
                with suppress(ValueError):
                    found.append(json.loads(answer[2]))
        return tuple(found)
