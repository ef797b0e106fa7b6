"""Reads past a key of another type, or a field that is no number: what is odd hides nothing but itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from holdfast.jobs.store.records import moment_ms

if TYPE_CHECKING:
    from redis.client import Pipeline


def ask_past(pipeline: Pipeline) -> list[Any]:
    """Ask all. Of a key of another type the error stands in its place among the answers; any other is raised."""
    answers = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception) and not is_of_another_type(answer):
            raise answer
    return answers


def ask_all(pipeline: Pipeline) -> list[Any]:
    """Ask all, and give None for what stands under a key of another type."""
    return [None if isinstance(answer, Exception) else answer for answer in ask_past(pipeline)]


def is_of_another_type(error: Exception) -> bool:
    """Tell whether a server says that what stands under a key is not what was asked for."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def number_of(raw: bytes | str | None) -> int:
    """Read a whole number; 0 for what is none."""
    with suppress(OverflowError, ValueError):
        return int(float(raw or 0))
    return 0


def moment_of(raw: bytes | None) -> int | None:
    """Read a moment of a record, in ms since the epoch: as RQ writes it, or as any tool may that knows ISO 8601."""
    text = (raw or b"").decode(errors="replace")
    with suppress(ValueError):
        return moment_ms(text)
    with suppress(OverflowError, ValueError):
        moment = datetime.fromisoformat(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return None
