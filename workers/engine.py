"""The parent's loop: claim → hand → renew → settle. One thread; everything it waits for is one wait."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store import outcomes as out
from holdfast.workers.groom import Groom, Stop
from holdfast.workers.hold import Hold, Patience

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.recovery.keeper import Keeper
    from holdfast.workers.ears import Ears
    from holdfast.workers.order import Order
    from holdfast.workers.runtime import Runtime
    from holdfast.workers.shared_memory import Board

_GATE_LOOK_MS = 1_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a worker stops by itself."""

    #: Once no job is due.
    burst: bool = False
    max_jobs: int | None = None
    #: Seconds without a job.
    max_idle_s: int | None = None


class Face(Protocol):
    """How the engine shows itself to RQ's tools: the thin adapter behind `rq worker`."""

    def beat(self, now_ms: int) -> int:
        """Say that the worker lives, if it is time to; give the moment of the next beat."""
        ...

    def busy(self) -> None:
        """Know that the claim has said so."""
        ...

    def idle(self) -> None:
        """Say that the worker waits."""
        ...

    def suspended(self) -> None:
        """Say that a gate is closed."""
        ...


class Engine:
    """One worker's parent process, without RQ around it."""

    def __init__(
        self,
        *,
        moves: Moves,
        courier: Courier,
        settings: Settings,
        clock: Clock,
        runtime: Runtime,
        ears: Ears,
        keeper: Keeper,
        board: Board,
        order: Order,
        tell: events.Events,
        face: Face,
        rng: random.Random,
        run_job: Callable[[Lease, dict[bytes, bytes]], int],
        speak_for: Callable[[out.Aftermath], int],
    ) -> None:
        self._moves = moves
        self._courier = courier
        self._settings = settings
        self._clock = clock
        self._runtime = runtime
        self._ears = ears
        self._keeper = keeper
        self._board = board
        self._order = order
        self._tell = tell
        self._face = face
        self._run_job = run_job
        self._speak_for = speak_for
        self._hold: Hold | None = None
        #: Whether the last claim that found nothing gave us queues to listen at.
        self._listens = False
        #: When the claim under way was first sent: from then on, not from its answer, the lease is counted.
        self._asked_ms = 0
        self._patience = Patience(settings)
        self._stop = Stop(clock, settings)
        self._groom = Groom(
            moves=moves,
            courier=courier,
            settings=settings,
            clock=clock,
            board=board,
            tell=tell,
            rng=rng,
            stop=self._stop,
        )

    def ask_to_stop(self) -> None:
        """Finish within the grace, else give back. A second time: give back now. Safe in a signal handler."""
        self._stop.ask()

    def run(self, limits: Limits) -> int:
        """Work until asked to stop or a limit is reached; give how many jobs were run."""
        done = 0
        idle_since = self._clock.boot_ms()
        while True:
            beat_at = self._do_upkeep()
            if hold := self._hold:
                self._tend(hold, beat_at)
                if self._hold is None:
                    done += hold.op != 0
                    idle_since = self._clock.boot_ms()
                continue
            if self._stop.asked or (limits.max_jobs is not None and done >= limits.max_jobs):
                return done
            if limits.max_idle_s is not None and self._clock.boot_ms() - idle_since >= limits.max_idle_s * 1000:
                return done
            if not self._look_for_a_job(limits, idle_since, beat_at):
                return done

    def _do_upkeep(self) -> int:
        """Run chores and beat; give the moment of the next beat.

        A lease comes first: with a job in hand, nothing is done while Redis is away or a renewal is due, and one thing
        at a time otherwise, since on a slow link each takes long.
        """
        if self._hold is None or self._hold.settled_ms is not None:
            self._keeper.run_due()
        elif self._courier.is_away or self._clock.boot_ms() >= self._hold.renew_at:
            return self._hold.renew_at
        elif self._keeper.run_due(at_most=1):
            return self._clock.boot_ms()
        return self._face.beat(self._clock.boot_ms())

    # -- without a job

    def _look_for_a_job(self, limits: Limits, idle_since: int, beat_at: int) -> bool:
        """Claim one, or wait for one. False: there is nothing more to do."""
        match self._claim():
            case out.Claimed(lease, record):
                self._hand(lease, record)
            case out.Aftermath() as left:
                horse = self._runtime.start_horse(lambda: self._speak_for(left))
                self._hold = Hold.of_aftermath(left, horse, self._clock.boot_ms())
            case out.Lost() | out.Again():
                pass  # the answer took longer than the lease, or dirt was cleared away: look again
            case out.Empty(listens_at):
                self._face.idle()
                if limits.burst:
                    return False
                self._ears.wait_for_bell(listens_at)
                self._wait_idle(limits, idle_since, beat_at, for_bell=True)
            case out.Closed():
                self._face.suspended()
                if limits.burst:
                    return False
                self._wait_idle(limits, idle_since, beat_at, for_bell=False)
            case None:
                return False
        return True

    def _claim(self) -> out.Claimed | out.Aftermath | out.Empty | out.Again | out.Closed | out.Lost | None:
        while not self._stop.is_past_last_word():
            op = self._board.next_op()
            # Before the request leaves, so that at any moment it is known what may be held.
            self._board.execution = op
            self._asked_ms = self._clock.boot_ms()
            with suppress(RedisAwayError):
                answer = self._courier.send(
                    lambda op=op: self._moves.claim(  # type: ignore[misc]
                        op, self._order.queues, seen_fence=self._board.seen_fence, listens=self._listens
                    ),
                    until_ms=self._asked_ms + self._patience.claim_ms,
                    gives_up=self._stop.is_past_last_word,
                )
                if not isinstance(answer, out.Claimed):
                    self._board.execution = 0
                self._listens = isinstance(answer, out.Empty) and bool(answer.listens_at)
                return answer
        return None

    def _wait_idle(self, limits: Limits, idle_since: int, beat_at: int, *, for_bell: bool) -> None:
        """Wait for the bell, doing what is due meanwhile. A closed gate is looked at, not listened to."""
        gate_at = self._clock.boot_ms() + _GATE_LOOK_MS
        idle_until = None if limits.max_idle_s is None else idle_since + limits.max_idle_s * 1000
        while not self._stop.asked:
            now = self._clock.boot_ms()
            if idle_until is not None and now >= idle_until:
                return
            if not for_bell and now >= gate_at:
                return
            moments = [self._keeper.due_ms(), beat_at, gate_at if not for_bell else None, idle_until]
            heard = self._ears.hear(min(moment for moment in moments if moment is not None), None)
            for command in heard.commands:
                self._obey(command)
            if heard.bell:
                return
            beat_at = self._do_upkeep()

    # -- with a job

    def _hand(self, lease: Lease, record: dict[bytes, bytes]) -> None:
        """Give a claimed job to a horse, unless we were asked to stop meanwhile."""
        self._order.took_from(lease.queue)
        self._board.seen_fence = lease.fence
        self._board.begun = False
        self._board.settling = False
        self._board.stop_by_ms = self._asked_ms + self._patience.hold_ms
        if self._clock.boot_ms() >= self._asked_ms + self._settings.renew_ms:
            self._make_up_for_a_slow_answer(lease)
        if self._stop.asked or self._clock.boot_ms() >= self._board.stop_by_ms:
            self._groom.settle(lease, lambda op: self._moves.give_back(lease, op, begun=False), "given back")
            self._board.execution = 0
            return
        self._face.busy()
        self._tell.tell(events.Claimed(lease, record.get(b"description", b"").decode(errors="replace")))
        horse = self._runtime.start_horse(lambda: self._run_job(lease, record))
        self._hold = Hold(
            lease,
            record,
            horse,
            op=self._board.execution,
            begun_ms=self._clock.boot_ms(),
            renew_at=self._asked_ms + self._settings.renew_ms,
            overdue_at=self._patience.overdue_ms(record, self._clock.boot_ms()),
        )

    def _make_up_for_a_slow_answer(self, lease: Lease) -> None:
        """Renew before a horse is started: a big record on a slow link may have used up the lease on its way."""
        asked_ms = self._clock.boot_ms()
        answer = self._courier.send_once(lambda: self._moves.renew(lease, worked_s=0))
        if isinstance(answer, out.Renewed):
            self._asked_ms = asked_ms
            self._board.stop_by_ms = asked_ms + self._patience.hold_ms
        elif answer is not None:
            self._board.stop_by_ms = 0  # it is gone: not to be begun

    def _tend(self, hold: Hold, beat_at: int) -> None:
        """Wait for the horse to end, and do what comes due before that."""
        moments = [self._groom.due_ms(hold), beat_at]
        if not self._courier.is_away:
            moments.append(self._keeper.due_ms())
        heard = self._ears.hear(min(moments), hold.horse)
        if hold.horse.ended() is None:
            for command in heard.commands:
                self._obey(command)
            self._groom.do_what_is_due(hold)
        ending = hold.horse.ended()
        if ending is not None:
            self._hold = None
            self._groom.close(hold, ending)

    def _obey(self, command: dict[str, Any]) -> None:
        """Do what RQ's send_*_command() asks; ignore, as RQ does, what is asked of a job we do not hold."""
        match command, self._hold:
            case {"command": "shutdown"}, _:
                self.ask_to_stop()
            case {"command": "stop-job", "job_id": job_id}, Hold() as hold if hold.lease.job_id == job_id:
                self._groom.heed(hold, "stopped")
            case {"command": "kill-horse"}, Hold() as hold:
                self._groom.heed(hold, "killed")
