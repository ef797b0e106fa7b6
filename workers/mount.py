"""A horse, what it was handed, and what it has said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import read_claim
from holdfast.workers import messages
from holdfast.workers.ends import End
from holdfast.workers.errand import Errand
from holdfast.workers.hold import LINGER_MS, Turn
from holdfast.workers.messages import GO, LOOK, REFUSED, RUN, SETTLED, SPEAK
from holdfast.workers.news import known_of, over_in
from holdfast.workers.reins import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.workers.hold import Hold, Patience
    from holdfast.workers.messages import FromHorse, Said
    from holdfast.workers.reins import Bit
    from holdfast.workers.runtime import Ending, Horse, Runtime
    from holdfast.workers.shared_memory import Board

#: For how long what is not urgent may lie unheard: longer than the horse is silent without waking us.
LISTEN_MS = 60
#: How often a horse is frozen to take something back: in vain, if it is just about to speak of a turn.
_RECALLS = 10


class Mount:
    """The one horse a parent has at a time, started when there is something to do."""

    def __init__(
        self, runtime: Runtime, board: Board, clock: Clock, patience: Patience, serve: Callable[[Bit], int]
    ) -> None:
        self._runtime = runtime
        self._board = board
        self._clock = clock
        self._patience = patience
        self._serve = serve
        #: Counts what was ever handed to a horse of this worker.
        self._number = 0
        #: What is left to tell of the dead, until a horse is free for it.
        self.left: out.Aftermath | None = None
        self.horse: Horse | None = None
        #: What is in our hands, in the order in which it is run.
        self.holds: list[Hold] = []
        #: What the horse does at the server by itself.
        self.errand = Errand(board)
        #: The numbers of those that were over before we heard of them.
        self._over: set[int] = set()
        #: How many jobs were settled by turns.
        self.turned = 0
        #: When to listen again without having been woken, on the boot clock; None: when woken.
        self.listen_at: int | None = None
        #: Until when a horse that holds nothing may go on telling and leaving, on the boot clock; None: it is free.
        self.telling_until: int | None = None
        #: Whether it runs no more jobs, and ends by itself.
        self.is_leaving = False
        #: The hold whose settle it waits to hear of.
        self.awaits: Hold | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is a job in hand, or a horse that is not done with one."""
        return self.is_at_work or self.errand.is_looking or self.telling_until is not None or self.left is not None

    @property
    def is_at_work(self) -> bool:
        """Whether there is a job in hand, or may be."""
        return bool(self.holds) or (bool(self.errand.turns) and not self.errand.is_looking)

    @property
    def first(self) -> Hold | None:
        """The one that is being run, or is next."""
        return next((hold for hold in self.holds if hold.end is None), None)

    @property
    def ended(self) -> list[Hold]:
        """Those whose horse has said how they ended, and that we are to settle."""
        return [hold for hold in self.holds if hold.end is not None and not hold.is_kept]

    def is_begun(self, hold: Hold) -> bool:
        """Tell whether the code of that job may have started."""
        return 0 < hold.number <= self._board.begun

    # -- handing

    def hand(self, more: int) -> None:
        """Hand over what is not handed yet, to a new horse if need be; it may take `more` itself. Raises NoProcess."""
        if self.telling_until is not None or self.awaits is not None:
            return
        if self.left is not None:
            horse, left = self._mounted(), self.left
            self.left = None
            self.telling_until = self._clock.boot_ms() + self._patience.telling_ms(left.record)
            horse.say((SPEAK, left.queue, left.job_id, left.status, left.entry, left.record))
            return
        new = [hold for hold in self.holds if not hold.number and hold.end is None]
        if not new:
            return
        horse = self._mounted()
        for hold in new:
            self._number += 1
            hold.number = self._number
        self._board.take_to = self._number + more
        self.errand.was_in_vain = False
        self.publish()
        self._note_first()
        horse.say(*((RUN, hold.number, tuple(hold.lease), hold.record) for hold in new))

    @property
    def may_look(self) -> bool:
        """Whether there is a horse with nothing to do that can look for a job by itself."""
        return self.horse is not None and not self.is_leaving and not self.errand.was_in_vain

    def look(self, more: int) -> None:
        """Let the horse look for a job, and wait for one; it may take `more` by itself."""
        assert self.horse is not None
        self._board.take_to = self._number + more
        self.horse.say((LOOK, self.errand.begin_to_look(), self._number))

    def hand_on(self, answer: out.Claim) -> None:
        """Let the next free horse tell what is left to tell of the dead, if a claim was answered with that."""
        if isinstance(answer, out.Aftermath):
            self.left = answer

    def _mounted(self) -> Horse:
        if self.horse is None:
            self._board.await_a_horse()
            self.horse = self._runtime.start_horse(self._serve)
        return self.horse

    def publish(self) -> None:
        """Let the horse see until when it may work: by the earliest of what it was handed."""
        moments = [hold.stop_by_ms for hold in self.holds if hold.end is None and hold.number]
        if moments:
            self._board.publish(min(moments), known_to=self._number)

    def take_no_more(self) -> None:
        """Let the horse take no job by itself from now on."""
        self._board.take_to = 0

    def _note_first(self) -> None:
        first = self.first
        if first is not None and first.begun_ms is None and first.number:
            first.begun_ms = self._clock.boot_ms()

    # -- hearing

    def hear(self) -> Ending | None:
        """Take in what the horse has said, and tell how it ended, if it did: then `let_go` is due."""
        if self.horse is None:
            return None
        ending = self.horse.ended()
        heard = self.horse.heard()
        now = self._clock.boot_ms()
        if heard or (self.listen_at is not None and now >= self.listen_at):
            # What it says without waking us may have more behind it.
            self.listen_at = now + LISTEN_MS if heard else None
        if heard:
            self._over = over_in(heard)
            for message in heard:
                self._take_in(message)
            self.publish()
            self._note_first()
        if self.errand.is_looking:
            self.listen_at = now + self._patience.look_ms
        return ending

    def _take_in(self, message: FromHorse) -> None:
        match message:
            case (messages.TURN, op, seen_fence, last_op, asked_ms, numbers, unsaid, lane):
                for number, said in unsaid:
                    self._note_end(number, said, is_kept=True)
                ended = set(numbers)
                ends = [hold for hold in self.holds if hold.number in ended]
                self.holds = [hold for hold in self.holds if hold.number not in ended]
                self.errand.asks(Turn(op, seen_fence, asked_ms, ends, lane), last_op)
                self.turned += len(numbers)
            case (messages.TOOK, op, first, count, given) if not self._board.is_void(op):
                asked_ms = self.errand.comes_back(op, in_vain=not count)
                if count:
                    self._note_taken(first, count, given, asked_ms)
                else:
                    self.hand_on(read_claim(unpacked(given)))
            case (messages.KEPT, number, said):
                self._note_end(number, said, is_kept=True)
            case (messages.ENDED, number, said, leaves):
                if (hold := self._note_end(number, said)) is not None and hold.end is not None:
                    self.awaits = hold if hold.end.awaits_word else None
                self._may_leave(leaves)
            case (messages.FREE, leaves):
                self.telling_until = None
                self._may_leave(leaves)
            case (messages.LOOK, op, seen_fence, asked_ms) if self.errand.is_looking:
                self.errand.looks(Turn(op, seen_fence, asked_ms, [], is_look=True), op + 1)

    def _note_end(self, number: int, said: Said, *, is_kept: bool = False) -> Hold | None:
        # One that was recalled is not in hand any more: what is said of it is void.
        for hold in self.holds:
            if hold.number == number:
                hold.end, hold.is_kept = End.heard(said), is_kept
                return hold
        return None

    def _note_taken(self, first: int, count: int, given: bytes, asked_ms: int) -> None:
        self._number = first + count - 1
        for number, claimed in known_of(range(first, first + count), given, self._over):
            hold = self._patience.hold(claimed.lease, claimed.record, asked_ms)
            hold.number = number
            self.holds.append(hold)

    def _may_leave(self, leaves: bool) -> None:  # noqa: FBT001 - as the horse says it
        if leaves:
            self.is_leaving = True
            self.telling_until = self._clock.boot_ms() + LINGER_MS

    def let_go(self) -> None:
        """Be without a horse, after the end of the last one. What it had not begun is to be handed to the next."""
        self.horse = None
        self.is_leaving = False
        self.telling_until = None
        self.awaits = None
        self.listen_at = None
        self.errand.lose_horse()
        self._board.end(self._board.begun)
        for hold in self.holds:
            hold.is_kept = False
            if hold.end is None:
                hold.number, hold.begun_ms = 0, None

    def turns_of_ours(self) -> Sequence[Turn]:
        """Give the turns that are to be finished by us: their horse has gone, or drops what they give."""
        return self.errand.ours(is_horseless=self.horse is None)

    def has_heard(self, claimed: Sequence[out.Claimed]) -> None:
        """Note that we know what a horse's turn has given: the next does not give it back."""
        self._board.see(*(each.lease.fence for each in claimed))

    # -- ending

    def settled(self, hold: Hold, *, went_through: bool) -> None:
        """Note that its lease has ended, and tell a horse that waits to know."""
        self.holds.remove(hold)
        if self.awaits is hold and self.horse is not None:
            self.awaits = None
            self.telling_until = self._clock.boot_ms() + LINGER_MS
            self.horse.say((SETTLED,) if went_through else (REFUSED,))

    def waiting(self, *, behind: Hold | None = None) -> list[Hold]:
        """Give what is in hand and has not begun, but for `behind` itself."""
        return [hold for hold in self.holds if hold.end is None and hold is not behind and not self.is_begun(hold)]

    def holds_up(self, first: Hold | None) -> bool:
        """Tell whether anything waits behind that one: to begin, or to be settled."""
        is_kept = any(hold.is_kept for hold in self.holds)
        return bool(self.waiting(behind=first)) or self.errand.may_have_taken or is_kept

    def is_elsewhere(self) -> bool:
        """Tell whether the horse is busy with other things than jobs: nothing in hand goes on meanwhile."""
        if self.awaits is not None:
            return True
        if self.telling_until is None:
            return False
        # One that leaves is gone in a moment, and another goes on with what it has left.
        return not self.is_leaving or self._clock.boot_ms() >= self.telling_until - LINGER_MS + LISTEN_MS

    def recall(self, *, behind: Hold | None = None) -> Sequence[Hold]:
        """Take back what has not begun, but for `behind` itself, and give it.

        What the horse has kept is then ours to settle, among the `ended`. Unanswered turns are called off;
        `turns_of_ours` then gives them.
        """
        if not self.holds_up(behind):
            return []
        horse = self.horse if self.horse is not None and self.horse.ended() is None else None
        for _ in range(_RECALLS):
            if horse is not None:
                horse.freeze()
                self.hear()
            # That one may have ended since it was looked at: nothing waits behind it any more.
            is_over = behind is not None and behind.end is not None
            is_sure = is_over or not self.errand.is_about_to_ask or horse is None
            if is_sure:
                back = [] if is_over else self._take_back(behind)
            if horse is not None:
                horse.thaw()
            if is_sure:
                return back
            self._clock.sleep(0.001)  # in a moment it has said what it is about to do
        return []

    def _take_back(self, behind: Hold | None) -> list[Hold]:
        back = self.waiting(behind=behind)
        # The last one that has begun may be about to look whether it may.
        self._board.recall(self._number, but=max(behind.number if behind else 0, self._board.begun))
        # Until all that is given back or settled: else the next job would be claimed as if it were alone in hand.
        self.take_no_more()
        self.errand.call_off()
        for hold in self.holds:
            if hold.is_kept:
                self._board.settled_to, hold.is_kept = hold.number, False
        self.holds = [hold for hold in self.holds if hold not in back]
        return back

    def dismiss(self) -> None:
        """Send an idle horse away, if it has not died meanwhile."""
        if self.horse is None:
            return
        if self.horse.ended() is not None:
            self.let_go()
            return
        self.is_leaving = True
        self.horse.say((GO,))
        self.telling_until = self._clock.boot_ms() + LINGER_MS
