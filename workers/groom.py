"""Tends the horse: renews leases, ends it when it must end, and takes back what it holds up or has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.store import outcomes as out
from holdfast.workers.estate import Estate
from holdfast.workers.runtime import NoProcess

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.clerk import Clerk
    from holdfast.workers.false_starts import FalseStarts
    from holdfast.workers.hold import Hold, Patience, Turn
    from holdfast.workers.mount import Mount
    from holdfast.workers.runtime import Ending
    from holdfast.workers.stop import Stop

#: For how long a job may run before the others in hand are taken back from behind it.
HOSTAGE_MS = 50
#: How long a horse may take to begin what it was handed, or to hear the answer to its turn.
START_MS = 10_000
#: How soon a worker that was asked to stop tries again to take back what its horse has in hand.
_AGAIN_MS = 5


class Groom:
    """Looks after one horse and the leases in hand."""

    def __init__(
        self,
        *,
        moves: Moves,
        courier: Courier,
        clerk: Clerk,
        mount: Mount,
        false_starts: FalseStarts,
        patience: Patience,
        clock: Clock,
        tell: events.Events,
        rng: random.Random,
        stop: Stop,
    ) -> None:
        self._moves = moves
        self._courier = courier
        self._clerk = clerk
        self._mount = mount
        self._false_starts = false_starts
        self._clock = clock
        self._tell = tell
        self._stop = stop
        self._patience = patience
        self._estate = Estate(moves=moves, clerk=clerk, clock=clock, tell=tell, rng=rng, stop=stop)

    def hand(self, more: int) -> None:
        """Hand over what is in hand; the horse may take `more` by itself. If none can be started, it goes back."""
        if self._false_starts.is_waiting and self._mount.horse is None:
            return
        try:
            self._mount.hand(more)
        except NoProcess as error:
            self._false_starts.note(str(error))
            self.take_back_unbegun()

    # -- what is due

    def due_ms(self) -> int | None:
        """Tell when, on the boot clock, something must be done; None: never."""
        mount, moments = self._mount, []
        if mount.telling_until is not None:
            moments += [mount.telling_until, self._stop.at_ms]
        if (self._stop.asked or mount.is_elsewhere()) and mount.holds_up(None):
            moments.append(self._clock.boot_ms() + _AGAIN_MS)
        if mount.errand.turns and mount.horse is not None:
            moments.append(self._silent_at(mount.errand.turns[0]))
        if first := mount.first:
            moments += [first.stop_by_ms, first.overdue_at, self._stop.at_ms, self._stuck_at(first)]
            moments += [hold.renew_at for hold in mount.holds if hold.end is None]
            if mount.holds_up(first):
                moments.append(self._hostages_at(first))
        return min((moment for moment in moments if moment is not None), default=None)

    def _stuck_at(self, first: Hold) -> int | None:
        if first.begun_ms is None or self._mount.is_begun(first):
            return None
        return first.begun_ms + START_MS

    def _silent_at(self, turn: Turn) -> int:
        return turn.asked_ms + max(START_MS, self._patience.hold_ms)

    def _hostages_at(self, first: Hold) -> int | None:
        return None if first.begun_ms is None else first.begun_ms + HOSTAGE_MS

    def do_what_is_due(self) -> None:
        """End the horse if its time is over, renew, and take back what waits behind a slow job."""
        now, mount = self._clock.boot_ms(), self._mount
        if self._stop.asked:
            mount.take_no_more()
        if mount.is_elsewhere():
            self.take_back_unbegun()
        if mount.telling_until is not None:
            if (self._stop.is_due() or now >= mount.telling_until) and mount.horse is not None:
                # It holds nothing: its webhooks may not take for ever.
                mount.horse.kill()
        elif (turns := mount.errand.turns) and now >= self._silent_at(turns[0]) and mount.horse is not None:
            # What it may have taken is no longer its own, and nobody knows what it waits for.
            mount.horse.kill()
        elif mount.first is None or not self._has_ended(mount.first, now):
            self._look_behind(mount.first, now)

    def _has_ended(self, first: Hold, now: int) -> bool:
        """End the horse if the time of its job is over. Else renew what is in hand."""
        if why := self._why_to_stop(first, now):
            self._give_up(first, why)
            return True
        for hold in list(self._mount.holds):
            if hold.end is None and now >= hold.renew_at and not self.renew(hold):
                self._let_go_of(hold)
        return False

    def _look_behind(self, first: Hold | None, now: int) -> None:
        """Take back what waits."""
        hostages_at = None if first is None else self._hostages_at(first)
        if self._stop.asked:
            self.take_back_unbegun()
        elif hostages_at is not None and now >= hostages_at:
            self.take_back_unbegun(behind=first)

    def _why_to_stop(self, first: Hold, now: int) -> str | None:
        stuck_at = self._stuck_at(first)
        if now >= first.stop_by_ms:
            return "stop-by"
        if self._stop.is_due():
            return "grace"
        if first.overdue_at is not None and now >= first.overdue_at:
            return "overdue"
        return "stuck" if stuck_at is not None and now >= stuck_at else None

    def renew(self, hold: Hold) -> bool:
        """Push back its deadline. False: it is no longer ours."""
        asked_ms = self._clock.boot_ms()
        worked_s = 0 if hold.begun_ms is None else (asked_ms - hold.begun_ms) / 1000
        answer = self._courier.send_once(lambda: self._moves.renew(hold.lease, worked_s=worked_s))
        if answer is None:
            hold.renew_at = self._clock.boot_ms() + self._patience.renew_again_ms
        elif isinstance(answer, out.Renewed):
            hold.stop_by_ms = asked_ms + self._patience.hold_ms
            hold.renew_at = asked_ms + self._patience.renew_ms
            self._mount.publish()
        else:
            hold.stop_by_ms = 0
            return False
        return True

    def _let_go_of(self, hold: Hold) -> None:
        """End the work on a job that is no longer ours."""
        # This lease, and no other of its job: a turn may have ended it and taken the job anew.
        if hold not in self.take_back_unbegun(but=lambda each: each is hold):
            self.stop_horse(hold, "gone")

    # -- ending the horse

    def _give_up(self, first: Hold, why: str) -> None:
        if self._mount.is_begun(first):
            self.stop_horse(first, why)
        elif why == "stuck" and self._mount.horse is not None:
            self._mount.horse.kill()
            self._tell.tell(events.HorseStopped(first.lease, why))
        else:
            self.take_back_unbegun()

    def stop_horse(self, hold: Hold, why: str) -> None:
        """Freeze, listen, kill: only if it is still at that job."""
        horse = self._mount.horse
        if horse is None or horse.ended() is not None:
            return
        horse.freeze()
        self._mount.hear()
        if hold.end is None:
            hold.stopped_for = why
            horse.kill()
            self._tell.tell(events.HorseStopped(hold.lease, why))
        else:
            horse.thaw()
            self._tell.tell(events.HorseSpared(hold.lease, why))

    def stop_job(self, job_id: str) -> bool:
        """Stop a job for a person, unless it has ended already. False: it is not in hand."""
        mount = self._mount
        known = next((hold for hold in mount.holds if hold.lease.job_id == job_id and hold.end is None), None)
        if known is not None and mount.is_begun(known):
            self.stop_horse(known, "stopped")
            return True
        found = []
        if known is not None or (mount.errand.may_have_taken and not mount.errand.is_looking):
            # A horse that only looks is not called off for a command that may be about anybody's job.
            taken = self.take_back_unbegun(but=lambda each: each.lease.job_id == job_id)
            found = [hold for hold in taken if hold.lease.job_id == job_id]
            for hold in found:
                self._estate.stop(hold)
        return bool(found)

    def kill_horse(self) -> bool:
        """Kill, for a person, the horse that runs a job. False: none does."""
        self._mount.hear()  # what is first may have ended since
        first = self._mount.first
        if first is None or not self._mount.is_begun(first):
            return False
        self.stop_horse(first, "killed")
        return True

    def take_back_unbegun(
        self, *, behind: Hold | None = None, but: Callable[[Hold], bool] = lambda _: False
    ) -> Sequence[Hold]:
        """Give back what waits in our hands, the last one first: each goes to the front of its line.

        With `behind`, only what waits behind that one. Holds matching `but` are recalled but left to the caller. Gives
        all that were recalled.
        """
        first = self._mount.first
        taken = [*self._mount.recall(behind=behind), *self.finish_turns()]
        for hold in reversed(taken):
            if not but(hold):
                self._clerk.give_back(hold, begun=False, waited=hold is not first)
        return taken

    def finish_turns(self) -> Sequence[Hold]:
        """Finish the turns whose horse will not. Gives what they have taken, which is in nobody's hands."""
        return [hold for turn in self._mount.turns_of_ours() for hold in self._finish(turn)]

    def _finish(self, turn: Turn) -> Sequence[Hold]:
        mount, given = self._mount, self._clerk.finish(turn)
        if isinstance(given, out.Aftermath):
            mount.hand_on(given)
            self.hand(0)
        if not isinstance(given, tuple):
            return []
        mount.has_heard(given)
        return [self._patience.hold(claimed.lease, claimed.record, turn.asked_ms) for claimed in given]

    # -- after its end

    def close(self, ending: Ending) -> None:
        """Settle what a horse that ended has left unsettled."""
        mount = self._mount
        if not self._stop.asked:
            self._false_starts.look_at(ending, is_leaving=mount.is_leaving)
        unended = [hold for hold in mount.holds if hold.end is None]
        begun = [hold for hold in unended if mount.is_begun(hold)]
        # What it was handed and had not begun: it may be why it died.
        handed = [] if mount.is_leaving else [hold for hold in unended if hold.number and hold not in begun]
        horse, mount.holds = mount.horse, [hold for hold in mount.holds if hold not in (*begun, *handed)]
        mount.let_go()
        mount.holds += self.finish_turns()
        for hold in reversed(handed):
            self._clerk.give_back(hold, begun=False)
        for hold in begun:
            assert horse is not None
            self._estate.settle(hold, ending, horse.pid)
        if self._false_starts.is_waiting:
            self.take_back_unbegun()
