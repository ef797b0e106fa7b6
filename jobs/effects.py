"""Do this to the world once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from holdfast.jobs.errors import EffectMisused, InDoubt, LeaseEnded, NotDone
from holdfast.jobs.rq_surface import JobTimeoutException
from holdfast.jobs.running import current
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.records import spell_serializer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Happened:
    """A probe's answer: the effect took place, with this value."""

    value: Any = None


@dataclass(frozen=True)
class DidNotHappen:
    """A probe's answer: the effect did not take place, and no earlier attempt can still make it."""


Probe: TypeAlias = "Callable[[Effect], Happened | DidNotHappen]"
OnDoubt: TypeAlias = "Literal['fail', 'retry'] | Probe"
Errors: TypeAlias = "type[Exception] | Iterable[type[Exception]]"


class Effect:
    """A change to a system outside Redis that should take place once however often its job runs.

    Before the body runs, the intent is recorded; when it ends, that it was done, and `value`. A later attempt finds
    the record: `first` is False and `value` is what the first one left. An attempt that died in between leaves
    doubt, and `on_doubt` says what then:

    - `"fail"` (the default): the job is buried with the cause `in_doubt`, for a person to find out;
    - `"retry"`: the body runs again; for effects that do no harm twice;
    - a function: it is given this effect, asks the outside (by `key`), and returns `Happened(value)` or
      `DidNotHappen()`.

    An exception that leaves the body leaves doubt too, unless it is NotDone or one of `not_done`, a class or several:
    those say that the effect did not take place, so the next attempt is first again. RQ's job timeout always leaves
    doubt, also where `not_done=Exception`.

    Records belong to the job's generation: a nightly job with a fixed id acts every night, a retry does not. They
    live as long as the job's record.
    """

    #: Whether the body must act.
    first: bool
    #: The same in each attempt at this job's generation: give it to the outside as its idempotency key.
    key: str

    def __init__(
        self,
        name: str,
        *,
        on_doubt: OnDoubt = "fail",
        not_done: Errors = (),
    ) -> None:
        if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME:
            raise EffectMisused(f"effect({name!r:.300}): a name is a text of 1 to {_LONGEST_NAME} characters")
        if not callable(on_doubt) and on_doubt not in {"fail", "retry"}:
            raise EffectMisused(f"effect({name!r}, on_doubt={on_doubt!r}): 'fail', 'retry', or a function that asks")
        self.name = name
        #: What came of it. Set it in the body; anything the job's serializer takes.
        self.value: Any = None
        self._on_doubt = on_doubt
        self._not_done: tuple[type[Exception], ...] = (NotDone, *_classes_in(name, not_done))

    def __getattr__(self, name: str) -> Any:
        """Find what only a `with` gives not there yet. Raises EffectMisused: what it guards would never be done."""
        if name in {"first", "key"}:
            raise EffectMisused(
                f"effect({self.name!r}).{name} was read before its block: nothing is recorded, so nobody knows whether "
                f"it is to be done. Write: with effect({self.name!r}) as it: if it.first: ..."
            )
        raise AttributeError(name)

    def __enter__(self) -> Self:
        """Record the intent, or find what an earlier attempt left.

        Raises NotInAJob, EffectMisused (the name was used before in this execution), InDoubt, and LeaseEnded.
        """
        self._running = execution = current(f"effect({self.name!r})")
        if self.name in execution.effects:
            raise EffectMisused(
                f"effect {self.name!r} is used twice in one execution of {execution.lease.job_id}: the second would "
                f"be taken for the first. Give each its own name, such as f'{self.name}-{{n}}'."
            )
        execution.effects.add(self.name)
        self.key, self.first = execution.key_of(self.name), False
        match self._begin():
            case out.First():
                self.first = True
            case out.Done(value):
                # Empty: a person said that it happened, and not what came of it.
                self.value = self._read(value) if value else None
            case out.Doubtful():
                self._settle_doubt()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record what became of it.

        Raises LeaseEnded when the record could not be made because the lease is gone: the effect is in doubt.
        """
        if not self.first:
            return
        if error is None:
            self._commit(self.value)
        elif isinstance(error, self._not_done) and not isinstance(error, JobTimeoutException):
            self._ask(lambda: self._running.moves.withdraw_effect(self._running.lease, self.name))

    def _ask(self, move: Callable[[], Any]) -> Any:
        return self._running.ask(move)

    def _begin(self, *, take_over: bool = False) -> out.First | out.Done | out.Doubtful:
        lease, moves = self._running.lease, self._running.moves
        answer: out.First | out.Done | out.Doubtful = self._ask(
            lambda: moves.begin_effect(lease, self.name, take_over=take_over)
        )
        # The answer may have waited for us, and someone else may have begun meanwhile.
        if isinstance(answer, out.First) and self._running.is_out_of_time():
            raise LeaseEnded(lease, "it ran out while the effect was being begun")
        return answer

    def _commit(self, value: Any) -> None:
        lease, moves = self._running.lease, self._running.moves
        misfit: Exception | None = None
        try:
            data = self._running.serializer.dumps(value)
            self._ask(lambda: moves.check_size(f"the value of effect {self.name!r}", data))
        except Exception as error:  # noqa: BLE001 - a serializer may raise anything
            # The world has changed: that must be on record even if its value cannot be.
            misfit, data = error, self._running.serializer.dumps(None)
        self._ask(lambda: moves.commit_effect(lease, self.name, data))
        if misfit:
            raise EffectMisused(
                f"effect {self.name!r} took place and is recorded, but not its value: {value!r:.100} cannot be "
                f"serialized ({misfit}). Keep an id or a number instead."
            ) from misfit

    def _read(self, kept: bytes) -> Any:
        serializer = self._running.serializer
        try:
            return serializer.loads(kept)
        except Exception as error:
            raise EffectMisused(
                f"effect {self.name!r} is recorded as done, but its value ({len(kept)} bytes, first {kept[:16]!r}) "
                f"cannot be read with {spell_serializer(serializer)}: {error}. Run the job on workers with the "
                f"serializer (-S) by which it was written, and the code that its value needs."
            ) from error

    def _settle_doubt(self) -> None:
        if self._on_doubt == "fail":
            raise InDoubt(self.name, self.key)
        if callable(self._on_doubt):
            finding = self._on_doubt(self)
            if isinstance(finding, Happened):
                self.value = finding.value
                self._commit(finding.value)
                return
            if not isinstance(finding, DidNotHappen):
                raise EffectMisused(
                    f"the probe of effect {self.name!r} returned {finding!r:.100}; it says Happened(value) or "
                    f"DidNotHappen(). The effect stays in doubt."
                )
        self._begin(take_over=True)
        self.first = True


def _classes_in(name: str, not_done: Errors) -> tuple[type[Exception], ...]:
    """Look at them now: a slip would else show when the block is left, in place of the error that left it."""
    several: Any = not_done if isinstance(not_done, Iterable) and not isinstance(not_done, type) else (not_done,)
    given: tuple[type[Exception], ...] = tuple(several)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in given):
        raise EffectMisused(f"effect({name!r}, not_done={not_done!r}): an exception's class, or several in a tuple")
    return given


def effect(name: str, *, on_doubt: OnDoubt = "fail", not_done: Errors = ()) -> Effect:
    """Do the body of a `with` once for the running job. See `Effect`."""
    return Effect(name, on_doubt=on_doubt, not_done=not_done)
