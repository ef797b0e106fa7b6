"""RQ_JOB_ID: by which a job's code, and the programs that it starts, know which job it is."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from holdfast.workers.runtime import LIBC

NAME = b"RQ_JOB_ID"
#: Longer ids are set as any other variable.
_MOST_BYTES = 200
#: The environment points into them for as long as the process lives.
_rooms: list[Any] = []


def variables_kept() -> dict[bytes, bytes] | None:
    """Give what os.environ keeps, undecoded and not copied; None where somebody else's object is in its place."""
    # The public ones decode, or encode, every name and value that they touch, at every job.
    kept = getattr(os.environ, "_data", None)
    return kept if isinstance(kept, dict) else None


class JobVariable:
    """Sets it for one job after the other, in a process of its own.

    The C library keeps each text that a variable ever had, and looks through all of them for each new one (glibc's
    setenv(3), so that what getenv(3) gave stays good): so each is written over the one before.
    """

    def __init__(self) -> None:
        self._room: Any = ctypes.create_string_buffer(len(NAME) + 1 + _MOST_BYTES + 1)
        _rooms.append(self._room)
        #: What we set it to last. If it is another object now, somebody else has set it, and not in our room.
        self._last: bytes | None = None

    def set(self, job_id: str) -> None:
        """Say which job it is from now on."""
        value, kept = os.fsencode(job_id), variables_kept()
        if len(value) > _MOST_BYTES or kept is None:
            os.environ[os.fsdecode(NAME)] = os.fsdecode(value)
            return
        self._room.value = NAME + b"=" + value
        if self._last is None or kept.get(NAME) is not self._last:
            LIBC.putenv(self._room)
        kept[NAME] = self._last = value
