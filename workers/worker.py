"""`rq worker -w holdfast.workers.Worker`: the thin adapter between RQ's worker and our engine."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.jobs import classes
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.errors import NoHorses, RedisAwayError, SettingsError
from holdfast.jobs.events import Event, Events, HorseDied, HorsesSeen, RedisLeft, RedisReturned
from holdfast.jobs.rq_surface import DATE_FORMAT, LOG_FORMAT, DequeueStrategy, RQWorker, UnixSignalDeathPenalty
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier, Line, derive
from holdfast.jobs.store.door import explained, is_lockout, outage_in_words, reach
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts, draw_name
from holdfast.recovery.keeper import Keeper, all_chores, log_refusal
from holdfast.workers.alarm import Alarm
from holdfast.workers.at_start import one_line, overridden_in_vain
from holdfast.workers.calls import flush_reports
from holdfast.workers.ears import SocketEars
from holdfast.workers.engine import Engine, Limits
from holdfast.workers.fenced_job import named
from holdfast.workers.groom import HOSTAGE_MS
from holdfast.workers.hold import Patience
from holdfast.workers.horse import Care, Horse, Means
from holdfast.workers.job_variable import JobVariable
from holdfast.workers.last_word import LastWord
from holdfast.workers.lookout import Lookout
from holdfast.workers.order import Order
from holdfast.workers.pace import Pace
from holdfast.workers.registration import Registration
from holdfast.workers.reins import MOST_UNHEARD
from holdfast.workers.runtime import SystemRuntime, give_way, guard, now_s
from holdfast.workers.say import Say
from holdfast.workers.shared_memory import Board
from holdfast.workers.speaker import Speaker
from holdfast.workers.tidy import Tidy
from holdfast.workers.trade import Trade
from holdfast.workers.turns import Lane, Turns, callers_of
from holdfast.workers.watch import SocketWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from holdfast.workers.reins import Bit


logger = logging.getLogger("rq.worker")


class _NotBegun(Exception):
    """Asked to stop while it waited for a server that said "not now"."""


class Worker(RQWorker):
    """RQ's worker with leases, fencing and a reaper. Takes RQ's arguments; settings come from `HOLDFAST_*`.

    Raises SettingsError for settings that contradict each other, UnsupportedServer for a Redis on which our promises
    cannot be kept, Unreachable where there is none, and NameTaken. Under RQ's command line each of these is a line in
    the log and exit code 1.
    """

    def __init__(self, *args: Any, settings: Settings | None = None, **options: Any) -> None:
        with one_line(logger):
            self.settings = settings or Settings.from_environment(os.environ)
            with explained(lambda: self.connection):
                super().__init__(*args, **options)
            classes.check_keys(type(self), self.job_class, self.queue_class, *map(type, self.queues))
        #: The user's own connection stays for the job's own code; ours never re-sends by itself.
        self.users_connection: Redis = self.connection
        self.connection = derive(self.users_connection, reply_ms=self.settings.reply_ms)
        self._rng = random.SystemRandom()
        self._clock = SystemClock()
        self._engine: Engine | None = None
        self._is_stopping = False
        self._say = Say(self.log, self.name, self._clock, log_description=self.log_job_description)
        self._events = Events(self._say)
        self._events.listen(self._hand_over_the_dead, HorseDied)
        self._events.listen(lambda event: self._registration.note_horses(event), HorsesSeen)  # noqa: PLW0108 - made anew
        self._begin_life()

    def work(
        self,
        burst: bool = False,  # noqa: FBT001, FBT002 - RQ's signature
        logging_level: str | None = None,
        date_format: str = DATE_FORMAT,
        log_format: str = LOG_FORMAT,
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,  # noqa: ARG002, FBT001, FBT002 - every worker of ours promotes
        dequeue_strategy: DequeueStrategy = DequeueStrategy.DEFAULT,
    ) -> bool:
        """Run jobs until asked to stop or a limit is reached. Tells whether any was run. A burst may raise NoHorses."""
        # As in RQ, which looks at it after each job: with 0 one job is run, not none.
        most_jobs = None if max_jobs is None else max(1, max_jobs)
        strategy = getattr(dequeue_strategy, "value", dequeue_strategy) or "default"
        order = Order(self.queue_names(), strategy, self._rng)
        ears = SocketEars(
            self.connection,
            self._clock,
            queues=self.queue_names(),
            channel=self.pubsub_channel_name,
            poll_ms=self.settings.poll_ms,
        )
        self._begin_life()
        self._engine = self._make_engine(order, ears)
        # From here on a signal is a request to stop, also while we wait for a server and register.
        self._install_signal_handlers()
        try:
            with one_line(self.log):
                self._begin(lambda: self.bootstrap(logging_level, date_format, log_format))
            self.log.info("Worker %s: holdfast %s", self.name, self.settings.describe())
            if vain := overridden_in_vain(type(self), self.job_class):
                self.log.warning("Worker %s: overridden, and never called by our loop: %s", self.name, ", ".join(vain))
            with one_line(self.log, NoHorses):
                done = self._engine.run(Limits(burst=burst, max_jobs=most_jobs, max_idle_s=max_idle_time))
        except _NotBegun:
            self.log.warning("Worker %s: asked to stop before Redis let it begin", self.name)
            return False
        finally:
            self._say.sum_up(at_end=True)
            ears.close()
            self.teardown()
        self.log.info("Worker %s: stopped after %d jobs", self.name, done)
        return done > 0

    def _begin_life(self) -> None:
        """Take an identity and a board: all is numbered from 1 in each call of work(), and an app may call it again."""
        self._board = self._say.board = Board()
        self._caller = Caller(self.name, draw_name(self._rng))
        #: Of all our horses: one of them lives at a time.
        self._horse_callers = callers_of(self._caller, self.settings, self._rng)
        self._registration = Registration(self, self._caller.instance, self.settings)

    def _begin(self, bootstrap: Callable[[], None]) -> None:
        """Register at a server that can be worked with; one that says "not now" is waited for."""
        lives_s = self.worker_ttl + 60
        if lives_s * 1000 <= self.settings.renew_ms:
            raise SettingsError(
                f"{self.settings.as_found('renew_ms')}: it must be below RQ's --worker-ttl ({self.worker_ttl} s) + "
                f"60 s, or RQ's tools take this worker for dead between two renewals. Lower it, or raise --worker-ttl."
            )
        courier = self._make_courier(self.connection, has_begun=False)
        gives_up = lambda: self._is_stopping  # noqa: E731
        try:
            if caution := reach(self.connection, courier, self._clock, gives_up=gives_up):
                self.log.warning("Worker %s: %s", self.name, caution)
            with explained(lambda: self.connection):
                courier.send(bootstrap, gives_up=gives_up)
        except RedisAwayError as away:
            raise _NotBegun from away

    def _make_engine(self, order: Order, ears: SocketEars) -> Engine:
        line = Line(self.connection, now_s)
        scripts = Scripts(self.connection, record=self.settings.record_moves, line=line)
        courier = self._make_courier(self.connection, line)
        chores = all_chores(scripts, self._clock, self.settings, self._events)
        return Engine(
            moves=Moves(scripts, self._clock, self.settings, self._caller),
            horse_moves=[Moves(scripts, self._clock, self.settings, caller) for caller in self._horse_callers],
            courier=courier,
            settings=self.settings,
            clock=self._clock,
            runtime=SystemRuntime(most_unheard=1 if self.settings.jobs_per_horse == 1 else MOST_UNHEARD),
            ears=ears,
            keeper=Keeper(chores, self._clock, self._rng, on_trouble=courier.take_note, on_refusal=log_refusal),
            board=self._board,
            order=order,
            tell=self._events,
            face=self._registration,
            rng=self._rng,
            serve=lambda bit: self._serve(bit, order),
            when_awake=self._say.sum_up,
        )

    def _make_courier(self, connection: Redis, line: Line | None = None, *, has_begun: bool = True) -> Courier:
        return Courier(
            connection,
            self._clock,
            self._rng,
            on_away=lambda error: self._events.tell(RedisLeft(outage_in_words(connection, error), is_lockout(error))),
            on_back=lambda: self._events.tell(RedisReturned()),
            line=line,
            outlasts=is_lockout if has_begun else lambda _: False,
        )

    def _serve(self, bit: Bit, order: Order) -> int:
        """Run jobs in the child. Nothing of the parent's sockets is used here."""
        self._is_horse, pid = True, os.getpid()
        self._say.is_of_horse = True
        random.seed()
        gc.freeze()  # what the parent made outlives every job: not to be looked through again and again
        os.environ["RQ_WORKER_ID"] = self.name
        connection = derive(self.users_connection, reply_ms=self.settings.reply_ms)
        courier = self._make_courier(connection)
        moves = Moves(Scripts(connection, record=self.settings.record_moves), self._clock, self.settings, self._caller)
        penalty = self.death_penalty_class
        trade = Trade(
            connection=self.users_connection,
            job_class=self.job_class,
            serializer=self.serializer,
            death_penalty=Alarm if penalty is UnixSignalDeathPenalty else penalty,
            default_result_ttl=self.default_result_ttl,
            lists_failures=not self.disable_default_exception_handler,
            on_exception=self.handle_exception,
        )
        most_jobs, patience = self.settings.jobs_per_horse, Patience(self.settings)
        care = Care(is_itself=lambda: os.getpid() == pid, before_job=partial(self._before_job, JobVariable()))
        if most_jobs > 1:
            tidy = Tidy(memory_max_mb=self.settings.horse_memory_max_mb, clock=self._clock)
            care = replace(care, before_call=tidy.before_call, after_job=tidy.after_job, apart=tidy.apart)
        horse = Horse(
            bit=bit,
            turns=self._turns(bit, order, connection, patience),
            board=self._board,
            means=Means(trade=trade, moves=moves, courier=courier, clock=self._clock, rng=self._rng),
            speaker=Speaker(trade, moves, courier, self._clock, self._events),
            most_jobs=most_jobs,
            looks_ahead=self.settings.prefetch > 1,
            care=care,
            last_word=LastWord(self._connect_anew, self._events),
        )
        look_again_ms = patience.hold_ms // 4
        guard(
            lambda: self._board.is_at_work and horse.is_out_of_time(),
            lambda: self._board.stop_by_ms - self._clock.boot_ms() if self._board.is_at_work else look_again_ms,
        )
        code = horse.serve()
        flush_reports()
        return code

    def _turns(self, bit: Bit, order: Order, connection: Redis, patience: Patience) -> Turns:
        return Turns(
            bit=bit,
            board=self._board,
            lanes=[self._lane(connection, caller) for caller in self._horse_callers],
            clock=self._clock,
            queues=order.queues,
            pace=Pace(self.settings.prefetch, HOSTAGE_MS),
            hold_ms=patience.hold_ms,
            tell=self._events,
            watch=SocketWatch(connection, self._clock, queues=order.queues, poll_ms=patience.stand_ms),
        )

    def _connect_anew(self) -> tuple[Moves, Courier]:
        connection = derive(self.users_connection, reply_ms=self.settings.reply_ms)
        scripts = Scripts(connection, record=self.settings.record_moves)
        caller = Caller(self.name, draw_name(self._rng), self._caller.instance)
        return Moves(scripts, self._clock, self.settings, caller), self._make_courier(connection)

    def _lane(self, connection: Redis, caller: Caller) -> Lane:
        line = Line(connection, now_s)
        scripts = Scripts(connection, record=self.settings.record_moves, line=line)
        return Lane(
            Moves(scripts, self._clock, self.settings, caller),
            self._make_courier(connection, line),
            Lookout(line.has_answer, spin_us=self.settings.spin_us, now_s=now_s, give_way=give_way),
        )

    def _before_job(self, variable: JobVariable, queue: str, job_id: str) -> None:
        """Say what is worked on where RQ says it."""
        variable.set(job_id)
        self.procline(f"Processing {job_id} from {queue}")  # type: ignore[no-untyped-call]  # RQ's is untyped

    # -- what RQ's worker does, done our way

    def _hand_over_the_dead(self, event: Event) -> None:
        """Call the user's work_horse_killed_handler, as RQ does: in the parent, which holds no lease at that moment."""
        assert isinstance(event, HorseDied)
        make = partial(self.job_class, connection=self.users_connection, serializer=self.serializer)
        try:
            job = named(event.lease.job_id, make)
            job.restore(event.record)
            self.handle_work_horse_killed(job, event.pid, event.wait_status, event.usage)  # type: ignore[no-untyped-call]  # RQ's is untyped
        except Exception:
            self.log.exception("Worker %s: the work_horse_killed_handler raised", self.name)

    def register_birth(self) -> None:
        """Enter the worker in RQ's registry, also under the name of one that is known to be dead."""
        self._registration.enter(super().register_birth)

    def request_stop(self, signum: int, frame: object) -> None:  # noqa: ARG002 - a signal handler's signature
        """Stop warmly: finish within the grace, else give back. A second signal gives back now."""
        # Only a note: a handler that used a connection could tear a reply in two.
        self._is_stopping = True
        if self._engine is not None:
            self._engine.ask_to_stop()

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)

    def subscribe(self) -> None:
        """Do nothing: commands are heard by the engine's own ears, without a thread."""

    def unsubscribe(self) -> None:
        """Do nothing, as `subscribe` did."""

    def teardown(self) -> None:
        """Leave RQ's registry, if Redis still answers."""
        self._registration.leave(self.register_death)
