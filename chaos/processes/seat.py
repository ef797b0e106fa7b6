"""The address that clients know, the server that sits there, and the replica that may take its place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from redis.exceptions import RedisError

from holdfast.chaos.processes.nemesis import Missed, NotHere
from holdfast.chaos.processes.small_disk import SmallDisk
from holdfast.chaos.server import PrivateServer

if TYPE_CHECKING:
    from pathlib import Path

_SYNC_S = 6.0
_LOOK_S = 0.01
#: CONFIG SET port.
_MOVABLE = (7, 0, 0)
#: Where no server ever is.
_NOWHERE = ("127.0.0.1", "1")


class Sitter(PrivateServer):
    """A server whose data is in a directory beside its log, which may be a small disk. Paths are absolute."""

    def __init__(self, directory: Path, *, on_small_disk: bool) -> None:
        self.data = directory / "data"
        super().__init__(directory, arguments=("--dir", str(self.data), "--repl-diskless-sync-delay", "0"))
        self.disk = SmallDisk(self.data)
        self._on_small_disk = on_small_disk
        self._is_rewriting = False

    def start(self) -> Self:
        """Start the server, its small disk first; raises as PrivateServer's does."""
        self.data.mkdir(parents=True)
        if self._on_small_disk:
            self.disk.mount()
        return super().start()

    def stop(self) -> None:
        """End the server, and take its small disk away."""
        super().stop()
        self.disk.unmount()

    def rewrite_log(self) -> None:
        """Have it write its log anew. Raises RedisError until that is done: to be called again then."""
        with self.client(socket_timeout=1) as client:
            about = client.info("persistence")
            if about["aof_last_write_status"] != "ok":
                raise RedisError("the server has not written its log since there is room")
            if not self._is_rewriting:
                client.bgrewriteaof()
                self._is_rewriting = True
                about = client.info("persistence")
            if not _is_written(about):
                raise RedisError("the server is still writing its log anew")
            self._is_rewriting = False


class Seat:
    """One address for a whole run. Starts and stops, as a `with` block, every server that ever sat there."""

    def __init__(self, folder: Path, *, on_small_disk: bool = False) -> None:
        self._folder = folder
        self._on_small_disk = on_small_disk
        self._all: list[Sitter] = []
        #: Who sits there now.
        self.server = self._make()
        self.port = 0

    def __enter__(self) -> Self:
        self.server.start()
        self.port = self.server.port
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._all:
            server.stop()

    def start_replica(self) -> Sitter:
        """Start a replica at an address of its own; return when it has all that the server has, on its disk too.

        Raises Missed if it comes to nothing, NotHere if it could never take the server's place.
        """
        if self.server.version < _MOVABLE:
            version = ".".join(map(str, self.server.version))
            raise NotHere(f"a replica takes over an address by CONFIG SET port, of Redis 7.0; this is {version}")
        replica = self._make().start()
        try:
            with replica.client(socket_timeout=1) as client:
                client.replicaof("127.0.0.1", str(self.port))
                _wait(lambda: _is_in_sync(client.info()), "the replica is not in sync")
        except BaseException:
            replica.stop()
            raise
        return replica

    def hand_over(self, replica: Sitter) -> None:
        """Let the server pass its part to the replica, and follow it: no write is lost. Raises Missed if it does not.

        Clients still reach the old server, which answers READONLY; `give_to` moves them.
        """
        with self.server.client(socket_timeout=1) as old, replica.client(socket_timeout=1) as new:
            old.execute_command("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 2_000)
            _wait(lambda: new.role()[0] == b"master" and old.role()[0] == b"slave", "it passed nothing on")

    def cut(self, replica: Sitter) -> None:
        """Cut the link to the replica: from now on it hears nothing."""
        with replica.client(socket_timeout=1) as client:
            # It keeps what it has, and looks in vain for a server.
            client.replicaof(*_NOWHERE)

    def promote(self, replica: Sitter) -> None:
        """Let a replica take writes, at its own address; it hears no more from the server."""
        with replica.client(socket_timeout=1) as client:
            client.replicaof("NO", "ONE")

    def give_to(self, replica: Sitter) -> None:
        """End the server and put the replica in its place, as a primary. May be called again when it failed."""
        if self.server is not replica:
            self.server.stop()
            self.server = replica
        self.promote(replica)
        replica.move_to(self.port)

    def _make(self) -> Sitter:
        number = len(self._all) + 1
        name = "server" if number == 1 else f"server-{number}"
        self._all.append(Sitter(self._folder / name, on_small_disk=self._on_small_disk))
        return self._all[-1]


def _is_in_sync(about: dict[str, Any]) -> bool:
    """Tell whether a replica has it all, and has written it down: before, its own death would lose it."""
    return about.get("master_link_status") == "up" and _is_written(about)


def _is_written(about: dict[str, Any]) -> bool:
    """Tell whether it is not at work on a new log, nor about to be."""
    return not about["aof_rewrite_in_progress"] and not about["aof_rewrite_scheduled"]


def _wait(is_so: Any, otherwise: str) -> None:
    """Wait for it; raises Missed if it does not come in time."""
    until = time.monotonic() + _SYNC_S
    while time.monotonic() < until:
        try:
            if is_so():
                return
        except RedisError:
            pass
        time.sleep(_LOOK_S)
    raise Missed(f"{otherwise} after {_SYNC_S:g} s")
