"""What our enqueue takes beyond RQ's options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.store.scripts import Word

#: Where a job object carries them through an enqueue_job of the app's own.
_CARRIED = "_holdfast_wishes"


class Wishes(NamedTuple):
    """The two options that our enqueue takes and RQ's does not."""

    key: str | None = None
    crashes: int | None = None

    @classmethod
    def take_from(cls, options: dict[str, Any]) -> Self:
        """Take them out of an enqueue's options. Raises ValueError."""
        wishes = cls(options.pop("key", None), options.pop("crashes", None))
        if wishes.key is not None and (not isinstance(wishes.key, str) or not wishes.key):
            raise ValueError(f"key={wishes.key!r}: an idempotency key is a text that is not empty")
        # A bool is an int to Python, and crashes=True a slip.
        is_count = isinstance(wishes.crashes, int) and not isinstance(wishes.crashes, bool) and wishes.crashes >= 0
        if wishes.crashes is not None and not is_count:
            raise ValueError(f"crashes={wishes.crashes!r}: a whole number, 0 to run at most once")
        return wishes

    @property
    def fields(self) -> dict[str, Word]:
        """Give what a record has of them."""
        return {} if self.crashes is None else {"hf_crashes_max": self.crashes}

    def go_with(self, job: Job) -> None:
        """Let a job object carry them to our enqueue_job."""
        vars(job)[_CARRIED] = self

    @classmethod
    def that_came_with(cls, job: Job) -> Self:
        """Take them from a job object; none, where it was made by somebody else."""
        carried: Self | None = vars(job).pop(_CARRIED, None)
        return carried or cls()
