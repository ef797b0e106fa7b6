"""A Redis-protocol server of our own, for the demo, the tests and the chaos runs: it may be hurt at will."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis

from holdfast.chaos.programs import DIE_WITH_STARTER, NoServer, Program, Version, find_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NoServer", "NotStarted", "PrivateServer", "Program", "find_program", "free_port"]

#: A server with nothing to load answers in some 30 ms; a busy CI machine and a long AOF need more.
START_S = 20
#: SIGTERM writes the AOF out and ends; a server that is still there after this is killed.
STOP_S = 5
PORT_TRIES = 5
#: sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero.
SOCKET_PATH_MAX = 103


class NotStarted(Exception):
    """A server program was started and did not come to answer."""


class _PortTaken(NotStarted):
    """Somebody else got the port between our choosing it and the server's binding it."""


class PrivateServer:
    """A server in a directory of its own, on a free loopback port or a unix socket, with its AOF on.

    `directory` is made if it is not there, and kept; without it a temporary one is made, and removed by
    `stop`. `arguments` are added to the command line, as in `("--maxmemory", "10mb")`, `environment` to
    its environment; `program` is the one to use, as in "redis-server". A `with` block starts it and stops it.

    On Linux the server is killed when the *thread* that started it ends, however that ends, so that a
    killed test run leaves no orphans: start it from a thread that outlives the need for it.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        unix_socket: bool = False,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: str | None = None,
    ) -> None:
        self._given = directory
        self._unix_socket = unix_socket
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._wanted = program
        self._directory: Path | None = None
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def directory(self) -> Path:
        """Where the AOF and server.log are."""
        if self._directory is None:
            raise RuntimeError("This private server has no directory yet: call start() first.")
        return self._directory

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1: the same one from start() to stop(), whatever is done in between."""
        if not self._port:
            raise RuntimeError("This private server has no port: it listens on a unix socket or is not started.")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server; raises RuntimeError when there is none."""
        return self._running().pid

    @property
    def version(self) -> Version:
        """The program's own version, as in (7, 0, 15) or (9, 1, 2); raises NoServer."""
        return self._program.version

    @property
    def url(self) -> str:
        """The address in redis-py's spelling: redis://127.0.0.1:port or unix:///path."""
        return f"unix://{self._socket_path}" if self._unix_socket else f"redis://127.0.0.1:{self.port}"

    def client(self, **kwargs: Any) -> redis.Redis:
        """Make a client of this server; it re-sends nothing unless `kwargs` bring a retry."""
        return redis.Redis.from_url(self.url, **kwargs)

    def start(self) -> Self:
        """Start the server and return when it answers; raises NoServer, NotStarted, RuntimeError."""
        if self._process is not None:
            raise RuntimeError(f"The private server at {self.url} was started already: call restart() or stop().")
        self._directory = Path(self._given or tempfile.mkdtemp(prefix="holdfast-")).absolute()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._start_on_a_free_port()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server, by SIGKILL if SIGTERM does not do within 5 s, and remove what start() made."""
        self._end()
        if self._directory is not None and self._given is None:
            shutil.rmtree(self._directory)
        self._directory, self._port, self._process = None, 0, None

    def kill(self) -> None:
        """End it by SIGKILL. What it acknowledged is in its AOF: the page cache outlives a process."""
        process = self._running()
        process.kill()
        process.wait()

    def restart(self) -> None:
        """Start it again on its AOF, at the same address; if it still runs, it is ended by SIGTERM first."""
        if self._process is None:
            raise RuntimeError("This private server was never started: call start().")
        self._end()
        self._launch()

    def move_to(self, port: int) -> None:
        """Listen on another port from now on, also after a restart; it must be free. Raises RedisError; needs 7.0."""
        with self.client(socket_timeout=1) as client:
            client.config_set("port", port)
        self._port = port

    def pause(self) -> None:
        """Freeze the server by SIGSTOP and return when it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused server run on."""
        os.kill(self.pid, signal.SIGCONT)

    @functools.cached_property
    def _program(self) -> Program:
        return find_program(self._wanted)

    @property
    def _socket_path(self) -> Path:
        path = self.directory / "s"
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            raise ValueError(
                f"The socket path {path} has {len(os.fsencode(path))} bytes and the system allows "
                f"{SOCKET_PATH_MAX}: give a shorter directory, or none and a shorter TMPDIR."
            )
        return path

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("This private server does not run: call start() or restart().")
        return self._process

    def _start_on_a_free_port(self) -> None:
        for tries_left in reversed(range(PORT_TRIES)):
            self._port = 0 if self._unix_socket else free_port()
            try:
                self._launch()
            except _PortTaken:
                if not tries_left:
                    raise
            else:
                return

    def _launch(self) -> None:
        log = self.directory / "server.log"
        begun = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(log),
                cwd=self.directory,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C at the demo's terminal is for the demo, which then stops its server in good order.
                start_new_session=True,
            )
        failure = self._wait_until_it_answers(self._process)
        if failure is None:
            return
        self._end()
        told = log.read_bytes()[begun:].decode(errors="replace")
        error = _PortTaken if "Address already in use" in told else NotStarted
        raise error(
            f"{self._program.path} at {self.url}, in {self.directory}, {failure}. The end of its log:\n{told[-600:]}"
        )

    def _command(self, log: Path) -> list[str]:
        command = [self._program.path, "--dir", str(self.directory), "--logfile", str(log)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        if self._unix_socket:
            command += ["--port", "0", "--unixsocket", str(self._socket_path), "--unixsocketperm", "700"]
        else:
            command += ["--bind", "127.0.0.1", "--port", str(self.port)]
        if self.version >= (7, 0, 0):
            command += ["--enable-debug-command", "local"]
        command += self._arguments
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", DIE_WITH_STARTER, str(os.getpid()), *command]
        return command

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> str | None:
        """Return nothing when it answers, else what went wrong."""
        seen: object = "nothing"
        deadline = time.monotonic() + START_S
        with self.client(socket_timeout=1, socket_connect_timeout=1) as client:
            while time.monotonic() < deadline:
                if (status := process.poll()) is not None:
                    return f"ended with status {status}"
                try:
                    client.ping()
                    # Somebody else's server may have taken the port and answer there: never touch it.
                    answering = client.info("server")["process_id"]
                    if answering == process.pid:
                        return None
                    seen = f"process {answering} in its place"
                except redis.RedisError as error:
                    seen = error
                time.sleep(0.01)
        return f"did not answer within {START_S} s; last seen: {seen}"

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        # A stopped process takes SIGTERM only when it goes on.
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """Choose a port between 10000 and 29999 that nobody listens on at 127.0.0.1."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as anywhere:
            choice = 10_000 + int(anywhere.getsockname()[1]) % 20_000
        # Below the range that outgoing connections are given: there, a client that keeps trying while its
        # server is down sooner or later connects to itself, and the server never gets its port back.
        with socket.socket() as chosen:
            try:
                chosen.bind(("127.0.0.1", choice))
            except OSError:
                continue
        return choice
