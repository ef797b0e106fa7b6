"""Waiting: for the horse to end, the bell to ring, a command to come, a signal, or a moment."""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.jobs.store import keys
from holdfast.workers.lines import Bell, WaitingLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.scripts import Trip
    from holdfast.workers.runtime import Horse

_POLL_WITHOUT_PIDFD_MS = 20
_RECONNECT_MS = 1_000
_SAME_MOMENT_S = 0.0003


@dataclass(frozen=True)
class Heard:
    """What came while waiting."""

    #: The wait for a job is over: the bell rang, or it is time to look without one.
    bell: bool = False
    #: What was answered to the claim that stood while we waited; None: whether it was made is unknown.
    answer: list[Any] | None = None
    commands: tuple[dict[str, Any], ...] = field(default=())


class Ears(Protocol):
    """What the engine waits with: the seam that a simulation replaces."""

    def wait_for_bell(self, listens_at: Sequence[str], claim: Trip) -> None:
        """From now on, until it is heard, listen for the bell of our queues, and at these for plain producers.

        The server makes that claim as soon as the bell rings, or nobody has rung it for long.
        """
        ...

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        """Wait until something comes, the horse ends or says something, or that moment on the boot clock."""
        ...


def _has_job(answer: list[Any] | None) -> bool:
    """Tell whether a claim was answered with something to do."""
    return answer is not None and answer[0] != b"empty"


class SocketEars:
    """Ears on real sockets: one select over all of them, in the one thread of the parent."""

    def __init__(self, redis: Redis, clock: Clock, *, queues: Sequence[str], channel: str, poll_ms: int) -> None:
        self._clock = clock
        self._bells = [keys.bell(queue) for queue in queues]
        self._channel = channel
        self._poll_ms = poll_ms
        self._redis = redis
        self._bell = Bell(redis)
        self._peeks: dict[str, WaitingLine] = {}
        self._orders = WaitingLine(redis)
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

    def wait_for_bell(self, listens_at: Sequence[str], claim: Trip) -> None:
        if self._listening_until is None:
            self._bell.wait(self._bells, self._poll_ms, claim)
            self._listening_until = self._clock.boot_ms() + self._poll_ms + self._poll_ms // 4
            self._peek(listens_at)

    def _peek(self, queues: Sequence[str]) -> None:
        for queue in self._peeks.keys() - set(queues):
            self._peeks[queue].hang_up()
        for queue in queues:
            line = self._peeks.setdefault(queue, WaitingLine(self._redis))
            if line.is_asking and line.has_answer():
                line.answers()  # of a job that we were called for as well, and have had
            if not line.is_asking:
                self._ask_for_plain(queue, line)

    def _ask_for_plain(self, queue: str, line: WaitingLine) -> None:
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
        if self._listening_until is None or not self._wait_is_over(ready):
            return Heard(commands=commands)
        self._listening_until = None
        return Heard(bell=True, answer=self._bell.claimed, commands=commands)

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

    def _wait_is_over(self, ready: set[int]) -> bool:
        assert self._listening_until is not None
        bell = self._bell
        if bell.fileno() in ready:
            bell.listen()
            if bell.is_over and (not bell.is_refused or _has_job(bell.claimed) or self._may_look_after_a_break()):
                return True
        elif self._hears_a_plain_job(ready) and not bell.has_answer(_SAME_MOMENT_S):
            # Our producers ring in the same script, and both are told of in one go. Else a bell that rings for others
            # would be heard by one that is at work.
            bell.hang_up()
            return True
        if self._clock.boot_ms() >= self._listening_until:
            # No answer although Redis should have given one: do not trust this line again.
            bell.hang_up()
            return True
        return False

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
