"""What parent and horse say to each other, over a pair of sockets.

A message is written whole before its writer goes on, so what a horse has said can still be heard when it is dead.
"""

from __future__ import annotations

import marshal
import select
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: A word for what it is, and what it takes. Plain values only: both ends are one program.
Message = tuple[Any, ...]

_HEAD = struct.Struct("=Q")
_CHUNK = 1 << 16
#: How many words of a horse's may lie unheard where there is a bell: their socket holds some more.
MOST_UNHEARD = 128
#: How many bytes may be left unheard, and how many a socket must then hold: a small message takes several times more.
_MOST_BYTES, _ROOM_BYTES = 131_072, 262_144
_BELL, _BIG = b"!", b"B"
#: After so long without one the next message rings, urgent or not.
QUIET_S = 0.05


class Bit(Protocol):
    """The horse's end: it has one thing to do at a time, and waits."""

    def say(self, message: Message, *, is_urgent: bool = True) -> None:
        """Say something. Returns once the other end can hear it, whatever becomes of us.

        What is not urgent is heard a little later, together with more.
        """
        ...

    def whisper(self, message: Message) -> None:
        """Say something that wakes nobody: our parent looks by itself in a while."""
        ...

    def look(self) -> Message | None:
        """Give the next message, if one has come."""
        ...

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when a message comes, or our parent has gone."""
        ...

    def wait(self) -> Message | None:
        """Wait for the next message; None once nobody is at the other end."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether nobody is at the other end any more."""
        ...


class _End:
    def __init__(self, sock: socket.socket, bell: socket.socket | None) -> None:
        self._sock = sock
        self._bell = bell
        self._came = bytearray()

    def close(self) -> None:
        """Let go of the sockets."""
        self._sock.close()
        if self._bell is not None:
            self._bell.close()

    def _next(self) -> Message | None:
        """Give the next message that has come whole."""
        if len(self._came) < _HEAD.size:
            return None
        end = _HEAD.size + _HEAD.unpack_from(self._came)[0]
        if len(self._came) < end:
            return None
        message: Message = marshal.loads(memoryview(self._came)[_HEAD.size : end])  # noqa: S302 - our own fork wrote it
        del self._came[:end]
        return message


def _written(message: Message) -> bytes:
    body = marshal.dumps(message)
    return _HEAD.pack(len(body)) + body


class SocketBit(_End):
    """The horse's end.

    What it says can be heard at once. Where there is a bell its parent is woken only by that, and it is rung when
    there is a reason: something urgent, so many messages, nothing more to do, more bytes than a socket may hold, or a
    first word after a while.
    """

    def __init__(
        self, sock: socket.socket, bell: socket.socket | None, most_unheard: int, now_s: Callable[[], float]
    ) -> None:
        super().__init__(sock, bell)
        self._now_s = now_s
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        if bell is not None:
            bell.setblocking(False)  # noqa: FBT003 - the socket module's
        self._most_unheard = most_unheard
        self._unheard = self._unheard_bytes = 0
        self._rung_at_s = 0.0
        self._is_alone = False

    @property
    def is_alone(self) -> bool:
        return self._is_alone

    def fileno(self) -> int:
        return self._sock.fileno()

    def say(self, message: Message, *, is_urgent: bool = True) -> None:
        self.whisper(message)
        if is_urgent or self._unheard >= self._most_unheard or self._now_s() >= self._rung_at_s + QUIET_S:
            self._ring(_BELL)

    def whisper(self, message: Message) -> None:
        written = _written(message)
        if self._unheard_bytes + len(written) > _MOST_BYTES:
            self._ring(_BIG if len(written) > _MOST_BYTES else _BELL)
        try:
            self._sock.sendall(written)
        except OSError:
            # Without a parent there is nobody left to tell; this process ends, too.
            self._is_alone = True
        self._unheard += 1
        self._unheard_bytes += len(written)

    def _ring(self, stroke: bytes) -> None:
        self._unheard = self._unheard_bytes = 0
        self._rung_at_s = self._now_s()
        if self._bell is not None:
            with suppress(OSError):
                self._bell.send(stroke)

    def look(self) -> Message | None:
        message = self._next()
        # Asked each time a job ends, and nearly always in vain: a call that fails would take four times as long.
        if message is None and self._poll.poll(0):
            with suppress(OSError):
                self._came += self._sock.recv(_CHUNK, socket.MSG_DONTWAIT)
            message = self._next()
        return message

    def wait(self) -> Message | None:
        flags: int = socket.MSG_DONTWAIT if self._unheard else 0
        while (message := self._next()) is None:
            try:
                chunk = self._sock.recv(_CHUNK, flags)
            except BlockingIOError:
                if self._unheard:
                    self._ring(_BELL)
                flags = 0
                continue
            except OSError:
                return None
            if not chunk:
                self._is_alone = True
                return None
            self._came += chunk
        return message


class Reins(_End):
    """The parent's end: it never waits, since it has more to look after."""

    def __init__(self, sock: socket.socket, bell: socket.socket | None) -> None:
        super().__init__(sock, bell)
        for each in filter(None, (sock, bell)):
            each.setblocking(False)  # noqa: FBT003 - the socket module's
        #: What the socket did not take yet.
        self._rest = bytearray()
        #: How many messages are on their way that are more than the socket holds at a time.
        self._big = 0

    def files(self) -> dict[int, bool]:
        """Give what becomes readable when there is something to hear.

        And, with True, what is also of interest once it can be written: something is left to say.
        """
        if self._bell is None:
            return {self._sock.fileno(): bool(self._rest)}
        files = {self._bell.fileno(): False}
        if self._rest or self._big:
            files[self._sock.fileno()] = bool(self._rest)
        return files

    def say(self, *messages: Message) -> None:
        """Say something, now or by and by."""
        for message in messages:
            self._rest += _written(message)
        self.go_on()

    def go_on(self) -> None:
        """Write what the socket takes."""
        try:
            while self._rest:
                del self._rest[: self._sock.send(self._rest)]
        except BlockingIOError:
            return
        except OSError:
            self._rest.clear()  # it is dead, and is found so

    def heard(self) -> list[Message]:
        """Give what has come. A message that its writer's death cut short is none."""
        if self._bell is not None:
            with suppress(OSError):
                self._big += self._bell.recv(_CHUNK).count(_BIG)
        with suppress(OSError):
            while chunk := self._sock.recv(_CHUNK):
                self._came += chunk
                if len(chunk) < _CHUNK:
                    break
        messages, there = [], len(self._came)
        while (message := self._next()) is not None:
            messages.append(message)
            if self._bell is not None:
                self._big -= there - len(self._came) > _MOST_BYTES
            there = len(self._came)
        return messages


def pair(most_unheard: int, now_s: Callable[[], float]) -> tuple[Reins, SocketBit]:
    """Make both ends, with a bell if more than one thing may be left unheard for a while."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM_BYTES)
    is_roomy = theirs.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= _ROOM_BYTES
    bell, rope = socket.socketpair() if most_unheard > 1 and is_roomy else (None, None)
    return Reins(ours, bell), SocketBit(theirs, rope, most_unheard, now_s)
