"""The two servers behind the same wire: fakeredis, and a real one whose clock is ours.

Each is a check on the other: the same seed must give the same history on both.
"""

from __future__ import annotations

import contextlib
import mmap
import select
import shutil
import struct
import subprocess
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import redis
from fakeredis import FakeServer
from fakeredis._clients._sync import FakeRedisConnection
from fakeredis.commands_mixins import scripting_mixin
from redis.exceptions import ResponseError

from holdfast.chaos.server import PrivateServer
from holdfast.chaos.simulation.wire import Fates, Wire, client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.chaos.simulation.world import World

#: When simulated time begins, by true time, in us.
EPOCH_US = 1_700_000_000_000_000


def server_us(world: World) -> int:
    """Give what the server's clock shows."""
    return EPOCH_US + world.now_us + world.server_skew_us


#: Where fakeredis keeps it.
_RUNTIME = "_lua_runtime"
#: fakeredis collects Lua's garbage after every call; this often is enough.
_CALLS_PER_COLLECTION = 50


class _CompiledOnce:
    """A Lua runtime that compiles a script once: fakeredis would at every call, and spend half a run on it."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._compiled: dict[bytes, Any] = {}
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def execute(self, source: bytes | str) -> Any:
        """Run a script."""
        script = source.encode() if isinstance(source, str) else source
        self._calls += 1
        if script == b"collectgarbage()" and self._calls % _CALLS_PER_COLLECTION:
            return None
        chunk = self._compiled.get(script)
        if chunk is None:
            chunk = self._compiled[script] = self._runtime.compile(script)
        return chunk()


def _look_for_nothing(*_: Any) -> None:
    """Leave out the look for global variables, a fifth of a run: a real server refuses them as well.

    Not a mock, which would write down each of its calls: that was another sixth.
    """


class Fake:
    """A fakeredis server, empty for each run. It reads time.time(), so while a run lasts that shows its clock."""

    _server: FakeServer | None = None

    def __init__(self, world: World) -> None:
        self._world = world
        server = Fake._server
        if server is None:
            server = Fake._server = FakeServer(version=(7,))
            with self.client() as judge:
                judge.eval("return 1", 0)
            setattr(server, _RUNTIME, _CompiledOnce(getattr(server, _RUNTIME)))
        # It keeps the sockets of processes that died without a word, and with them all of the run they died in.
        server.sockets.clear()
        with self.client() as judge:
            judge.flushall()
            judge.script_flush()

    def set_clock(self) -> None:
        """Nothing to set: time.time() is asked each time."""

    def connection_class(self, fates: Fates, patience_us: int) -> type[Any]:
        """Give the connection class of simulated processes."""
        return type(
            "FakeWire",
            (Wire, FakeRedisConnection),
            {"world": self._world, "server": self, "fates": fates, "patience_us": patience_us},
        )

    def client(self, connection_class: type[Any] = FakeRedisConnection) -> redis.Redis:
        """Give a client; without a class, the judge's own, which no fault befalls."""
        return client(
            connection_class,
            server=self._server,
            version=(7,),
            server_type="redis",
            client_class=redis.Redis,
            lua_modules=None,
        )

    def apply(self, packed: Any) -> None:
        """Apply a packed command on a connection of nobody."""
        _apply(self.client(), packed)

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Let time.time() show the server's clock."""
        real = time.time
        time.time = lambda: server_us(self._world) / 1_000_000
        try:
            with mock.patch.object(scripting_mixin, "_check_for_lua_globals", _look_for_nothing):
                yield
        finally:
            time.time = real


class RealServer:
    """A real server process under a shim that reads its wall clock from a page of ours. Serves many runs."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-clock-"))
        page = self._folder / "clock"
        page.write_bytes(bytes(4096))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        shim = _build_shim(self._folder)
        # Not Valkey: from 8 on it tells the time within a command by counting on from an earlier look at the clock.
        self._server = PrivateServer(
            unix_socket=True,
            environment={"LD_PRELOAD": str(shim), "VCLOCK_FILE": str(page)},
            program="redis-server",
        )

    def __enter__(self) -> Self:
        self.show(EPOCH_US)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def show(self, us: int) -> None:
        """Set the server's clock."""
        self._page[0:8] = struct.pack("<q", us)

    def of(self, world: World) -> Real:
        """Give the server to one run, empty."""
        self.show(server_us(world))
        with self._server.client() as judge:
            judge.flushall()
            judge.script_flush()
        return Real(world, self, self._server.url)


class Real:
    """The real server as one run sees it."""

    def __init__(self, world: World, process: RealServer, url: str) -> None:
        self._world = world
        self._process = process
        self._path = url.removeprefix("unix://").split("?")[0]

    def set_clock(self) -> None:
        self._process.show(server_us(self._world))

    def connection_class(self, fates: Fates, patience_us: int) -> type[Any]:
        """Give the connection class of simulated processes."""
        return type(
            "RealWire",
            (Wire, _Patient),
            {"world": self._world, "server": self, "fates": fates, "patience_us": patience_us},
        )

    def client(self, connection_class: type[Any] | None = None) -> redis.Redis:
        """Give a client; without a class, the judge's own."""
        return client(connection_class or redis.UnixDomainSocketConnection, path=self._path, socket_timeout=10)

    def apply(self, packed: Any) -> None:
        """Apply a packed command on a connection of nobody."""
        self.set_clock()
        _apply(self.client(), packed)

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Show the world's moment from the first command on."""
        self.set_clock()
        yield


class _Patient(redis.UnixDomainSocketConnection):
    """Waits after each request until its reply is there: no other process may overtake it on another socket."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]
        select.select([self._sock], [], [], 10)  # type: ignore[type-var]  # connected by then


def _apply(judge: redis.Redis, packed: Any) -> None:
    connection = judge.connection_pool.get_connection()
    try:
        connection.send_packed_command(packed)
        with contextlib.suppress(ResponseError):
            connection.read_response()
    finally:
        judge.connection_pool.release(connection)
        judge.close()


def _build_shim(folder: Path) -> Path:
    """Compile the clock shim.

    Raises RuntimeError where there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError(
            "the simulation's real server needs a C compiler for its clock shim (apt-get install gcc); "
            "--server fake needs none"
        )
    shim = folder / "vclock.so"
    with as_file(files("holdfast.chaos.simulation") / "vclock.c") as source:
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(shim), str(source), "-ldl"], check=True)
    return shim


def real_server_is_possible() -> bool:
    """Tell whether this machine can run the real server under the shim."""
    return shutil.which("redis-server") is not None and (shutil.which("cc") or shutil.which("gcc")) is not None
