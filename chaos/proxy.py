"""A proxy before a server that loses, holds and cuts single requests and replies, on the word of a rule."""

from __future__ import annotations

import asyncio
import functools
import itertools
import socket
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.link import (
    Act,
    After,
    Before,
    DelayReply,
    DelayRequest,
    DropRequest,
    EatReply,
    Link,
    Pass,
    Request,
    SignalThenPass,
)
from holdfast.chaos.wire import Address, End

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Act",
    "After",
    "Before",
    "DelayReply",
    "DelayRequest",
    "DropRequest",
    "EatReply",
    "FaultProxy",
    "Pass",
    "Request",
    "SignalThenPass",
]


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
        #: Where each new connection leads.
        self.target = target
        self._numbers = itertools.count(1)
        self._connections = itertools.count(1)
        self._links: set[Link] = set()
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
        server = await loop.create_server(lambda: End(self._welcome), sock=listener)
        listening.set_result(loop)
        await ended.wait()
        # Whom it has just accepted it welcomes in a later round, and a server that is closed by then leaves them open.
        loop.remove_reader(listener)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            self._cut()
            await asyncio.wait(others)
        server.close()

    def _welcome(self, client: End) -> None:
        if self.refuse:
            client.reset()
            return
        judge = functools.partial(self._judge, next(self._connections), functools.cache(client.find_pid))
        link = Link(client, judge, self._travel)
        link.task = asyncio.create_task(self._carry(link))
        self._links.add(link)

    async def _carry(self, link: Link) -> None:
        try:
            await self._passable.wait()
            await link.carry(self.target)
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
