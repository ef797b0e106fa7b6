"""What a holder says of its work when it ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdfast.jobs.store.sizes import lasting

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.scripts import Word

#: Stands for the return value where a worker keeps none; no return value is written so.
NO_RESULT = "-"
#: What `Completion.words` are, by the names that `complete` has for them.
WORDS_OF_AN_END = (
    *("queue", "job_id", "execution", "fence", "started", "ended"),
    *("value", "result_ttl", "repeat_ms", "repeats_left"),
)


class Stint(NamedTuple):
    """How long an attempt worked, by the worker's own clock; for records that people read."""

    started_s: float
    ended_s: float

    @property
    def worked_s(self) -> float:
        """Seconds between, never below zero although wall clocks jump."""
        return max(0.0, self.ended_s - self.started_s)

    def __str__(self) -> str:
        return f"in {self.worked_s:.3f} s"


class Completion(NamedTuple):
    """An end with success."""

    lease: Lease
    stint: Stint
    #: The return value as RQ's result stream has it; empty for None.
    value: str
    #: Seconds to keep job and result. 0: nothing is kept; -1: for ever.
    result_ttl: int
    #: In how many ms it is to be repeated, or None.
    repeat_ms: int | None = None
    #: How many repeats remain after that one.
    repeats_left: int = 0

    def words(self, keep_result: bool) -> list[Word]:  # noqa: FBT001 - the one thing that is asked
        """Spell it as `turn` takes it, in the order of `WORDS_OF_AN_END`."""
        lease = self.lease
        return [
            lease.queue,
            lease.job_id,
            lease.execution,
            lease.fence,
            f"{self.stint.started_s:.6f}",
            f"{self.stint.ended_s:.6f}",
            self.value if keep_result else NO_RESULT,
            lasting(self.result_ttl),
            "" if self.repeat_ms is None else self.repeat_ms,
            self.repeats_left,
        ]


class Spelled(NamedTuple):
    """Such an end, with its words for a turn."""

    done: Completion
    words: list[Word]
