"""New jobs that are alike, many in one request, and how many that may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from holdfast.jobs.store.entrance import Placement
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.sizes import expiry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.jobs.rq_surface import Job
    from holdfast.jobs.store.scripts import Word

#: What one script takes: a millisecond of the server's time.
MOST_JOBS = 100
MOST_BYTES = 1024 * 1024
#: Lua can unpack some 8,000.
_MOST_VALUES = 4_000
#: How many batches are sent again when a reply is lost.
_MOST_BATCHES = 32


class Shape(NamedTuple):
    """What the records of some jobs have in common: fields, name and value in turn, and the names of the others."""

    common: tuple[Word, ...]
    own: tuple[str, ...]


class Form(Protocol):
    """Knows how to write the jobs of one shape."""

    @property
    def shape(self) -> Shape:
        """What their records have in common, and what not."""
        ...

    def weigh(self, job: Job) -> int:
        """Tell about how many bytes its record has. Raises what writing it may raise."""
        ...

    def own(self, job: Job) -> list[Word]:
        """Write its own values, the same each time."""
        ...


@dataclass(kw_only=True)
class Batch:
    """New jobs that go in line together. They are written when they are sent."""

    #: Names the enqueue of each; a second sending under the same name changes nothing.
    op: str
    queue: str
    form: Form
    #: When it was asked for, in seconds by the producer's clock: what RQ's records say of it.
    asked_s: float
    at_front: bool
    #: Seconds they may wait in line, or None for ever.
    ttl: int | None
    jobs: list[Job] = field(default_factory=list)
    size: int = 0
    #: Ids that somebody chose: they may be on record already.
    chosen_ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._most = min(MOST_JOBS, _MOST_VALUES // len(self.form.shape.own))
        self._asked_at = datetime.fromtimestamp(self.asked_s, tz=UTC)

    def takes(self, form: Form, *, at_front: bool, ttl: int | None, chosen_id: str | None) -> bool:
        """Tell whether another job goes with these."""
        return (
            len(self.jobs) < self._most
            and self.size < MOST_BYTES
            and (self.form, self.at_front, self.ttl) == (form, at_front, ttl)
            and (chosen_id is None or chosen_id not in self.chosen_ids)
        )

    def add(self, job: Job, *, size: int, chosen_id: str | None) -> None:
        """Let a job go with these; `size`: bytes of its record."""
        job.enqueued_at = self._asked_at
        self.jobs.append(job)
        self.size += size
        if chosen_id is not None:
            self.chosen_ids.add(chosen_id)

    def named(self) -> dict[str, Word | Sequence[Word]]:
        """Spell it as the script's arguments."""
        shape = self.form.shape
        values: list[Word] = [*shape.common]
        for job in self.jobs:
            values.append(job.id)
            values += self.form.own(job)
        return {
            "op": self.op,
            "queue_name": self.queue,
            "at_front": int(self.at_front),
            "ttl": expiry_of(self.ttl),
            "stamp": stamp(self.asked_s),
            "own": " ".join(shape.own),
            "in_common": len(shape.common),
            "values": values,
        }

    def one_by_one(self) -> Iterator[dict[str, Word | Sequence[Word]]]:
        """Spell each of its jobs as the arguments of an enqueue of its own, under the same name."""
        for job in self.jobs:
            placement = Placement(
                queue=self.queue,
                job_id=job.id,
                op=self.op,
                asked_s=self.asked_s,
                at_front=self.at_front,
                ttl=self.ttl,
            )
            yield placement.named(fields_in(self.form, job))


def fields_in(form: Form, job: Job) -> list[Word]:
    """Write the record of a job: name, value, name, value."""
    fields = [*form.shape.common]
    for name, value in zip(form.shape.own, form.own(job), strict=True):
        fields += (name, value)
    return fields


def flows(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Say which batches are sent one behind the other.

    One that may be known goes alone: those after it wait for how it ends, so that jobs stand in line as they came.
    """
    flow: list[Batch] = []
    for batch in batches:
        if flow and (batch.chosen_ids or len(flow) == _MOST_BATCHES):
            yield flow
            flow = []
        flow.append(batch)
        if batch.chosen_ids:
            yield flow
            flow = []
    if flow:
        yield flow
