"""Tends a horse: renews its lease, ends it when it must end, and settles what it left unsettled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.retry import Budget, Bury, Postpone
from holdfast.jobs.store import outcomes as out
from holdfast.workers.hold import Hold, Patience

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.jobs.store.scripts import Word
    from holdfast.workers.runtime import Ending
    from holdfast.workers.shared_memory import Board


#: A pool and a terminal may both pass on the same request; RQ takes two signals within a second for one, too.
_SAME_REQUEST_MS = 1_000


class Stop:
    """Whether the worker was asked to stop, and by when it must have."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._first_asked_ms = 0
        self.asked = False
        #: When a job that still runs is given back, on the boot clock.
        self.at_ms: int | None = None

    def ask(self) -> None:
        """Finish within the grace, else give back. A second time: give back now. Safe in a signal handler."""
        now = self._clock.boot_ms()
        if not self.asked:
            self.asked, self._first_asked_ms, self.at_ms = True, now, now + self._settings.grace_ms
        elif now - self._first_asked_ms >= _SAME_REQUEST_MS:
            self.at_ms = now

    def is_due(self) -> bool:
        """Tell whether the grace is over."""
        return self.at_ms is not None and self._clock.boot_ms() >= self.at_ms

    def is_past_last_word(self) -> bool:
        """Tell whether a worker that holds nothing has waited long enough for an answer under way."""
        return self.asked and self._clock.boot_ms() >= self._first_asked_ms + 2 * self._settings.reply_ms

    def is_past_grace(self) -> bool:
        """Tell whether nothing is to be waited for any more: giving back may need one more try than the grace."""
        last_try_ms = 2 * self._settings.reply_ms
        return self.at_ms is not None and self._clock.boot_ms() >= self.at_ms + last_try_ms


