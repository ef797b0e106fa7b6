"""What this process prints: written out where that can be done; where it cannot, jobs run all the same."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_out() -> list[tuple[Any, Exception]]:
    """Write out what was printed; give the streams that could not be written, each with why. Raises none of that.

    A disk is full, a reader has gone, or an app has put something in a stream's place that is hardly one.
    """
    return [
        (stream, error) for stream in (sys.stdout, sys.stderr) if stream is not None and (error := _error_of(stream))
    ]


def _error_of(stream: Any) -> Exception | None:
    try:
        stream.flush()
    except Exception as error:  # noqa: BLE001 - it may be of any class, and raise what it likes
        return error
    return None


def drop(stream: Any) -> None:
    """Let a stream forget what it could not write, and be as it was: log handlers have hold of that very object."""
    with suppress(Exception), Path(os.devnull).open("wb") as nowhere:
        number = stream.fileno()
        is_inherited = os.get_inheritable(number)
        kept = os.dup(number)
        try:
            os.dup2(nowhere.fileno(), number, is_inherited)
            stream.flush()
        finally:
            os.dup2(kept, number, is_inherited)
            os.close(kept)


def mark_of(stream: Any) -> tuple[Any, ...]:
    """Give what tells where a stream leads: if it changes, whoever had the stream meanwhile did that."""
    try:
        seen = os.fstat(stream.fileno())
    except Exception:  # noqa: BLE001 - as above
        return (getattr(stream, "closed", False),)
    return seen.st_dev, seen.st_ino


def keep_low_numbers() -> None:
    """Let no connection have number 0, 1 or 2 in a process that began without them: a job's child prints there."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stdin, stdout and stderr
        os.set_inheritable(number, True)  # noqa: FBT003 - it takes no keyword
    os.close(number)
