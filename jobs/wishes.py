"""What our enqueue takes beyond RQ's options."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from holdfast.jobs.rq_surface import EnqueueArgs, Job
    from holdfast.jobs.store.scripts import Word

#: Where a job object carries them through an enqueue_job of the app's own.
_CARRIED = "_holdfast_wishes"


class Wishes(NamedTuple):
    """The two options that our enqueue takes and RQ's does not."""

    key: str | None = None
    crashes: int | None = None

    @classmethod
    def take_from(cls, options: dict[str, Any], f: object, args: tuple[Any, ...]) -> Self:
        """Take them out of the options of an enqueue of `f`. Raises ValueError."""
        for name in cls._fields:
            if name in options:
                _check_is_ours(name, options, f, args)
        wishes = cls(options.pop("key", None), options.pop("crashes", None))
        if wishes.key is not None and (not isinstance(wishes.key, str) or not wishes.key):
            raise ValueError(f"key={wishes.key!r}: an idempotency key is a text that is not empty")
        # A bool is an int to Python, and crashes=True a slip.
        is_count = isinstance(wishes.crashes, int) and not isinstance(wishes.crashes, bool) and wishes.crashes >= 0
        if wishes.crashes is not None and not is_count:
            raise ValueError(f"crashes={wishes.crashes!r}: a whole number, 0 to run at most once")
        return wishes

    def check_beside(self, given: EnqueueArgs, job: Job) -> None:
        """Refuse a key that would be ignored, or contradicted, by what else was asked for. Raises ValueError."""
        if self.key is None:
            return
        if given.pipeline is not None or job._dependency_ids:  # noqa: SLF001 - RQ gives no other way
            raise ValueError(f"key={self.key!r} cannot be used together with pipeline= or depends_on=")
        if given.unique:
            raise ValueError(
                f"key={self.key!r} cannot be used together with unique=True: of a second enqueue the one says that it "
                f"returns the first job, the other that it is refused"
            )

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


def _check_is_ours(name: str, options: dict[str, Any], f: object, args: tuple[Any, ...]) -> None:
    """Refuse an option of ours that the function may be meant to get, as it has a parameter of that name.

    RQ hands both words on; a call that came from RQ would lose its argument without an error. What has `**kwargs` may
    take any word and is not refused; a function given by its name is not imported, as a producer may not have it.
    """
    if "args" in options or "kwargs" in options:  # RQ's form that says which is whose
        return
    try:
        parameters = inspect.signature(f).parameters  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError):  # a name has none, and some builtins have none to show
        return
    parameter = parameters.get(name)
    if parameter is None or parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        return
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name in list(parameters)[: len(args)]:
        return  # it has its argument
    raise ValueError(
        f"{name}={options[name]!r}: {getattr(f, '__qualname__', f)} has a parameter {name!r}, and holdfast.jobs.Queue "
        f"an option of that name. For the function, pass it in kwargs={{{name!r}: ...}}, with its other arguments in "
        f"args=(...) and kwargs. For the queue, pass the function's own in args=(...) or kwargs={{...}}."
    )
