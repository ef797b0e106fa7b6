"""A proxy before a server that loses, holds and cuts single requests and replies, on the word of a rule."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import socket
import struct
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

import hiredis

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Address: TypeAlias = tuple[str, int]

_LISTENING = {b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR"}


@dataclass(frozen=True)
class Request:
    """One command that a client sent, its handshake's HELLO and CLIENT SETINFO among them."""

    #: Counts the requests of all connections, from 1, in the order in which the rule saw them.
    number: int
    connection: int
    words: tuple[bytes, ...]
    find_peer: Callable[[], int | None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def peer_pid(self) -> int | None:
        """The process that holds the client's end, the lowest if several do; None when none is found.

        Looked up when first asked, once a connection: it takes some milliseconds, and a process that
        has gone meanwhile is not found.
        """
        return self.find_peer()


@dataclass(frozen=True)
class Pass:
    """Forward the request and its reply."""


@dataclass(frozen=True)
class Before:
    """Call `do` instead of forwarding the request, then reset the client's connection."""

    do: Callable[[], None]


@dataclass(frozen=True)
class After:
    """Forward the request, wait for the reply, call `do`, drop the reply, reset the client's connection."""

    do: Callable[[], None]


@dataclass(frozen=True)
class EatReply:
    """Forward the request, wait for the reply, drop it and reset the client's connection."""


@dataclass(frozen=True)
class DropRequest:
    """Reset the client's connection; the request never reaches the server."""


@dataclass(frozen=True)
class DelayReply:
    """Forward the request at once; deliver its reply, and those behind it, `ms` later than it came."""

    ms: int


@dataclass(frozen=True)
class DelayRequest:
    """Forward the request, and those behind it, `ms` later than it came, be the client still there or not."""

    ms: int


@dataclass(frozen=True)
class SignalThenPass:
    """Call `do`, then forward the request and its reply."""

    do: Callable[[], None]


Act: TypeAlias = Pass | Before | After | EatReply | DropRequest | DelayReply | DelayRequest | SignalThenPass


def let_pass(_: Request) -> Act:
    """Let every request pass: the rule of a proxy that was given none."""
    return Pass()


def overlook(_: Request) -> None:
    """Take no notice: the observer of a proxy that was given none."""


class FaultProxy:
    """A TCP proxy on a free loopback port, in a thread of its own, that reads RESP on its way to `target`.

    `observer` is told of each request, then `rule` says what becomes of it. Both, and the `do` of an act,
    run in the proxy's thread: nothing moves while they do, so they must not wait for a client of this
    proxy. What they raise resets the connection and is kept for `check`, which the end of a `with` block
    calls. All attributes may be set at any time.

    Before, After, EatReply and DropRequest first wait until the client has had the replies to what it
    pipelined earlier, and what it pipelined later is never forwarded: when `do` is called, the server has
    seen the requests before this one and, with After, this one. If the server dies instead of replying,
    the `do` of an After is not called.

    Once a connection has subscribed, pushes cannot be told from replies, and the first value to come is
    taken for the reply. Inline commands and CLIENT REPLY are not understood.
    """

    def __init__(self, target: Address) -> None:
        self.rule: Callable[[Request], Act] = let_pass
        self.observer: Callable[[Request], None] = overlook
        #: Reset each new connection.
        self.refuse = False
        #: Added on the way there and on the way back.
        self.latency_ms = 0
        self._target = target
        self._numbers = itertools.count(1)
        self._connections = itertools.count(1)
        self._links: set[_Link] = set()
        self._errors: deque[BaseException] = deque()
        self._passable = asyncio.Event()
        self._passable.set()
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        # An error on its way out says more than what it may have caused in here.
        if kind is None:
            self.check()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; raises RuntimeError unless the proxy runs."""
        if self._running is None:
            raise RuntimeError("This proxy does not run: call start().")
        return self._running.port

    @property
    def url(self) -> str:
        """The address in redis-py's spelling."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def black_hole(self) -> bool:
        """Whether nothing passes, either way; what came meanwhile goes on when it ends."""
        return not self._passable.is_set()

    @black_hole.setter
    def black_hole(self, shut: bool) -> None:
        self._in_thread(self._passable.clear if shut else self._passable.set)

    def start(self) -> Self:
        """Listen, in a new thread; raises RuntimeError if it does already."""
        if self._running is not None:
            raise RuntimeError(f"The proxy at {self.url} runs already.")
        listener = socket.create_server(("127.0.0.1", 0))
        listening: Future[asyncio.AbstractEventLoop] = Future()
        ended = asyncio.Event()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, listening, ended)),
            name="fault-proxy",
            daemon=True,
        )
        thread.start()
        self._running = _Running(listener.getsockname()[1], listening.result(), thread, ended)
        return self

    def stop(self) -> None:
        """Reset all connections and end the thread."""
        if self._running is not None:
            self._running.loop.call_soon_threadsafe(self._running.ended.set)
            self._running.thread.join()
            self._running = None

    def cut(self) -> None:
        """Reset all live connections, on both sides; they are gone when this returns."""
        self._in_thread(self._cut)

    def check(self) -> None:
        """Raise what a rule, an observer or a `do` raised: one error a call, the oldest first."""
        if self._errors:
            raise self._errors.popleft()

    def _in_thread(self, do: Callable[[], None]) -> None:
        """Call it where the connections live, and return when it has taken effect."""
        if self._running is None or threading.current_thread() is self._running.thread:
            do()
            return

        async def call() -> None:
            do()
            # The loop closes the sockets of aborted transports in its next round.
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(call(), self._running.loop).result()

    def _cut(self) -> None:
        for link in self._links:
            # Now, for the caller leans on it; the task may be holding something and comes to its end later.
            link.reset()
            link.task.cancel()

    async def _serve(
        self, listener: socket.socket, listening: Future[asyncio.AbstractEventLoop], ended: asyncio.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _End(self._welcome), sock=listener)
        listening.set_result(loop)
        await ended.wait()
        server.close()
        self._cut()

    def _welcome(self, client: _End) -> None:
        if self.refuse:
            client.reset()
            return
        judge = functools.partial(self._judge, next(self._connections), functools.cache(client.find_pid))
        link = _Link(client, judge, self._travel)
        link.task = asyncio.create_task(self._carry(link))
        self._links.add(link)

    async def _carry(self, link: _Link) -> None:
        try:
            await self._passable.wait()
            await link.carry(self._target)
        except BaseExceptionGroup as group:
            self._errors.extend(group.exceptions)
        finally:
            link.reset()
            self._links.discard(link)

    def _judge(self, connection: int, find_pid: Callable[[], int | None], words: tuple[bytes, ...]) -> Act:
        request = Request(next(self._numbers), connection, words, find_pid)
        self.observer(request)
        return self.rule(request)

    async def _travel(self, came: float, ms: int) -> None:
        """Wait out the latency of what came at that moment of the loop's clock, and any black hole.

        A side that hangs up comes at 0: it has only the black hole to wait for.
        """
        due = came + (ms + self.latency_ms) / 1000
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        await self._passable.wait()


