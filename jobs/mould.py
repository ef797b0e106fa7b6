"""Makes jobs that differ only in their call: RQ makes the first from its options, the others are cast from it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from holdfast.jobs.retry import Retry
from holdfast.jobs.rq_surface import (
    CHANGEABLE_OPTIONS,
    OPTIONS_OF_A_KIND,
    STATE_OF_A_CALL,
    EnqueueArgs,
    EnqueueData,
    Job,
    now,
    resolve_function_reference,
)
from holdfast.jobs.store.batches import Shape
from holdfast.jobs.store.records import fields_of, new_record_of, record_of, rq_moment
from holdfast.jobs.store.sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs.store.batches import Form
    from holdfast.jobs.store.scripts import Word

Given: TypeAlias = EnqueueData | EnqueueArgs

_KIND = attrgetter(*OPTIONS_OF_A_KIND)
_CHANGEABLE = attrgetter(*CHANGEABLE_OPTIONS)
_NOTHING = (None,) * len(CHANGEABLE_OPTIONS)
#: The fields of a record that tell of the call: each job has its own.
_OF_THE_CALL = ("created_at", "data", "description", "meta")
#: What no cast has from the model; to_dict is there where it was given something to carry.
_OWN_STATE = STATE_OF_A_CALL | {"to_dict"}

#: A queue remembers no call that is longer, in bytes.
_SMALL = 1024


def carry(job: Job, fields: dict[str, Word]) -> None:
    """Let a job object write fields of ours wherever RQ saves it: in its own pipelines too."""
    if fields:
        to_dict = job.to_dict
        job.to_dict = lambda *args, **options: {  # type: ignore[method-assign]
            **to_dict(*args, **options),
            **fields,
        }


@dataclass(frozen=True)
class Whole:
    """The form of a job whose record may have nothing in common with others."""

    shape: Shape

    def weigh(self, job: Job) -> int:
        """Tell about how many bytes its record has."""
        return size_of(self.own(job))

    def own(self, job: Job) -> list[Word]:
        """Write its own values."""
        record = record_of(job)
        return [record[name] for name in self.shape.own]


def as_it_is(job: Job) -> tuple[Job, Form]:
    """Take a job that somebody else made."""
    return job, Whole(Shape((), tuple(new_record_of(job))))


class Mould:
    """The form of jobs of one kind: what they have in common is taken from one that RQ made."""

    def __init__(self, kind: tuple[Any, ...], model: Job, *, carried: dict[str, Word]) -> None:
        self.kind = kind
        self._carried = carried
        self._state = {name: value for name, value in vars(model).items() if name not in _OWN_STATE}
        self._state["_id"] = None
        # What the last call had, as many have the same.
        self._function: tuple[object, tuple[object, str]] = ("", (None, ""))
        self._compressed = (b"", zlib.compress(b""))
        record = record_of(model)
        own = tuple(name for name in _OF_THE_CALL if name in record)
        common = fields_of({name: value for name, value in new_record_of(model).items() if name not in own})
        self.shape = Shape(tuple(common), own)
        self._size_in_common = size_of(common)

    def cast(self, given: Given) -> Job:
        """Make another job of the kind. Raises what RQ raises for its call."""
        job = Job.__new__(Job)
        state = self._state.copy()
        state["_instance"], state["_func_name"] = self._resolve(given.func)
        state["_args"] = () if given.args is None else given.args
        state["created_at"] = now()
        # What a job object changes in place must be its own.
        state["meta"] = given.meta or {}
        state["webhooks"] = state["webhooks"][:]
        state["_dependency_ids"] = []
        job.__dict__ = state
        if given.job_id is not None:
            job.id = given.job_id
        # By RQ's setter: what was pickled before is void.
        job.kwargs = {} if given.kwargs is None else given.kwargs
        job.description = given.description or job.get_call_string()
        carry(job, self._carried)
        return job

    def _resolve(self, func: object) -> tuple[object, str]:
        last, resolved = self._function
        if func is not last:
            resolved = resolve_function_reference(func)
            self._function = (func, resolved)
        return resolved

    def _compress(self, data: bytes) -> bytes:
        last, compressed = self._compressed
        if data != last:
            compressed = zlib.compress(data)
            if len(data) < _SMALL:
                self._compressed = (data, compressed)
        return compressed

    def weigh(self, job: Job) -> int:
        """Tell about how many bytes its record has, at most: what is to be compressed is not yet."""
        meta = len(job.serializer.dumps(job.meta)) if job.meta else 0
        return self._size_in_common + len(job.data) + len(str(job.description or "")) + meta  # RQ takes numbers

    def own(self, job: Job) -> list[Word]:
        """Write its own values."""
        own: list[Word] = [rq_moment(job.created_at), self._compress(job.data), job.description or ""]
        if job.meta:
            own.append(job.serializer.dumps(job.meta))
        return own


class Maker:
    """Makes jobs one after the other by RQ's way to make one, or from a mould where the last one fits."""

    def __init__(self, create: Callable[..., Job]) -> None:
        self._create = create
        self._mould: Mould | None = None

    def make(self, given: Given, *surroundings: object) -> tuple[Job, Form]:
        """Make the job that was asked for; `surroundings`: what else its making depends on.

        Raises what RQ raises for its options.
        """
        kind = (_KIND(given), bool(given.meta), surroundings)
        mould = self._mould
        if mould is not None and mould.kind == kind:
            return mould.cast(given), mould
        model = self._create(**options_of(given))
        carried = given.retry.to_fields() if isinstance(given.retry, Retry) else {}
        self._mould = mould = Mould(kind, model, carried=carried)
        return model, mould


def options_of(given: Given) -> dict[str, Any]:
    """Give what RQ makes a job of, without what is said of its place."""
    return {name: value for name, value in given._asdict().items() if name not in {"at_front", "pipeline", "unique"}}


def may_be_remembered(given: Given) -> bool:
    """Tell whether nothing was given that app code could change before its next enqueue."""
    return _CHANGEABLE(given) == _NOTHING
