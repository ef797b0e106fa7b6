"""What redis-py leaves to us of a connection: how commands are spelled, and what differs between its versions."""

from __future__ import annotations

import inspect
import select
import socket
from typing import TYPE_CHECKING, Any

import redis.connection
from hiredis import pack_command
from redis import ConnectionPool
from redis.connection import AbstractConnection, HiredisRespSerializer

if TYPE_CHECKING:
    from _typeshed import HasFileno

#: Before redis-py 5.3 a pool wanted to know what for, and did nothing with it; since then it warns who says so.
_WANTS_A_NAME = (
    inspect.signature(ConnectionPool.get_connection).parameters["command_name"].default is inspect.Parameter.empty
)


#: A command is big from here on: it is sent in parts, and it and its answer are given more time than others.
_BIG = 64 * 1024
#: The slowest link that is reckoned with, in bytes a second, and what may be on its way there, in buffers.
_SLOWEST = 256 * 1024
_ON_ITS_WAY = 16 * 1024 * 1024
#: After how many seconds of silence a machine asks whether the other is still there, how often then, and how many
#: times. What lies between them forgets who says nothing: the hastiest after a minute.
_KEEPALIVE = (
    ("TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE", 15),  # the latter on macOS
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
)


class Packer:
    """Spells commands as redis-py does with hiredis, which looks at each word first for longer than the rest takes."""

    def __init__(self, *, reply_s: float, users_s: float = 0.0) -> None:
        self._reply_s = reply_s
        #: What the app gave its own connections.
        self._users_s = users_s

    def pack(self, *words: Any) -> list[bytes | memoryview]:
        """Spell a command, whose name may be of several words. Raises redis-py's DataError for what is no word.

        A big one comes in parts: redis-py's connections give each all of their time, and one as a whole would have to
        be out by then, however well it goes on.
        """
        if " " in words[0]:
            words = (*words[0].split(), *words[1:])
        try:
            packed: bytes = pack_command(words)
        except TypeError:
            return HiredisRespSerializer().pack(*words)  # type: ignore[no-any-return]
        if len(packed) <= _BIG:
            return [packed]
        whole = memoryview(packed)
        return [whole[begin : begin + _BIG] for begin in range(0, len(whole), _BIG)]

    def wait_s(self, size: int) -> float:
        """Tell how long nothing may happen on a line with a command of so many bytes, or on the way to its answer."""
        if size <= _BIG:
            return self._reply_s
        return max(self._reply_s + min(size, _ON_ITS_WAY) / _SLOWEST, self._users_s)


def is_big(size: int) -> bool:
    """Tell whether a command of so many bytes needs more time than others."""
    return size > _BIG


def give_time(pool: ConnectionPool, connection: Any, size: int) -> None:
    """Have a connection wait as long as a command of so many bytes needs it, until it is told otherwise."""
    packer: Any = pool.connection_kwargs.get("command_packer")
    sock: Any = getattr(connection, "_sock", None)
    if isinstance(packer, Packer) and hasattr(sock, "settimeout"):  # a fake server's has none
        sock.settimeout(packer.wait_s(size))


def redis_pys(kind: type[Any], arguments: dict[str, Any]) -> type[Any]:
    """Give redis-py's connection class for valkey-py's of that name, and drop the arguments that it does not take.

    What valkey-py raises is no error of redis-py, by which we know who is away.
    """
    own = getattr(redis.connection, kind.__name__, None)
    if own is None or issubclass(kind, AbstractConnection):
        return kind
    for name in arguments.keys() - _parameters_of(own).keys():
        del arguments[name]
    return own  # type: ignore[no-any-return]


def _parameters_of(kind: Any) -> dict[str, inspect.Parameter]:
    # A class hands on what its parents take; where several take it, its own word counts.
    parameters: dict[str, inspect.Parameter] = {}
    for each in reversed(kind.__mro__):
        parameters.update(inspect.signature(each.__init__).parameters)
    return parameters


def keep_alive(kind: Any, arguments: dict[str, Any]) -> None:
    """Have connections of that class asked now and then whether the other side is there: one that is gone is found out.

    Not where the user said how, or that they are not to be, nor for sockets that have no such thing.
    """
    parameters = _parameters_of(kind)
    name = "socket_keepalive_options"
    if name not in parameters or arguments.get("socket_keepalive") is False:
        return
    if arguments.get(name, parameters[name].default) is parameters[name].default:
        options = {getattr(socket, option): value for option, value in _KEEPALIVE if hasattr(socket, option)}
        arguments.update({"socket_keepalive": True, name: options})


def take_out(pool: ConnectionPool) -> Any:
    """Take a connection out of a pool. Raises what redis-py raises."""
    return pool.get_connection("EVALSHA") if _WANTS_A_NAME else pool.get_connection()


def is_readable(file: HasFileno, within_s: float = 0) -> bool:
    """Tell whether there is something to read, or will be in that time."""
    if not hasattr(select, "poll"):  # as on Windows, and where eventlet has taken it away
        return bool(select.select([file], [], [], within_s)[0])
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(file, select.POLLIN)
    return bool(poll.poll(within_s * 1000))
