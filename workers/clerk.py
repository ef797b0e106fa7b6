"""Sends what must be answered: claims, turns and settles, each under a number that makes a second sending harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store import outcomes as out
from holdfast.workers.hold import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.hold import Hold
    from holdfast.workers.order import Order
    from holdfast.workers.stop import Stop

REFUSALS = (out.Fenced, out.Lost, out.Closed)


class Clerk:
    """The parent's one way to the moves that are numbered. One at a time: it waits for each."""

    def __init__(
        self,
        *,
        moves: Moves,
        courier: Courier,
        settings: Settings,
        clock: Clock,
        order: Order,
        tell: events.Events,
        stop: Stop,
    ) -> None:
        self._moves = moves
        self._courier = courier
        self._clock = clock
        self._order = order
        self._tell = tell
        self._stop = stop
        self._patience = Patience(settings)
        self._op = 0
        #: The highest fence this worker was ever given.
        self._seen_fence = 0
        #: Whether the last claim that found nothing gave us queues to listen at.
        self._listens = False

    def _next_op(self, numbers: int = 1) -> int:
        op = self._op + 1
        self._op += numbers
        return op

    # -- taking

    def claim(self, want: int) -> tuple[out.Claim | None, int]:
        """Claim until it is answered, or until we must stop: None. And since when the leases count."""
        while not self._stop.is_past_last_word():
            op, asked_ms = self._next_op(want), self._clock.boot_ms()
            try:
                answer = self._courier.send(
                    lambda op=op: self._moves.claim(  # type: ignore[misc]
                        op, self._order.queues, seen_fence=self._seen_fence, want=want, listens=self._listens
                    ),
                    until_ms=asked_ms + self._patience.claim_ms,
                    gives_up=self._stop.is_past_last_word,
                )
            except RedisAwayError:
                continue
            self._listens = isinstance(answer, out.Empty) and bool(answer.listens_at)
            return self._heard(answer), asked_ms
        return None, 0

    def _heard(self, answer: out.Claim) -> out.Claim:
        if isinstance(answer, tuple):
            self._seen_fence = max(self._seen_fence, *(claimed.lease.fence for claimed in answer))
            self._order.took_from(answer[-1].lease.queue)
        return answer

    # -- ending

    def turn(self, ended: Sequence[Hold], *, want: int, held: int) -> tuple[dict[int, bool], out.Claim | None, int]:
        """Settle plain successes and claim, in one trip.

        Gives which of them went through, the claim's answer, and since when its leases count. An unanswered one is
        sent again for as long as we may live: only its first answer says what became of the leases.
        """
        completions = [hold.end.completion(hold.lease) for hold in ended if hold.end]
        op, asked_ms = self._next_op(want), self._clock.boot_ms()
        try:
            answer = self._courier.send(
                lambda: self._moves.turn(
                    op, completions, self._order.queues, seen_fence=self._seen_fence, want=want, held=held
                ),
                gives_up=self._stop.is_past_grace,
            )
        except RedisAwayError:
            return {}, None, 0
        if isinstance(answer, out.Closed):
            return {at: self._note(hold, answer) for at, hold in enumerate(ended)}, None, 0
        went = {at: self._note(hold, word) for at, (hold, word) in enumerate(zip(ended, answer.said, strict=True))}
        return went, self._heard(answer.next), asked_ms

    def settle_end(self, hold: Hold) -> bool:
        """Settle as its horse said. Tells whether that went through."""
        end = hold.end
        assert end is not None
        return self.settle(hold.lease, lambda op: end.settle(self._moves, hold.lease, op), *end.told)

    def give_back(self, hold: Hold, *, begun: bool, waited: bool = False) -> None:
        """Hand a job back unharmed."""
        lease = hold.lease
        self.settle(lease, lambda op: self._moves.give_back(lease, op, begun=begun, waited=waited), "given back")

    def settle(self, lease: Lease, move: Callable[[int], Any], word: str, detail: str = "") -> bool:
        """Make the move that ends the lease. Unanswered until we must go, the lease runs out by itself."""
        op = self._next_op()
        try:
            answer = self._courier.send(lambda: move(op), gives_up=self._stop.is_past_grace)
        except RedisAwayError:
            return False
        return self._tell_of(lease, answer, word, detail)

    def _note(self, hold: Hold, answer: Any) -> bool:
        assert hold.end is not None
        return self._tell_of(hold.lease, answer, *hold.end.told)

    def _tell_of(self, lease: Lease, answer: Any, word: str, detail: str) -> bool:
        if isinstance(answer, REFUSALS):
            self._tell.tell(events.Refused(lease, answer))
            return False
        self._tell.tell(events.Settled(lease, "buried" if isinstance(answer, out.Buried) else word, detail))
        return True
