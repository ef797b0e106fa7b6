"""What the workers of a benchmark are asked to do, whatever system they are of. Imported by them, by name."""

from __future__ import annotations

import asyncio
import os
import struct
import time

#: A moment of the monotonic clock, which all processes of a Linux machine share; the worker's number; whether the job
#: is one that is held.
STAMP = struct.Struct("=dHH")
#: Longer than anybody waits for a killed worker's job to be begun again.
HELD_S = 600

_file: int | None = None


def stamp(*, held: bool = False) -> None:
    """Say first of all when this is, in a file in memory or a pipe: a microsecond. Whole even where threads race."""
    global _file  # noqa: PLW0603 - opened once a process, by whoever comes first
    now = time.monotonic()
    if _file is None:
        _file = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND)
    os.write(_file, STAMP.pack(now, int(os.environ["BENCH_WORKER"]), held))


def noop() -> None:
    """Do nothing, and have it known."""
    stamp()


def hold() -> None:
    """Keep a worker busy until it is killed."""
    stamp(held=True)
    time.sleep(HELD_S)


async def noop_async() -> None:
    """Do nothing, in an event loop."""
    stamp()


async def hold_async() -> None:
    """Keep a worker busy until it is killed, in an event loop."""
    stamp(held=True)
    await asyncio.sleep(HELD_S)
