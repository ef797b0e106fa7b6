"""What parent and horse say to each other, over a pair of sockets.

A message is written whole before its writer goes on, so what a horse has said can still be heard when it is dead.
"""

from __future__ import annotations

import marshal
import socket
import struct
from contextlib import suppress
from typing import Any, Protocol

#: A word for what it is, and what it takes. Plain values only: both ends are one program.
Message = tuple[Any, ...]

_HEAD = struct.Struct("=Q")
_CHUNK = 1 << 16


class Bit(Protocol):
    """The horse's end: it has one thing to do at a time, and waits."""

    def say(self, message: Message) -> None:
        """Say something. Returns once the other end can hear it, whatever becomes of us."""
        ...

    def wait(self) -> Message | None:
        """Wait for the next message; None once nobody is at the other end."""
        ...


class _End:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._came = bytearray()

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
    """The horse's end of a socket."""

    def say(self, message: Message) -> None:
        # Without a parent there is nobody left to tell; this process ends, too.
        with suppress(OSError):
            self._sock.sendall(_written(message))

    def wait(self) -> Message | None:
        while (message := self._next()) is None:
            try:
                chunk = self._sock.recv(_CHUNK)
            except OSError:
                return None
            if not chunk:
                return None
            self._came += chunk
        return message


class Reins(_End):
    """The parent's end: it never waits, since it has more to look after."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setblocking(False)  # noqa: FBT003 - the socket module's
        #: What the socket did not take yet.
        self._rest = bytearray()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def is_full(self) -> bool:
        """Whether something is left to be written once the other end has read."""
        return bool(self._rest)

    def say(self, message: Message) -> None:
        """Say something, now or by and by."""
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
        with suppress(OSError):
            while chunk := self._sock.recv(_CHUNK):
                self._came += chunk
                if len(chunk) < _CHUNK:
                    break
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        """Let go of the socket."""
        self._sock.close()


def pair() -> tuple[Reins, socket.socket]:
    """Make both ends: ours, and the socket for the other process' `SocketBit`."""
    ours, theirs = socket.socketpair()
    return Reins(ours), theirs
