"""Sends what must be answered: claims, turns and settles, each under a number that makes a second sending harmless."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import read_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.jobs.store.scripts import Trip
    from holdfast.workers.hold import Hold, Patience, Turn
    from holdfast.workers.order import Order
    from holdfast.workers.shared_memory import Board
    from holdfast.workers.stop import Stop

#: For how long a claim that is refused, or has no answer, is sent again before other things are looked after.
_BRIEFLY_MS = 250


class Clerk:
    """The parent's one way to the moves that are numbered. One at a time: it waits for each."""

    def __init__(
        self,
        *,
        moves: Moves,
        horse_moves: Sequence[Moves],
        courier: Courier,
        patience: Patience,
        clock: Clock,
        board: Board,
        order: Order,
        tell: events.Events,
        stop: Stop,
    ) -> None:
        self._moves = moves
        #: One for each lane of our horses, under its caller.
        self._horse_moves = horse_moves
        self._courier = courier
        self._clock = clock
        self._board = board
        self._order = order
        self._tell = tell
        self._stop = stop
        self._patience = patience
        self._op = 0
        #: The highest fence this worker was ever given; as of before our last claim, if the answer to that is unknown.
        self._seen_fence = 0
        self._is_unknown = False
        #: Whether the last claim that found nothing gave us queues to listen at.
        self._listens = False
        #: The claim that the server makes when somebody calls us: its number, and since when its lease counts.
        self._standing: tuple[int, int] | None = None
        #: Its answer, if we have heard it.
        self._answer: list[Any] | None = None

    def _next_op(self) -> int:
        self._op += 1
        return self._op

    # -- taking

    def _begin(self) -> tuple[int, int]:
        """Give a new claim its number, and the moment from which its lease counts."""
        if not self._is_unknown:
            # A server that has forgotten, and whose clock is behind, would begin below what our horse was given. Not
            # while an answer is unknown: the server would take what it gave there for heard.
            self._seen_fence = self._board.seen_fence
        return self._next_op(), self._clock.boot_ms()

    def stand(self) -> Trip:
        """Spell a claim that the server makes once there is a job, unless it is withdrawn before."""
        self._standing = self._begin()
        return self._moves.begin_claim(
            self._standing[0], self._order.queues, seen_fence=self._seen_fence, listens=self._listens, stands=True
        )

    def was_answered(self, answer: list[Any] | None) -> None:
        """Keep its answer for the next claim. None: that is unknown, and the claim is sent once more."""
        self._answer = answer

    def withdraw(self) -> None:
        """See that no claim of ours stands any more, and that what it may have taken goes back."""
        if self._standing is not None:
            self._standing = None
            self._withdraw(self._moves, self._next_op(), self._seen_fence)

    def _withdraw(self, moves: Moves, op: int, seen_fence: int) -> None:
        with suppress(RedisAwayError):
            self._courier.send(
                lambda: moves.turn(op, [], self._order.queues, seen_fence=seen_fence, want=0),
                gives_up=self._stop.is_past_last_word,
            )

    def claim(self) -> tuple[out.Claim | None, int]:
        """Claim one, and give since when the lease counts. None: it was not answered for a moment, in several tries.

        Repairs may be let through where claims are refused, as on a server without memory: they must not wait for us.
        """
        op, asked_ms = self._standing or self._begin()
        self._standing = None
        if self._answer is not None:
            answer, self._answer = read_claim(self._answer), None
            return self._heard(answer), asked_ms
        late_ms = asked_ms + self._patience.claim_ms
        try:
            answer = self._courier.send(
                lambda: self._moves.claim(op, self._order.queues, seen_fence=self._seen_fence, listens=self._listens),
                until_ms=min(self._clock.boot_ms() + _BRIEFLY_MS, late_ms),
                gives_up=self._stop.is_past_last_word,
            )
        except RedisAwayError:
            # While its lease would be young it is sent again under its number. Later the next number withdraws it.
            self._standing = (op, asked_ms) if self._clock.boot_ms() < late_ms else None
            self._is_unknown = True
            return None, 0
        return self._heard(answer), asked_ms

    def _heard(self, answer: out.Claim) -> out.Claim:
        self._listens = isinstance(answer, out.Empty) and bool(answer.listens_at)
        self._is_unknown = False
        if isinstance(answer, tuple):
            self._board.see(*(claimed.lease.fence for claimed in answer))
            self._order.took_from(answer[-1].lease.queue)
        return answer

    # -- ending

    def finish(self, turn: Turn) -> out.Claim | None:
        """Finish what a horse has asked, under its number, so that it is done once. Gives what it was given.

        Nothing is claimed if it had not arrived. If no answer comes before we must go, its leases run out.
        """
        if turn.is_look:
            self._withdraw(self._horse_moves[turn.lane], turn.op + 1, turn.seen_fence)
            return None
        completions = [hold.end.completion(hold.lease) for hold in turn.ends if hold.end]
        try:
            answer = self._courier.send(
                lambda: self._horse_moves[turn.lane].turn(
                    turn.op, completions, self._order.queues, seen_fence=turn.seen_fence, want=0, held=len(completions)
                ),
                gives_up=self._stop.is_past_grace,
            )
        except RedisAwayError:
            return None
        for hold, word in zip(turn.ends, answer.said, strict=True):
            assert hold.end is not None
            tell_of(self._tell, hold.lease, word, *hold.end.told)
        return answer.next

    def settle_end(self, hold: Hold) -> bool:
        """Settle as its horse said. Tells whether that went through."""
        end = hold.end
        assert end is not None
        return self.settle(hold.lease, lambda op: end.settle(self._moves, hold.lease, op), *end.told)

    def give_back(self, hold: Hold, *, begun: bool, waited: bool = False) -> None:
        """Hand a job back unharmed."""
        lease = hold.lease
        self.settle(lease, lambda op: self._moves.give_back(lease, op, begun=begun, waited=waited), "given back")

    def settle(self, lease: Lease, move: Callable[[int], Any], word: str, detail: object = "") -> bool:
        """Make the move that ends the lease. If no answer comes before we must go, the lease runs out."""
        op = self._next_op()
        try:
            answer = self._courier.send(lambda: move(op), gives_up=self._stop.is_past_grace)
        except RedisAwayError:
            return False
        return tell_of(self._tell, lease, answer, word, detail)


def tell_of(tell: events.Events, lease: Lease, answer: Any, word: str, detail: object) -> bool:
    """Tell what became of a lease that was to end with that word. True: it did."""
    if isinstance(answer, out.Refused):
        tell.tell(events.Refused(lease, answer))
        return False
    tell.tell(events.Settled(lease, "buried" if isinstance(answer, out.Buried) else word, detail))
    return True
