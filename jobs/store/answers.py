"""What the scripts answer, read into outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.jobs.lease import Lease
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.records import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: What `complete` may answer, and a turn of each lease that it is to end.
COMPLETED = {b"completed": out.Completed()}


def text_of(raw: Any) -> Any:
    """Read a name. One that is not UTF-8 stays as it came: so it is sent again, and bytes are shown in any log."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def shown(raw: bytes) -> str:
    """Read a text for people: what of it is not UTF-8 is spelled out, and hides nothing beside it."""
    return raw.decode(errors="backslashreplace")


def server_ms(told: tuple[int, int]) -> int:
    """Read the server's answer to TIME, in ms since the epoch."""
    seconds, micros = told
    return seconds * 1000 + micros // 1000


def read_refusal(move: str, answer: list[Any]) -> out.Refused:
    """Read why a holder's move was refused. Raises RuntimeError for a word it does not know."""
    match answer[0]:
        case b"fenced":
            return out.Fenced(int(answer[1]))
        case b"lost":
            return out.Lost()
        case b"closed":
            return out.Closed(answer[1].decode())
        case _:
            raise unexpected(move, answer)


def unexpected(move: str, answer: list[Any]) -> RuntimeError:
    """Make the error for a word that the move's header does not list."""
    return RuntimeError(f"{move} answered {answer!r}, which its header does not list: two versions of Holdfast?")


def read_end(move: str, answer: list[Any], words: Mapping[bytes, T]) -> T | out.Refused:
    """Read what a holder's move answered: what one of its words means, or a refusal.

    Raises RuntimeError for a word that is neither.
    """
    outcome = words.get(answer[0])
    return read_refusal(move, answer) if outcome is None else outcome


def read_claim(answer: list[Any]) -> out.Claim:
    """Read what a claim answered. Raises RuntimeError for a word it does not know."""
    match answer[0]:
        case b"claimed":
            return tuple(read_claimed(row) for row in answer[1:])
        case b"aftermath":
            queue, job_id, entry = map(text_of, answer[1:4])
            status = answer[3].split(b" ", 2)[1].decode()
            return out.Aftermath(queue, job_id, status, entry, pairs(answer[4]))
        case b"empty":
            return out.Empty(tuple(queue.decode() for queue in answer[1:]))
        case b"again":
            return out.Again()
        case b"lost":
            return out.Lost()
        case b"closed":
            return out.Closed(answer[1].decode())
        case _:
            raise unexpected("claim", answer)


def read_turn(answer: list[Any], ends: int) -> out.Turned:
    """Read what a turn answered that was to end so many leases. Raises RuntimeError for a word it does not know."""
    said, given = read_ends(answer, ends)
    return out.Turned(said, read_claim(given))


def read_ends(answer: list[Any], ends: int) -> tuple[tuple[out.Completed | out.Refused, ...], list[Any]]:
    """Read of that what became of the leases; the answer of its claim comes as it is.

    One that came too late has ended none and taken none. Raises RuntimeError for a word it does not know.
    """
    match answer[0]:
        case b"turned":
            return tuple(read_end("turn", word, COMPLETED) for word in answer[1]), answer[2]
        case b"closed":
            return (out.Closed(answer[1].decode()),) * ends, answer
        case _:
            raise unexpected("turn", answer)


def rows_of(given: list[Any]) -> list[Any]:
    """Give the rows of a claim's answer, for `read_claimed`: none where nothing was taken."""
    return given[1:] if given[0] == b"claimed" else []


def read_claimed(row: list[Any]) -> out.Claimed:
    """Read a row of that answer."""
    queue, job_id, execution, fence, deadline_ms, generation, record = row
    try:
        name = job_id.decode()
    except UnicodeDecodeError:
        name = job_id  # as `text_of` has it, which would be a call for each job
    lease = Lease(queue.decode(), name, execution.decode(), int(fence), int(deadline_ms), generation.decode())
    return out.Claimed(lease, pairs(record))
