"""A relay before the server that counts round trips: what a client writes after it had an answer is a new one."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

READ = 65_536


class Relay:
    """Passes bytes both ways on a free loopback port, from a thread of its own, in a `with` block.

    Commands that were written together, or before the answer to earlier ones came, are one trip: it is the waiting
    that costs. A blocking command is one trip, however long it blocks.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        #: The moment of each trip, by the monotonic clock.
        self.trips: list[float] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listener, ready)), daemon=True)
        self._thread.start()
        self._loop = ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _serve(self, listener: socket.socket, ready: Future[asyncio.AbstractEventLoop]) -> None:
        carrying: set[asyncio.Task[None]] = set()

        def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._carry(reader, writer))
            carrying.add(task)
            task.add_done_callback(carrying.discard)

        server = await asyncio.start_server(welcome, sock=listener)
        ready.set_result(asyncio.get_running_loop())
        await self._ended.wait()
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        answered = True

        def sent() -> None:
            nonlocal answered
            if answered:
                self.trips.append(time.monotonic())
            answered = False

        def came() -> None:
            nonlocal answered
            answered = True

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, server_writer, sent))
                group.create_task(_pass(server_reader, writer, came))
        finally:
            writer.close()
            server_writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Callable[[], None]) -> None:
    try:
        while data := await reader.read(READ):
            tell()
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # A killed worker resets what it held open.
        writer.close()
