"""A client's connection through the proxy, and the acts that may be done to a request on its way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from holdfast.chaos.wire import Address, End, words_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


class Link:
    """A client's connection, and the one that stands for it at the server."""

    def __init__(
        self,
        client: End,
        judge: Callable[[tuple[bytes, ...]], Act],
        travel: Callable[[float, int], Awaitable[None]],
    ) -> None:
        self.task: asyncio.Task[None]
        self._client = client
        self._server = End()
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
            words = words_of(value)
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
