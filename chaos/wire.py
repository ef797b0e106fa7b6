"""One side of a proxied connection: RESP cut into values, hanging up and resetting, and who is at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import hiredis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Address: TypeAlias = tuple[str, int]


class End(asyncio.Protocol):
    """One side of a link: the values that came, each with its moment, and how to leave."""

    def __init__(self, welcome: Callable[[End], None] | None = None) -> None:
        self._welcome = welcome
        self._transport: asyncio.Transport | None = None
        self._chunks: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        self._values: deque[tuple[float, bytes]] = deque()
        self._splitter = Splitter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._welcome:
            self._welcome(self)

    def data_received(self, data: bytes) -> None:
        self._chunks.put_nowait((asyncio.get_running_loop().time(), data))

    def connection_lost(self, _: Exception | None) -> None:
        self._chunks.put_nowait(None)

    async def next_value(self) -> tuple[float, bytes] | None:
        """Wait for the next whole value and the moment it came; None when this side will send no more."""
        while not self._values:
            chunk = await self._chunks.get()
            if chunk is None:
                return None
            came, data = chunk
            self._values.extend((came, value) for value in self._splitter.feed(data))
        return self._values.popleft()

    def send(self, value: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(value)

    def say_no_more(self) -> None:
        if self._transport and not self._transport.is_closing():
            # It may have gone without our having been told.
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def hang_up(self) -> None:
        if self._transport:
            self._transport.close()

    def reset(self) -> None:
        if self._transport and not self._transport.is_closing():
            at_once = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self._transport.abort()

    def find_pid(self) -> int | None:
        """Find the process at the other end, if it is on this machine and still there."""
        assert self._transport is not None
        peer, own = (self._transport.get_extra_info(name) for name in ("peername", "sockname"))
        with contextlib.suppress(OSError):  # as where there is no /proc
            return _pid_at(peer, own) if peer and own else None
        return None


class Splitter:
    """Cuts a stream of RESP 2 or 3 into whole values, however it was chopped on its way."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._at = 0
        #: How many values must still be passed before the outermost is whole.
        self._owed = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._bytes += data
        while self._step():
            if not self._owed:
                yield bytes(self._bytes[: self._at])
                del self._bytes[: self._at]
                self._at, self._owed = 0, 1

    def _step(self) -> bool:
        """Pass one value, or the head of one that holds others; False when it has not all come."""
        line_end = self._bytes.find(b"\r\n", self._at)
        if line_end < 0:
            return False
        kind, size = self._bytes[self._at : self._at + 1], self._bytes[self._at + 1 : line_end]
        after, owed = line_end + 2, 0
        if kind in b"$=!":
            after += int(size) + 2 if int(size) >= 0 else 0
        elif kind in b"*~>":
            owed = max(int(size), 0)
        elif kind == b"%":
            owed = 2 * int(size)
        elif kind == b"|":
            owed = 2 * int(size) + 1  # attributes stand before the value they belong to
        elif kind not in b"+-:_#,(":
            raise ValueError(f"{bytes(self._bytes[self._at : line_end])!r} is not RESP (an inline command?)")
        if len(self._bytes) < after:
            return False
        self._at = after
        self._owed += owed - 1
        return True


def words_of(request: bytes) -> tuple[bytes, ...]:
    reader = hiredis.Reader()
    reader.feed(request)
    return tuple(reader.gets())


def _pid_at(client: Address, proxy: Address) -> int | None:
    ends = f"{_as_in_proc(client)} {_as_in_proc(proxy)}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
    held = next((f"socket:[{row[9]}]" for row in rows if f"{row[1]} {row[2]}" == ends), None)
    if held is None:
        return None
    pids = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return next((pid for pid in pids if held in _files_of(pid)), None)


def _as_in_proc(address: Address) -> str:
    """Spell an IPv4 address as /proc/net/tcp does: the machine's byte order, in hex."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def _files_of(pid: int) -> Iterator[str]:
    # A process may end, close a file or belong to somebody else while it is looked at.
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(fd.readlink())
