"""RQ's Queue, with an enqueue that is one atomic round trip and may safely be sent twice."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.jobs.classes import check_keys, tell_in_vain
from holdfast.jobs.clock import Clock, SystemClock
from holdfast.jobs.errors import KeyTaken
from holdfast.jobs.in_place import in_place
from holdfast.jobs.moments import delay_ms_of, due_ms_of
from holdfast.jobs.mould import Maker, as_it_is, carry, may_be_remembered, options_of
from holdfast.jobs.retry import Retry
from holdfast.jobs.rq_surface import DeserializationError, DuplicateJobError, Job, JobStatus, NoSuchJobError
from holdfast.jobs.rq_surface import Queue as RQQueue
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.batches import Batch, fields_in, flows
from holdfast.jobs.store.entrance import Placement
from holdfast.jobs.store.records import fields_of, new_record_of
from holdfast.jobs.store.scripts import draw_name
from holdfast.jobs.store.sizes import may_be_too_big, size_of
from holdfast.jobs.store.way_in import WayIn
from holdfast.jobs.wishes import Wishes
from holdfast.jobs.wrapped import Inside, is_wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis
    from redis.client import Pipeline

    from holdfast.jobs.rq_surface import EnqueueArgs
    from holdfast.jobs.store.batches import Form
    from holdfast.jobs.store.scripts import Word

Placed = out.Queued | out.Scheduled | out.Duplicate


class Queue(RQQueue):
    """A queue that app code uses like RQ's, and stock workers serve too.

    An enqueue without dependencies is one script in one round trip: after a lost reply it is sent again under the
    same name and changes nothing the second time. Beyond RQ's options:

    - `key=`: a second enqueue with the same key, within `HOLDFAST_KEY_HORIZON_MS` (24 h), returns the first job, or
      raises KeyTaken, a ValueError, where that is of another function;
    - `crashes=`: how many deaths of its worker the job may cause before it is buried; 0: it runs at most once;
    - `retry=`: also `Fixed` and `Exponential`.

    Settings come from the environment, as a worker's do, unless `settings` are given. Raises SettingsError for what
    they cannot be, and for a class, its own or `job_class`, that has its keys elsewhere than RQ.

    With `is_async=False`, for tests, RQ runs the job in place; `key=` and `crashes=` then say nothing.

    Like RQ's own option names, `key` and `crashes` do not reach your function; pass `kwargs={"key": ...}` for that. A
    function that has such a parameter raises ValueError without it; one given by its name cannot be looked at.
    Raises RedisAwayError when Redis does not answer for 15 s: whether the job is in line is then unknown, and a
    `key=` or `job_id=` with `unique=True` makes it safe to ask again. Raises TooBig, a ValueError, for a call that is
    longer than Redis takes (512 MB unless it is told otherwise): nothing was written.
    """

    def __init__(
        self,
        name: str = "default",
        connection: Redis | None = None,
        *args: Any,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, connection, *args, **options)
        check_keys(type(self), self.job_class)
        tell_in_vain(self.job_class)
        self._clock = clock or SystemClock()
        self._rng = rng or random.SystemRandom()
        self._settings = settings or Settings.of_a_producer(os.environ)
        self._known_way: WayIn | None = None
        self._maker = Maker(partial(self.create_job, status=JobStatus.QUEUED))

    @property
    def _way(self) -> WayIn:
        """The way to the server of the connection as it is now.

        An app may give the queue another one, as tests do; and one that is set up later (flask-redis) has no pool yet
        when the queue is made.
        """
        way, pool = self._known_way, self.connection.connection_pool
        if way is None or way.pool is not pool:
            record = self._settings.record_moves
            way = WayIn(self.connection, self._clock, self._rng, record=record, process=os.getpid)
            self._known_way = way
        return way

    def enqueue(self, f: Any, *args: Any, **options: Any) -> Job:
        """Put a call of `f` in line. See the class for what it takes beyond RQ's options."""
        wishes = Wishes.take_from(options, f, args)
        given = self._parse(f, args, options)
        job, form = self._make(given)
        wishes.check_beside(given, job)
        if getattr(self.enqueue_job, "__func__", None) is not _enqueue_job_of_ours:
            wishes.go_with(job)
            return self.enqueue_job(job, pipeline=given.pipeline, at_front=given.at_front, unique=given.unique)
        return self._enter(
            job, wishes, at_front=given.at_front, pipeline=given.pipeline, unique=given.unique, form=form
        )

    def enqueue_job(
        self,
        job: Job,
        pipeline: Pipeline | None = None,
        at_front: bool = False,  # noqa: FBT001, FBT002 - RQ's signature
        unique: bool = False,  # noqa: FBT001, FBT002
    ) -> Job:
        """Put a job object in line."""
        return self._enter(job, Wishes.that_came_with(job), at_front=at_front, pipeline=pipeline, unique=unique)

    def enqueue_at(self, datetime: datetime, f: Any, *args: Any, **options: Any) -> Job:
        """Put a call in line at a moment, by the server's clock. A naive moment is local time, as in RQ."""
        return self._schedule(f, args, options, due_ms=due_ms_of(datetime))

    def enqueue_in(self, time_delta: timedelta, func: Any, *args: Any, **options: Any) -> Job:
        """Put a call in line after a while, counted by the server."""
        return self._schedule(func, args, options, delay_ms=delay_ms_of(time_delta, now_s=self._clock.wall_s()))

    def enqueue_many(
        self, job_datas: Iterable[Any], pipeline: Pipeline | None = None, group_id: str | None = None
    ) -> list[Job]:
        """Put many calls in line, in few round trips. Atomic for each job, not for all."""
        datas = list(job_datas)
        if pipeline is not None or not self.is_async or any(data.depends_on for data in datas):
            jobs: list[Job] = super().enqueue_many(datas, pipeline=pipeline, group_id=group_id)
            return jobs
        create = partial(self.create_job, group_id=group_id, status=JobStatus.QUEUED)
        maker = Maker(create) if self._makes_as_rq_does else None
        jobs = []
        batches: list[Batch] = []
        for data in datas:
            job, form = maker.make(data) if maker else as_it_is(create(**options_of(data)))
            chosen_id = job.id if maker is None or data.job_id is not None else None
            self._add(batches, job, form, at_front=bool(data.at_front), chosen_id=chosen_id)
            jobs.append(job)
        for flow in flows(batches):
            self._way.enqueue_many(flow)
        return jobs

    def _add(self, batches: list[Batch], job: Job, form: Form, *, at_front: bool, chosen_id: str | None) -> None:
        """Let a job go with those before it, or in a batch of its own. What may fail is tried before any is sent."""
        size = form.weigh(job)
        if may_be_too_big(size):
            self._fields(job, form)
        if not batches or not batches[-1].takes(form, at_front=at_front, ttl=job.ttl, chosen_id=chosen_id):
            op, asked_s = draw_name(self._rng), self._clock.wall_s()
            batches.append(Batch(op=op, queue=self.name, form=form, asked_s=asked_s, at_front=at_front, ttl=job.ttl))
        batches[-1].add(job, size=size, chosen_id=chosen_id)

    def _parse(self, f: Any, args: tuple[Any, ...], options: dict[str, Any]) -> EnqueueArgs:
        given: EnqueueArgs = self.parse_args(f, *args, **options)
        if given.unique and not given.job_id:
            raise ValueError("unique=True requires an explicit job_id")
        return given

    @property
    def _makes_as_rq_does(self) -> bool:
        """Whether no class of the app's has a say in how a job is made and written."""
        return self.job_class is Job and getattr(self.create_job, "__func__", None) is Queue.create_job

    def _make(self, given: EnqueueArgs) -> tuple[Job, Form | None]:
        if self._makes_as_rq_does and may_be_remembered(given):
            return self._maker.make(given, self.name, self._default_timeout, self.serializer, self.connection)
        return self.create_job(**options_of(given), status=JobStatus.QUEUED), None

    def create_job(self, *args: Any, **options: Any) -> Job:
        """Make a job object, with what our retry policies say beyond RQ's fields."""
        job = super().create_job(*args, **options)
        retry = options.get("retry")
        if isinstance(retry, Retry):
            carry(job, retry.to_fields())
        return job

    def _enter(
        self,
        job: Job,
        wishes: Wishes,
        *,
        at_front: bool,
        pipeline: Pipeline | None,
        unique: bool,
        form: Form | None = None,
    ) -> Job:
        carry(job, wishes.fields)
        if unique and not job._id:  # noqa: SLF001 - RQ gives an id to who only asks for it
            raise ValueError("unique=True requires an explicit job_id")
        if job.timeout is None:
            job.timeout = self._default_timeout
        if pipeline is not None or job._dependency_ids or not self.is_async:  # noqa: SLF001 - RQ gives no other way
            if self.is_async:
                self._fields(job)
            return super().enqueue_job(job, pipeline=pipeline, at_front=at_front, unique=unique)
        if is_wrapped():
            # What is wrapped around may change the job: what a form knows of it may be older than that.
            inside = Inside(partial(self._put, wishes=wishes))
            return inside.go(self, job, at_front=at_front, unique=unique)
        return self._put(job, wishes=wishes, at_front=at_front, unique=unique, form=form)

    def _enqueue_job(
        self,
        job: Job,
        pipeline: Pipeline | Inside | None = None,
        at_front: bool = False,  # noqa: FBT001, FBT002 - RQ's signature
        unique: bool = False,  # noqa: FBT001, FBT002
    ) -> Job:
        if isinstance(pipeline, Inside):
            return pipeline.enter(job, at_front=at_front, unique=unique)
        return super()._enqueue_job(job, pipeline=pipeline, at_front=at_front, unique=unique)

    def run_job(self, job: Job) -> Job:
        """Run a job at once, in this process. Its effects act, each for the first time; nothing is kept of them."""
        with in_place(job, wall_s=self._clock.wall_s()):
            return super().run_job(job)

    def _put(self, job: Job, *, wishes: Wishes, at_front: bool, unique: bool, form: Form | None = None) -> Job:
        job.origin = self.name
        placement = self._placement(job, at_front=at_front, key=wishes.key, unique=unique)
        job.enqueued_at = datetime.fromtimestamp(placement.asked_s, tz=UTC)
        # What a form knows of the job is older than what the job was given to carry.
        return self._place(job, placement, self._fields(job, None if wishes.fields else form))

    def _schedule(
        self,
        f: Any,
        args: tuple[Any, ...],
        options: dict[str, Any],
        *,
        due_ms: int | None = None,
        delay_ms: int | None = None,
    ) -> Job:
        wishes = Wishes.take_from(options, f, args)
        given = self._parse(f, args, options)
        job = self.create_job(**options_of(given), status=JobStatus.SCHEDULED)
        wishes.check_beside(given, job)
        carry(job, wishes.fields)
        if given.at_front:  # else a Dependency may have asked for it
            job.enqueue_at_front = True
        if given.pipeline is not None or not self.is_async:
            moment_s = due_ms / 1000 if due_ms is not None else self._clock.wall_s() + (delay_ms or 0) / 1000
            when = datetime.fromtimestamp(moment_s, tz=UTC)
            return self.schedule_job(job, when, pipeline=given.pipeline, unique=given.unique)
        placement = self._placement(job, key=wishes.key, unique=given.unique, due_ms=due_ms, delay_ms=delay_ms)
        return self._place(job, placement, self._fields(job))

    def _place(self, job: Job, placement: Placement, fields: list[Word]) -> Job:
        placed = self._way.enqueue(placement, fields)
        return self._answer(job, placed, placement)

    def _fields(self, job: Job, form: Form | None = None) -> list[Word]:
        """Write a job for its record, unless Redis would hang up on it."""
        fields = fields_in(form, job) if form else fields_of(new_record_of(job))
        if may_be_too_big(form.weigh(job) if form else size_of(fields)):
            self._way.check_fields(job.id, fields)
        return fields

    def _placement(self, job: Job, **where: Any) -> Placement:
        return Placement(
            queue=self.name,
            job_id=job.id,
            op=draw_name(self._rng),
            asked_s=self._clock.wall_s(),
            ttl=job.ttl,
            key_horizon_ms=self._settings.key_horizon_ms,
            **where,
        )

    def _answer(self, job: Job, placed: Placed, placement: Placement) -> Job:
        match placed:
            case out.Queued():
                job._status = JobStatus.QUEUED  # noqa: SLF001 - RQ's setter is a round trip
            case out.Scheduled():
                job._status = JobStatus.SCHEDULED  # noqa: SLF001
            case out.Duplicate(job_id):
                if placement.unique:
                    raise DuplicateJobError(f"Job with ID '{job_id}' already exists")
                return self._made_earlier(job_id, by=job, key=placement.key or "")
        return job

    def _made_earlier(self, job_id: str, *, by: Job, key: str) -> Job:
        """Read the job of a key, wherever it is: RQ's fetch_job knows none that was moved to another queue.

        Raises KeyTaken for another function's.
        """
        fetch = partial(self.job_class.fetch, job_id, serializer=self.serializer)
        try:
            job = self._way.read(lambda own: fetch(connection=own))
        except NoSuchJobError:
            return self.job_class(job_id, connection=self.connection, serializer=self.serializer)
        job.connection = self.connection
        with suppress(DeserializationError):  # what cannot be read here says nothing of its function
            if (made_by := job.func_name) != by.func_name:
                raise KeyTaken(key, self.name, job_id, str(made_by), str(by.func_name))
        return job


_enqueue_job_of_ours = Queue.enqueue_job
