"""What redis-py leaves to us of a connection: how commands are spelled, and what differs between its versions."""

from __future__ import annotations

import inspect
import select
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis import ConnectionPool
from redis.connection import HiredisRespSerializer

if TYPE_CHECKING:
    from _typeshed import HasFileno

#: Before redis-py 5.3 a pool wanted to know what for, and did nothing with it; since then it warns who says so.
_WANTS_A_NAME = (
    inspect.signature(ConnectionPool.get_connection).parameters["command_name"].default is inspect.Parameter.empty
)


class Packer:
    """Spells commands as redis-py does with hiredis, which looks at each word first for longer than the rest takes."""

    @staticmethod
    def pack(*words: Any) -> list[bytes]:
        """Spell a command, whose name may be of several words. Raises redis-py's DataError for what is no word."""
        if " " in words[0]:
            words = (*words[0].split(), *words[1:])
        try:
            packed: bytes = pack_command(words)
        except TypeError:
            return HiredisRespSerializer().pack(*words)  # type: ignore[no-any-return]
        return [packed]


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