class Groom:
    """Looks after one hold at a time."""

    def __init__(
        self,
        *,
        moves: Moves,
        courier: Courier,
        settings: Settings,
        clock: Clock,
        board: Board,
        tell: events.Events,
        rng: random.Random,
        stop: Stop,
    ) -> None:
        self._moves = moves
        self._courier = courier
        self._settings = settings
        self._clock = clock
        self._board = board
        self._tell = tell
        self._rng = rng
        self._stop = stop
        self._patience = Patience(settings)

    def due_ms(self, hold: Hold) -> int:
        """Tell when, on the boot clock, something must be done for this hold."""
        if hold.settled_ms is not None:
            gone_by = hold.settled_ms + hold.linger_ms
            return min(gone_by, self._stop.at_ms or gone_by)
        moments = [hold.renew_at, self._board.stop_by_ms, hold.overdue_at, self._stop.at_ms]
        return min(moment for moment in moments if moment is not None)

    def do_what_is_due(self, hold: Hold) -> None:
        """End the horse if its time is over, else renew if that is due."""
        now = self._clock.boot_ms()
        if self._board.execution != hold.op or hold.settled_ms is not None:
            self._see_off(hold, now)
        elif now >= self._board.stop_by_ms:
            self.stop_horse(hold, "stop-by")
        elif self._stop.is_due():
            self.stop_horse(hold, "grace")
        elif hold.overdue_at is not None and now >= hold.overdue_at:
            self.stop_horse(hold, "overdue")
        elif now >= hold.renew_at:
            self._renew(hold)

    def _see_off(self, hold: Hold, now: int) -> None:
        """Wait for a horse whose job is settled: its webhooks hold nothing, but may not take for ever."""
        hold.settled_ms = hold.settled_ms or now
        if self._stop.is_due() or now >= hold.settled_ms + hold.linger_ms:
            hold.horse.kill()

    def _renew(self, hold: Hold) -> None:
        asked_ms = self._clock.boot_ms()
        answer = self._courier.send_once(
            lambda: self._moves.renew(hold.lease, worked_s=(asked_ms - hold.begun_ms) / 1000)
        )
        if answer is None:
            hold.renew_at = self._clock.boot_ms() + self._patience.renew_again_ms
        elif isinstance(answer, out.Renewed):
            self._board.stop_by_ms = asked_ms + self._patience.hold_ms
            hold.renew_at = asked_ms + self._settings.renew_ms
        else:
            # It may have crossed the horse's own settle on the wire. Then the horse will hear the truth itself.
            if not self._board.settling:
                self.stop_horse(hold, "gone")
            hold.renew_at = self._clock.boot_ms() + self._settings.renew_ms

    def stop_horse(self, hold: Hold, why: str) -> None:
        """Freeze, look, kill: only if it still works on this execution."""
        if hold.horse.ended() is not None:
            return
        hold.horse.freeze()
        if self._board.execution == hold.op:
            hold.stopped_for = why
            hold.horse.kill()
            self._tell.tell(events.HorseStopped(hold.lease, why))
        else:
            hold.horse.thaw()
            self._tell.tell(events.HorseSpared(hold.lease, why))

    def heed(self, hold: Hold, command: str) -> None:
        """Stop a horse for a person, unless its job is settled already or just being settled: that comes too late."""
        if hold.settled_ms is None and not self._board.settling:
            self.stop_horse(hold, command)

    def close(self, hold: Hold, ending: Ending) -> None:
        """Settle what a horse that ended has left unsettled."""
        if self._board.execution != hold.op or hold.settled_ms is not None:
            return
        is_stopping = self._stop.asked and ending.signal is not None
        is_late = self._clock.boot_ms() >= self._board.stop_by_ms
        lease, begun = hold.lease, self._board.begun
        match why := hold.why(ending, is_stopping=is_stopping, is_late=is_late):
            case "gone":
                pass
            case "unharmed":
                self.settle(lease, lambda op: self._moves.give_back(lease, op, begun=begun), "given back")
            case "stopped":
                text = "Job stopped by user, work-horse terminated."
                self._bury(hold, "stopped", text, status="stopped")
            case "overdue":
                self._fail(hold, "The job ran past its timeout and did not heed it; its work-horse was killed.")
            case "killed":
                self._fail(hold, "Work-horse terminated by a kill-horse command.")
            case cause:
                self.settle(lease, lambda op: self._moves.crash(lease, op, cause=cause), "crashed", cause)
        self._board.execution = 0
        if why not in {"gone", "unharmed", "stopped"}:
            self._tell.tell(events.HorseDied(lease, hold.record, hold.horse.pid, ending.wait_status, ending.usage))

    def _fail(self, hold: Hold, error: str) -> None:
        """Settle for a horse that can no longer do so a failure of its job."""
        lease, spell = hold.lease, hold.spell(self._clock)
        match Budget.of(hold.record).decide(TimeoutError(error), self._rng):
            case Bury(cause):
                self._bury(hold, cause, error)
            case Postpone(delay_ms, at_front, retries_left):
                used: list[Word] = ["retries_left", retries_left]
                self.settle(
                    lease,
                    lambda op: self._moves.postpone(
                        lease, op, spell, delay_ms=delay_ms, at_front=at_front, error=error, used=used
                    ),
                    "postponed",
                    f"{delay_ms} ms",
                )

    def _bury(self, hold: Hold, cause: str, error: str, *, status: str = "failed") -> None:
        lease, spell = hold.lease, hold.spell(self._clock)
        # A stopped job's word is on_stopped alone.
        is_unspoken = status == "failed" or bool(hold.record.get(b"stopped_callback_name"))
        self.settle(
            lease,
            lambda op: self._moves.bury(
                lease, op, spell, cause=cause, error=error, status=status, is_unspoken=is_unspoken
            ),
            "buried",
            cause,
        )

    def settle(self, lease: Lease, move: Callable[[int], Any], word: str, detail: str = "") -> None:
        """Make the move that ends the lease. Unanswered until we must go, the lease runs out by itself."""
        op = self._board.next_op()
        try:
            answer = self._courier.send(lambda: move(op), gives_up=self._stop.is_past_grace)
        except RedisAwayError:
            return
        if isinstance(answer, (out.Fenced, out.Lost, out.Closed)):
            self._tell.tell(events.Refused(lease, answer))
            return
        self._tell.tell(events.Settled(lease, "buried" if isinstance(answer, out.Buried) else word, detail))
