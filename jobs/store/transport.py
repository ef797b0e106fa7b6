"""What redis-py leaves to us of a connection: how commands are spelled, and what differs between its versions."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.connection import HiredisRespSerializer

if TYPE_CHECKING:
    from _typeshed import HasFileno


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


def is_readable(file: HasFileno, within_s: float = 0) -> bool:
    """Tell whether there is something to read, or will be in that time."""
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(file, select.POLLIN)
    return bool(poll.poll(within_s * 1000))