@dataclass(frozen=True)
class _Running:
    port: int
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    ended: asyncio.Event


class _Link:
    """A client's connection, and the one that stands for it at the server."""

    def __init__(
        self,
        client: _End,
        judge: Callable[[tuple[bytes, ...]], Act],
        travel: Callable[[float, int], Awaitable[None]],
    ) -> None:
        self.task: asyncio.Task[None]
        self._client = client
        self._server = _End()
        self._judge = judge
        self._travel = travel
        self._listens = False
        #: What becomes of the replies that are still to come, in their order.
        self._fates: deque[Act] = deque()
        self._all_replied = asyncio.Event()
        self._all_replied.set()

    async def carry(self, target: Address) -> None:
        """Carry both ways, until both sides have hung up or an act has parted them."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._server, *target)
        except OSError:
            return
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._carry_requests())
            ways.create_task(self._carry_replies())

    def reset(self) -> None:
        self._client.reset()
        self._server.reset()

    async def _carry_requests(self) -> None:
        while arrival := await self._client.next_value():
            came, value = arrival
            words = _words_of(value)
            act = self._judge(words)
            if isinstance(act, Before | DropRequest):
                await self._all_replied.wait()
                if isinstance(act, Before):
                    act.do()
                self._client.reset()
                self._server.hang_up()
                return
            if isinstance(act, SignalThenPass):
                act.do()
            await self._travel(came, act.ms if isinstance(act, DelayRequest) else 0)
            self._listens = self._listens or words[0].upper() in _LISTENING
            self._fates.append(act)
            self._all_replied.clear()
            self._server.send(value)
            if isinstance(act, After | EatReply):
                return
        await self._travel(0, 0)
        self._server.say_no_more()

    async def _carry_replies(self) -> None:
        try:
            while arrival := await self._server.next_value():
                came, value = arrival
                act = self._fate_of(value)
                await self._travel(came, act.ms if isinstance(act, DelayReply) else 0)
                if isinstance(act, After):
                    act.do()
                if isinstance(act, After | EatReply):
                    self._client.reset()
                    return
                self._client.send(value)
                if not self._fates:
                    self._all_replied.set()
            await self._travel(0, 0)
            self._client.hang_up()
        finally:
            # Nobody shall wait for what a dead server owed.
            self._all_replied.set()

    def _fate_of(self, value: bytes) -> Act:
        unasked = value.startswith(b">") and not self._listens
        return Pass() if unasked or not self._fates else self._fates.popleft()


class _End(asyncio.Protocol):
    """One side of a link: the values that came, each with its moment, and how to leave."""

    def __init__(self, welcome: Callable[[_End], None] | None = None) -> None:
        self._welcome = welcome
        self._transport: asyncio.Transport | None = None
        self._chunks: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        self._values: deque[tuple[float, bytes]] = deque()
        self._splitter = _Splitter()

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


class _Splitter:
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


def _words_of(request: bytes) -> tuple[bytes, ...]:
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
