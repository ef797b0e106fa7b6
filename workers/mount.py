"""A horse, what it was handed, and what it has said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.workers.ends import End
from holdfast.workers.hold import LINGER_MS
from holdfast.workers.horse import GO, REFUSED, SETTLED, hand_on, hand_over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store import outcomes as out
    from holdfast.workers.hold import Hold
    from holdfast.workers.reins import Bit, Message
    from holdfast.workers.runtime import Ending, Horse, Runtime
    from holdfast.workers.shared_memory import Board


class Mount:
    """The one horse a parent has at a time, started when there is something to do."""

    def __init__(self, runtime: Runtime, board: Board, clock: Clock, serve: Callable[[Bit], int]) -> None:
        self._runtime = runtime
        self._board = board
        self._clock = clock
        self._serve = serve
        #: Counts what was ever handed to a horse of this worker.
        self._number = 0
        #: What is left to tell of the dead, until a horse is free for it.
        self._left: tuple[out.Aftermath, int] | None = None
        self.horse: Horse | None = None
        #: What is in our hands, in the order in which it is run.
        self.holds: list[Hold] = []
        #: Until when a horse that holds nothing may go on telling and leaving, on the boot clock; None: it is free.
        self.telling_until: int | None = None
        #: Whether it runs no more jobs, and ends by itself.
        self.is_leaving = False
        #: For the sake of which hold it waits to hear that its settle went through.
        self.awaits: Hold | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is a job in hand, or a horse that is not done with one."""
        return bool(self.holds) or self.telling_until is not None or self._left is not None

    @property
    def first(self) -> Hold | None:
        """The one that is being run, or is next."""
        return next((hold for hold in self.holds if hold.end is None), None)

    @property
    def ended(self) -> list[Hold]:
        """Those whose horse has said how they ended."""
        return [hold for hold in self.holds if hold.end is not None]

    def is_begun(self, hold: Hold) -> bool:
        """Tell whether the code of that job may have started."""
        return 0 < hold.number <= self._board.begun

    # -- handing

    def hand(self) -> None:
        """Hand over what is in hand and not yet handed, to a new horse if need be."""
        if self.telling_until is not None or self.awaits is not None:
            return
        if self._left is not None:
            left, patience_ms = self._left
            self._left = None
            self.telling_until = self._clock.boot_ms() + patience_ms
            self._mounted().say(hand_on(left))
            return
        new = [hold for hold in self.holds if not hold.number and hold.end is None]
        if not new:
            return
        for hold in new:
            self._number += 1
            hold.number = self._number
        self.publish()
        self._note_first()
        self._mounted().say(*(hand_over(hold.number, hold.lease, hold.record) for hold in new))

    def hand_on(self, left: out.Aftermath, patience_ms: int) -> None:
        """Let a horse tell what is left to tell of the dead, as soon as one is free."""
        self._left = (left, patience_ms)
        self.hand()

    def _mounted(self) -> Horse:
        if self.horse is None:
            self.horse = self._runtime.start_horse(self._serve)
        return self.horse

    def publish(self) -> None:
        """Let the horse see until when it may work: by the earliest of what it was handed."""
        moments = [hold.stop_by_ms for hold in self.holds if hold.end is None and hold.number]
        if moments:
            self._board.stop_by_ms = min(moments)

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
        for message in self.horse.heard():
            self._take_in(message)
        return ending

    def _take_in(self, message: Message) -> None:
        match message:
            case ("ended", number, kind, words, awaits_word, leaves):
                # One that was recalled is not in hand any more: what is said of it is void.
                for hold in self.holds:
                    if hold.number == number:
                        hold.end, hold.ended_ms = End(kind, words, awaits_word), self._clock.boot_ms()
                        self.awaits = hold if awaits_word else None
                self._may_leave(leaves)
            case ("free", leaves):
                self.telling_until = None
                self._may_leave(leaves)
        self._note_first()

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
        self._board.end(self._board.begun)
        for hold in self.holds:
            if hold.end is None:
                hold.number, hold.begun_ms = 0, None

    # -- ending

    def settled(self, hold: Hold, *, went_through: bool) -> None:
        """Note that its lease has ended, and tell a horse that waits to know."""
        self.holds.remove(hold)
        if self.awaits is hold and self.horse is not None:
            self.awaits = None
            self.telling_until = self._clock.boot_ms() + LINGER_MS
            self.horse.say((SETTLED if went_through else REFUSED,))

    def waiting(self, *, behind: Hold | None = None) -> list[Hold]:
        """Give what is in hand and has not begun, but for `behind` itself."""
        return [hold for hold in self.holds if hold.end is None and hold is not behind and not self.is_begun(hold)]

    def recall(self, *, behind: Hold | None = None) -> Sequence[Hold]:
        """Take back what has not begun, but for `behind` itself. Gives those, and keeps the others."""
        if not self.waiting(behind=behind):
            return []
        horse = self.horse if self.horse is not None and self.horse.ended() is None else None
        if horse is not None:
            horse.freeze()
        back = self.waiting(behind=behind)
        self._board.recall(self._number, but=behind.number if behind else 0)
        if horse is not None:
            horse.thaw()
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
