"""What is read and written on RQ's records, in RQ's formats."""

from __future__ import annotations

import math
import zlib
from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.jobs.rq_surface import UNSERIALIZABLE_RETURN_VALUE_PAYLOAD, utcparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.store.scripts import Word

#: How much of an error text stays on the job's record. RQ's result stream keeps it whole.
_ERROR_BYTES = 2_000


def rq_moment(moment: datetime) -> str:
    """Write a moment of UTC as RQ's utcformat() does, in a quarter of the time."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def stamp(wall_s: float) -> str:
    """Write a moment as RQ does on records that people read."""
    # As datetime rounds: a job object that was made of the same moment must be equal to its record.
    fraction, second = math.modf(wall_s)
    carried, us = divmod(round(fraction * 1_000_000), 1_000_000)
    return f"{_second(int(second) + carried)}.{us:06d}Z"


@lru_cache(maxsize=2)
def _second(wall_s: int) -> str:
    # Much the same for a thousand jobs in a row.
    return datetime.fromtimestamp(wall_s, tz=UTC).isoformat()[:19]


def moment_ms(text: str) -> int | None:
    """Read a moment as RQ writes it on records, in ms since the epoch; None for an empty text."""
    return round(utcparse(text).timestamp() * 1000) if text else None


def spell_serializer(serializer: Any) -> str:
    """Name a serializer to a person: it may be a class, a module or an object."""
    return str(getattr(serializer, "__name__", type(serializer).__name__))


def return_value(serializer: Any, value: object) -> str:
    """Write a return value as RQ's result stream has it; empty for None.

    What cannot be serialized is replaced by RQ's notice, as RQ does: the work is done, its value is lost.
    """
    if value is None:
        return ""
    try:
        data = serializer.dumps(value)
    except Exception:  # noqa: BLE001 - a serializer may raise anything
        data = serializer.dumps(UNSERIALIZABLE_RETURN_VALUE_PAYLOAD)
    return b64encode(data).decode()


def obituary(text: str) -> str:
    """Write an error text as RQ's result stream has it."""
    return b64encode(zlib.compress(text.encode(errors="backslashreplace"))).decode()


def short_error(text: str) -> str:
    """Cut an error text to what a job's record keeps: its end, where the cause stands."""
    return text.encode(errors="backslashreplace")[-_ERROR_BYTES:].decode(errors="ignore")


def record_of(job: Job) -> dict[str, Word]:
    """Write a job for its record, without the words that only the moves may write."""
    mapping: dict[str, Word] = job.to_dict()
    for owned in ("status", "enqueued_at"):
        mapping.pop(owned, None)
    return mapping


def new_record_of(job: Job) -> dict[str, Word]:
    """Write a job for a record that there was not before: a field that is empty RQ reads as one that is not there."""
    return {name: value for name, value in record_of(job).items() if value != ""}


def fields_of(record: dict[str, Word]) -> list[Word]:
    """Flatten a record."""
    return [part for item in record.items() for part in item]


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """Read a flattened hash."""
    values = iter(flat)
    return dict(zip(values, values, strict=True))


def journal(record: dict[bytes, bytes]) -> Iterator[str]:
    """Give the lines of a job's journal that are still kept, oldest first."""
    lines = [value.decode(errors="backslashreplace") for name, value in record.items() if name.startswith(b"hf_move_")]
    yield from sorted(lines, key=lambda line: int(line.split(" ", 1)[0]))
