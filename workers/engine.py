"""The parent's loop: claim → hand → renew → settle. One thread; everything it waits for is one wait."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.errors import NoHorses
from holdfast.jobs.store import outcomes as out
from holdfast.workers.clerk import Clerk
from holdfast.workers.commands import Commands
from holdfast.workers.false_starts import FalseStarts
from holdfast.workers.groom import Groom
from holdfast.workers.hold import Patience
from holdfast.workers.mount import Mount
from holdfast.workers.stop import Stop

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.recovery.keeper import Keeper
    from holdfast.workers.ears import Ears
    from holdfast.workers.face import Face
    from holdfast.workers.order import Order
    from holdfast.workers.reins import Bit
    from holdfast.workers.runtime import Runtime
    from holdfast.workers.shared_memory import Board

_GATE_LOOK_MS = 1_000
_NO_LIMIT = 2**62


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a worker stops by itself."""

    #: Once no job is due.
    burst: bool = False
    max_jobs: int | None = None
    #: Seconds without a job.
    max_idle_s: int | None = None


class Engine:
    """One worker's parent process, without RQ around it."""

    _limits = Limits()

    def __init__(
        self,
        *,
        moves: Moves,
        horse_moves: Sequence[Moves],
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
        serve: Callable[[Bit], int],
        when_awake: Callable[[], None] = lambda: None,  # for what is not worth waking up for
    ) -> None:
        self._courier = courier
        self._clock = clock
        self._ears = ears
        self._keeper = keeper
        self._tell = tell
        self._face = face
        self._when_awake = when_awake
        #: Whether a horse takes jobs by itself: not where each job first moves the order on.
        self._may_turn = settings.jobs_per_horse > 1 and not order.moves_on
        self._patience = Patience(settings)
        #: How many jobs were run, besides what horses have settled.
        self._done_here = 0
        #: When RQ's tools are to hear again that this worker lives, on the boot clock.
        self._beat_at = 0
        self._stop = Stop(clock, settings)
        self._mount = Mount(runtime, board, clock, self._patience, serve)
        self._false_starts = FalseStarts(board, clock, tell)
        self._clerk = Clerk(
            moves=moves,
            horse_moves=horse_moves,
            courier=courier,
            patience=self._patience,
            clock=clock,
            board=board,
            order=order,
            tell=tell,
            stop=self._stop,
        )
        self._groom = Groom(
            moves=moves,
            courier=courier,
            clerk=self._clerk,
            mount=self._mount,
            false_starts=self._false_starts,
            patience=self._patience,
            clock=clock,
            tell=tell,
            rng=rng,
            stop=self._stop,
        )
        self._commands = Commands(self._groom, self._mount, self._stop, tell)

    def ask_to_stop(self) -> None:
        """Finish within the grace, else give back. A second time: give back now. Safe in a signal handler."""
        self._stop.ask()

    def run(self, limits: Limits) -> int:
        """Work until asked to stop or a limit is reached; give how many jobs were run. Raises NoHorses in a burst."""
        try:
            return self._run(limits)
        except Exception:  # jobs that no horse has begun must not pay for it
            with suppress(Exception):
                self._stop.ask()
                self._groom.take_back_unbegun()
            raise

    def _run(self, limits: Limits) -> int:
        self._limits = limits
        idle_since = self._clock.boot_ms()
        while True:
            self._commands.tell_of_stops()
            beat_at = self._do_upkeep()
            if self._mount.is_at_work:
                idle_since = self._clock.boot_ms()
            elif self._mount.errand.is_looking and self._is_time_to_go(idle_since):
                self._groom.take_back_unbegun()
            if self._false_starts.is_waiting and not self._mount.is_at_work:
                if self._is_time_to_go(idle_since) and self._is_without_horse():
                    return self._done
                self._sit_out(idle_since, beat_at)
            elif self._mount.is_busy:
                self._tend(beat_at, idle_since)
            elif self._is_time_to_go(idle_since):
                if self._is_without_horse():
                    return self._done
            elif not self._look_for_a_job(idle_since, beat_at):
                return self._done

    @property
    def _done(self) -> int:
        return self._done_here + self._mount.turned

    def _is_time_to_go(self, idle_since: int) -> bool:
        """Tell whether this worker is to leave; its horse goes first."""
        most, idle_s = self._limits.max_jobs, self._limits.max_idle_s
        return (
            self._stop.asked
            or (most is not None and self._done >= most)
            or (idle_s is not None and self._clock.boot_ms() - idle_since >= idle_s * 1000)
        )

    def _is_without_horse(self) -> bool:
        """Claim nothing more, and send an idle horse away; True once none is left."""
        self._clerk.withdraw()
        self._mount.dismiss()
        return self._mount.horse is None

    def _do_upkeep(self) -> int:
        """Run chores and beat; give the moment of the next beat.

        A lease comes first: with a job in hand, nothing is done while Redis is away or a renewal is due, and one thing
        at a time otherwise, since on a slow link each takes long. The beat goes before chores: one may go on for long.
        """
        self._when_awake()
        self._false_starts.look_up()
        renewals = [hold.renew_at for hold in self._mount.holds if hold.end is None]
        if not renewals:
            self._keeper.run_due()
        elif self._courier.is_away or self._clock.boot_ms() >= min(renewals):
            return min(renewals)
        elif self._clock.boot_ms() < self._beat_at and self._keeper.run_due(at_most=1):
            return self._clock.boot_ms()
        self._beat_at = self._face.beat(self._clock.boot_ms())
        return self._beat_at

    # -- without a job

    def _look_for_a_job(self, idle_since: int, beat_at: int) -> bool:
        """Have the horse look for one, or claim one, or wait for one. False: there is nothing more to do."""
        if self._mount.may_look and self._more() and not self._limits.burst:
            self._face.idle()
            self._mount.look(self._more())
            return True
        answer, asked_ms = self._clerk.claim()
        match answer:
            case tuple():
                self._take_in_hand(answer, asked_ms)
            case out.Aftermath() as left:
                self._mount.hand_on(left)
                self._groom.hand(0)
            case out.Lost() | out.Again():
                pass  # the answer took longer than the lease, or dirt was cleared away: look again
            case out.Empty(listens_at):
                self._face.idle()
                if self._limits.burst:
                    return not self._is_without_horse()
                self._ears.wait_for_bell(listens_at, self._clerk.stand())
                self._wait_idle(idle_since, beat_at)
            case out.Closed():
                self._face.suspended()
                if self._limits.burst:
                    return not self._is_without_horse()
                self._wait_idle(idle_since, beat_at, self._clock.boot_ms() + _GATE_LOOK_MS)
            case None:
                self._wait_idle(idle_since, beat_at, self._clock.boot_ms() + _GATE_LOOK_MS)
        return True

    def _sit_out(self, idle_since: int, beat_at: int) -> None:
        """Take no job until a horse may be started again; what is left to tell of the dead is the first it gets."""
        if self._limits.burst:
            raise NoHorses(str(self._false_starts))
        self._face.idle()
        self._wait_idle(idle_since, beat_at, self._false_starts.until_ms)
        self._groom.hand(0)

    def _wait_idle(self, idle_since: int, beat_at: int, look_at: int | None = None) -> None:
        """Wait for the bell, or a moment, doing what is due; a closed gate is looked at again, as is a lost Redis."""
        idle_until = self._idle_until(idle_since)
        while not self._stop.asked:
            now = self._clock.boot_ms()
            if any(moment is not None and now >= moment for moment in (idle_until, look_at)):
                return
            moments = [self._keeper.due_ms(), beat_at, look_at, idle_until]
            until_ms = min(moment for moment in moments if moment is not None)
            heard = self._ears.hear(until_ms, self._mount.horse)
            for command in heard.commands:
                self._commands.obey(command)
            if heard.bell:
                self._clerk.was_answered(heard.answer)
                return
            if (ending := self._mount.hear()) is not None:
                self._groom.close(ending)  # an idle horse died: the next job has a new one
            beat_at = self._do_upkeep()

    def _idle_until(self, idle_since: int) -> int | None:
        max_idle_s = self._limits.max_idle_s
        return None if max_idle_s is None else idle_since + max_idle_s * 1000

    # -- with jobs

    def _take_in_hand(self, answer: tuple[out.Claimed, ...], asked_ms: int) -> None:
        """Give claimed jobs to the horse, unless we were asked to stop meanwhile."""
        taken = []
        for lease, record in ((claimed.lease, claimed.record) for claimed in answer):
            hold = self._patience.hold(lease, record, asked_ms)
            if self._clock.boot_ms() >= hold.renew_at:
                # A big record on a slow link may have used up the lease on its way.
                self._groom.renew(hold)
            taken.append(hold)
        if self._stop.asked or any(self._clock.boot_ms() >= hold.stop_by_ms for hold in taken):
            for hold in reversed(taken):
                self._tell.tell(events.Claimed(hold.lease, hold.record))
                self._clerk.give_back(hold, begun=False)
            return
        self._mount.holds += taken
        self._groom.hand(self._more())
        # Said after that: a log line takes as long as a small job.
        for hold in taken:
            self._tell.tell(events.Claimed(hold.lease, hold.record))

    def _more(self) -> int:
        """Tell how many jobs a horse may take by itself, besides those in hand."""
        if self._stop.asked or not self._may_turn:
            return 0
        most = self._limits.max_jobs
        return _NO_LIMIT if most is None else max(0, most - self._done - len(self._mount.holds))

    def _tend(self, beat_at: int, idle_since: int) -> None:
        """Wait for what the horse says or for its end, and do what comes due before that."""
        due_ms = self._groom.due_ms()
        moments = [beat_at, due_ms, self._mount.listen_at]
        if self._mount.errand.is_looking:
            moments.append(self._idle_until(idle_since))
        if not self._courier.is_away:
            moments.append(self._keeper.due_ms())
        heard = self._ears.hear(min(moment for moment in moments if moment is not None), self._mount.horse)
        ending = self._mount.hear()
        for command in heard.commands:
            self._commands.obey(command)
        self._commands.tell_of_stops()
        if ending is None and (self._stop.asked or (due_ms is not None and self._clock.boot_ms() >= due_ms)):
            self._groom.do_what_is_due()
            ending = self._mount.hear()
        if ending is not None:
            self._done_here += sum(hold.end is None and self._mount.is_begun(hold) for hold in self._mount.holds)
            self._groom.close(ending)
        self._settle()
        if not self._mount.errand.is_looking:
            self._face.busy()  # also after what a horse took by itself, which may be over before we hear of it
        if not self._stop.asked or self._mount.left is not None:
            self._groom.hand(self._more())  # what is left to tell of the dead is told before we leave

    def _settle(self) -> None:
        """Settle what has ended and is not settled by the horse."""
        ended = self._mount.ended
        self._done_here += len(ended)
        for hold in ended:
            assert hold.end is not None
            went_through = False
            if hold.end.kind == "lapsed":
                self._clerk.give_back(hold, begun=True)
            else:
                went_through = self._clerk.settle_end(hold)
            self._mount.settled(hold, went_through=went_through)
