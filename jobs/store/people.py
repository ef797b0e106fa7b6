"""The moves of people: what has ended is put in line again or deleted, and doubts are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from redis.exceptions import NoScriptError

from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import shown, unexpected
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.refusals import is_forbidden, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.client import Pipeline

    from holdfast.jobs.store.scripts import Scripts, Word

T = TypeVar("T")

#: Why the scripts leave a job as it was. One more word would be of another version.
_WHY_KEPT = {b"none", b"running", b"not_ended", b"in_doubt", b"no_doubt"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person wants done to a job."""

    job_id: str
    #: Names this wish; a second sending under the same name changes nothing.
    op: str


class People:
    """What people do to jobs that failed, were stopped, or were canceled. What is being worked on is left alone."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def requeue(
        self, wishes: Sequence[Wish], *, asked_s: float, even_in_doubt: bool = False
    ) -> list[out.Requeued | out.Kept]:
        """Put jobs in line again, in one round trip; atomic for each, not for all.

        `asked_s` is when, in seconds by the person's clock: what RQ's records say of it. A job with an effect in
        doubt is kept, unless its own code can settle that (`even_in_doubt`).
        """
        more: dict[str, Word] = {"stamp": stamp(asked_s), "even_in_doubt": int(even_in_doubt)}
        return self._send("requeue", wishes, more, _read_requeued)

    def drop(self, wishes: Sequence[Wish]) -> list[out.Dropped | out.Kept]:
        """Delete jobs for good, in one round trip; atomic for each, not for all."""
        return self._send("drop", wishes, {}, _read_dropped)

    def resolve_effect(self, wish: Wish, name: str, *, happened: bool, value: bytes = b"") -> out.Resolved | out.Kept:
        """Settle the doubt about an effect of a job. `value` is what came of it, serialized."""
        more: dict[str, Word] = {"name": name, "happened": int(happened), "value": value}
        return self._send("resolve_effect", [wish], more, _read_resolved)[0]

    def _send(
        self,
        move: str,
        wishes: Sequence[Wish],
        more: dict[str, Word],
        read: Callable[[str, list[Any]], T],
    ) -> list[T | out.Kept]:
        answers = self._scripts.taught(move, lambda: self._send_once(move, wishes, more))
        return [
            out.Kept(wish.job_id, "error", (str(answer),))
            if isinstance(answer, Exception)
            else read(wish.job_id, answer)
            for wish, answer in zip(wishes, answers, strict=True)
        ]

    def _send_once(self, move: str, wishes: Sequence[Wish], more: dict[str, Word]) -> list[list[Any] | Exception]:
        """Give every answer, also beside an error: what was done to the others must not go untold.

        Raises what says nothing of one job: that Redis is away, has to be told the script, or lets this user do none.
        """
        pipeline: Pipeline
        with self._scripts.redis.pipeline(transaction=False) as pipeline:
            for wish in wishes:
                self._scripts.add_to(pipeline, move, op=wish.op, job_id=wish.job_id, **more)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, NoScriptError) or (isinstance(answer, Exception) and is_passing(answer)):
                raise answer
        if answers and all(isinstance(answer, Exception) and is_forbidden(answer) for answer in answers):
            raise answers[0]
        return answers


def _kept(move: str, job_id: str, answer: list[Any]) -> out.Kept:
    if answer[0] not in _WHY_KEPT:
        return out.Kept(job_id, "error", (str(unexpected(move, answer)),))
    why, *details = map(shown, answer)
    return out.Kept(job_id, why, tuple(details))


def _read_requeued(job_id: str, answer: list[Any]) -> out.Requeued | out.Kept:
    return out.Requeued(job_id, shown(answer[1])) if answer[0] == b"queued" else _kept("requeue", job_id, answer)


def _read_dropped(job_id: str, answer: list[Any]) -> out.Dropped | out.Kept:
    word, *waiting = answer
    return out.Dropped(job_id, tuple(map(shown, waiting))) if word == b"dropped" else _kept("drop", job_id, answer)


def _read_resolved(job_id: str, answer: list[Any]) -> out.Resolved | out.Kept:
    return out.Resolved(job_id) if answer[0] == b"resolved" else _kept("resolve_effect", job_id, answer)
