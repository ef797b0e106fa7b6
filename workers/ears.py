"""Waiting: for the horse to end, the bell to ring, a command to come, a signal, or a moment."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.jobs.store.lines import Orders
from holdfast.workers.watch import RECONNECT_MS, SocketWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.scripts import Trip
    from holdfast.workers.runtime import Horse

_POLL_WITHOUT_PIDFD_MS = 20
#: How often the line for commands is asked for a sign of life, and how long it may owe one: by default longer than a
#: job in hand is kept without news, as the new connection may take the time of an answer.
_SIGN_OF_LIFE_MS = 10_000


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
        """Listen, from now until it is heard, for the bell of our queues, and at these for plain producers.

        The server makes that claim as soon as the bell rings, or when nobody has rung it for long.
        """
        ...

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        """Wait until something comes, the horse ends or says something, or that moment on the boot clock."""
        ...


class SocketEars:
    """Ears on real sockets: one select over all of them, in the one thread of the parent."""

    def __init__(self, redis: Redis, clock: Clock, *, queues: Sequence[str], channel: str, poll_ms: int) -> None:
        self._clock = clock
        self._watch = SocketWatch(redis, clock, queues=queues, poll_ms=poll_ms)
        self._orders = Orders(redis, channel)
        self._subscribe_at = self._reconnect_at = 0
        self._poll, self._polled = select.poll(), dict[int, bool]()
        self._wake_read, self._wake_write = os.pipe()  # macOS has no pipe2()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._woken_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # Before the first job is asked for: a command may be about it as soon as it has begun.
        self._subscribe()

    def wait_for_bell(self, listens_at: Sequence[str], claim: Trip) -> None:
        self._watch.begin(listens_at, claim)

    def hear(self, until_ms: int, horse: Horse | None) -> Heard:
        self._subscribe()
        if self._watch.until_ms is not None:
            until_ms = min(until_ms, self._watch.until_ms)
        ready = self._select(until_ms, horse)
        if self._wake_read in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        commands = self._orders.commands() if self._orders.fileno() in ready else ()
        if not self._watch.hear(ready):
            return Heard(commands=commands)
        return Heard(bell=True, answer=self._watch.claimed, commands=commands)

    def close(self) -> None:
        """Hang up, and give signals back to whoever waited for them before."""
        signal.set_wakeup_fd(self._woken_before)
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._watch.close()
        self._orders.hang_up()

    def _select(self, until_ms: int, horse: Horse | None) -> set[int]:
        wait_ms = max(0, until_ms - self._clock.boot_ms())
        files = dict.fromkeys((self._wake_read, self._orders.fileno(), *self._watch.files()), False)
        if horse is not None:
            if not horse.is_watched:
                wait_ms = min(wait_ms, _POLL_WITHOUT_PIDFD_MS)
            files |= horse.files()
        files.pop(-1, None)
        return {file for file, _ in self._poll_of(files).poll(wait_ms)}

    def _poll_of(self, files: dict[int, bool]) -> select.poll:
        # The same files most of the time, and thousands of times a second.
        if files != self._polled:
            self._poll, self._polled = select.poll(), files
            for file, may_be_written in files.items():
                self._poll.register(file, select.POLLIN | (select.POLLOUT if may_be_written else 0))
        return self._poll

    def _subscribe(self) -> None:
        # Even if we have: that changes nothing, and is answered, unless a firewall forgot this line and told nobody.
        now, orders = self._clock.boot_ms(), self._orders
        if now < (self._reconnect_at if orders.fileno() < 0 else self._subscribe_at):
            return
        if orders.is_asking and not orders.has_answer():
            orders.hang_up()
        orders.subscribe()
        asked_at = self._clock.boot_ms()
        self._subscribe_at = asked_at + _SIGN_OF_LIFE_MS
        # A server that refuses is asked again soon. One that is silent is not: to ask it holds up the parent.
        self._reconnect_at = asked_at + (RECONNECT_MS if asked_at - now < RECONNECT_MS else _SIGN_OF_LIFE_MS)
