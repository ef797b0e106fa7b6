"""Settle and claim in one trip, made by the horse itself: its parent hears of each turn, and is not waited for.

What is said, and when, so that a death at any point leaves nothing unknown: `turn` before the request, with all that is
needed to make it once more under its number, and `took` before the first of what it gave is begun. A horse that has
nothing in hand looks for a job in the same way: `look`, and `took`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import read_claim, read_claimed, read_ends, rows_of
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import draw_name
from holdfast.workers.clerk import tell_of
from holdfast.workers.messages import ENDED, KEPT, LOOK, TOOK, TURN
from holdfast.workers.reins import packed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.scripts import Trip
    from holdfast.jobs.store.work import Spelled
    from holdfast.workers.ends import End
    from holdfast.workers.messages import Said, Took
    from holdfast.workers.pace import Pace
    from holdfast.workers.reins import Bit
    from holdfast.workers.shared_memory import Board
    from holdfast.workers.watch import Watch


class Task(NamedTuple):
    """A job to be run."""

    number: int
    lease: Lease
    record: dict[bytes, bytes]
    #: Until when it may be worked on, on the boot clock; 0: as its parent says.
    stop_by_ms: int = 0


class _Kept(NamedTuple):
    """A plain success that its horse settles by itself."""

    number: int
    end: End
    ended: Spelled


class _Asked(NamedTuple):
    """A turn on its way."""

    lane: int
    op: int
    kept: Sequence[_Kept]
    trip: Trip
    asked_ms: int
    #: How many it may bring.
    want: int


class Lane(NamedTuple):
    """A way to the server, on which one operation is made after the other, by a caller of its own."""

    moves: Moves
    courier: Courier
    #: Waits for an answer in another way than by sleeping, for a moment.
    look_out: Callable[[], None] = lambda: None


def lanes_of(settings: Settings) -> int:
    """Tell how many lanes a horse has: with one job in hand there is nothing to be done on a second."""
    return 2 if settings.prefetch > 1 else 1


def callers_of(worker: Caller, settings: Settings, rng: random.Random) -> Sequence[Caller]:
    """Draw a caller for each lane of a worker's horses: what they do is numbered apart from what it does."""
    return [Caller(worker.name, draw_name(rng), worker.instance) for _ in range(lanes_of(settings))]


class Turns:
    """The horse's own turns, of one thread. While they are on their way, what is in hand is run.

    One turn at a time goes on each lane: with two of them the server has the next one before it has answered the last.
    """

    def __init__(
        self,
        *,
        bit: Bit,
        board: Board,
        lanes: Sequence[Lane],
        clock: Clock,
        queues: Sequence[str],
        pace: Pace,
        hold_ms: int,
        tell: events.Events,
        watch: Watch,
    ) -> None:
        self._bit = bit
        self._board = board
        self._lanes = lanes
        self._clock = clock
        self._queues = queues
        self._pace = pace
        self._hold_ms = hold_ms
        self._tell = tell
        self._watch = watch
        #: What was taken here and has not begun.
        self._taken: deque[Task] = deque()
        self._kept: list[_Kept] = []
        #: What has been settled and is to be told of, with the words of the answer.
        self._settled: list[tuple[_Kept, Any]] = []
        #: Of those that are kept, the ends that are not said yet.
        self._unsaid: list[tuple[int, Said]] = []
        #: The turns on their way, the oldest first.
        self._asked: deque[_Asked] = deque()
        #: The number of the last job that this horse was given or has taken.
        self._number = 0

    def may_keep(self) -> bool:
        """Tell whether a plain success may be settled here."""
        return self._number < self._board.take_to and not self._bit.is_alone

    def given(self, number: int) -> None:
        """Go on with numbers after that one."""
        self._number = max(self._number, number)

    def keep(self, task: Task, end: End) -> None:
        """Settle a plain success with the next turn."""
        self._kept.append(_Kept(task.number, end, self._lanes[0].moves.spelled(end.completion(task.lease))))
        self._unsaid.append((task.number, end.said()))
        self._pace.note(end.stint.worked_s)

    def go_on(self, behind: int) -> None:
        """Do what is due before the next job. `behind` jobs from the parent wait besides what was taken here.

        An answer is waited for only where there is nothing else to do. So a turn that was asked with nothing else in
        hand goes alone: it may bring what must be alone in a worker's hands.
        """
        self.send_on(behind)
        while self._is_time_to_turn(in_hand := len(self._taken) + behind):
            self._tell_of_settled()  # the server has something to do meanwhile
            if not self._asked or (in_hand and not self._asked[0].trip.has_answer()):
                break
            self._hear(self._asked.popleft())
            self.send_on(behind)
        self._tell_of_settled()

    def send_on(self, behind: int) -> None:
        """Send a turn if one is due. Say what else has ended: it must not run again because we die, or wait."""
        in_hand = len(self._taken) + behind
        if self._kept and self._is_time_to_turn(in_hand) and len(self._asked) < len(self._lanes):
            self._ask(in_hand)
        self.say_kept()

    def pop(self) -> Task | None:
        """Give the next job that was taken here; None: there is none."""
        if not self._taken:
            return None
        task = self._taken.popleft()
        self._tell.tell(events.Claimed(task.lease, task.record))
        return task

    def _is_time_to_turn(self, in_hand: int) -> bool:
        return not in_hand or (1 + len(self._lanes)) * len(self._kept) >= self._pace.fitting()

    def say_kept(self) -> None:
        """Say what has ended and waits for company: it is settled by the parent if the next job takes long."""
        for number, said in self._unsaid:
            self._bit.say((KEPT, number, said), is_urgent=False)
            self._board.end(number)
        self._unsaid.clear()

    def _ask(self, in_hand: int) -> None:
        board, bit = self._board, self._bit
        to_come = sum(each.want for each in self._asked)
        held = in_hand + to_come
        op, most = board.op + 1, self._pace.fitting()
        # Before we look at what we may do: by this the parent sees that a turn may be about to be said.
        board.op = op + most - 1
        want = min(most - held, board.take_to - self._number - to_come)
        if want <= 0:
            board.op = op - 1
            if board.take_to <= self._number:
                self._leave_to_the_parent()
            return
        kept = [each for each in self._kept if each.number > board.settled_to]
        if not kept:
            # Our parent has settled all that, and looks for the next job itself.
            board.op, self._kept = op - 1, []
            return
        asked_ms, seen_fence = self._clock.boot_ms(), board.seen_fence
        lane = self._free_lane()
        trip = self._lanes[lane].moves.begin_turn(
            op,
            [each.ended for each in kept],
            self._queues,
            seen_fence=seen_fence,
            want=want,
            held=held,
        )
        ends = [each.number for each in kept]
        bit.say((TURN, op, seen_fence, board.op, asked_ms, ends, self._unsaid, lane), is_urgent=False)
        board.end(self._kept[-1].number)
        self._kept, self._unsaid = [], []
        self._asked.append(_Asked(lane, op, kept, trip, asked_ms, want))
        self._lanes[lane].courier.send_once(trip.send)

    def _free_lane(self) -> int:
        return 1 - self._asked[0].lane if self._asked else 0

    def _leave_to_the_parent(self) -> None:
        for each in self._kept:
            self._bit.say((ENDED, each.number, each.end.said(), False))
            self._board.end(each.number)
        self._kept, self._unsaid = [], []

    def _hear(self, asked: _Asked) -> None:
        self._lanes[asked.lane].look_out()
        answer = self._answer_to(asked)
        if answer is None:
            return
        said, given = read_ends(answer, len(asked.kept))
        rows = rows_of(given)
        # Said first, and looked at then, as in Board.begin().
        self._bit.say(self._took(asked, rows, given), is_urgent=not rows)
        if self._board.is_void(asked.op):
            return
        self._settled += zip(asked.kept, said, strict=True)
        if rows:
            self._take(rows, asked.asked_ms + self._hold_ms)

    def _took(self, asked: _Asked, rows: list[Any], given: list[Any]) -> Took:
        return (TOOK, asked.op, self._number + 1, len(rows), packed(given))

    def _take(self, rows: list[Any], stop_by_ms: int) -> None:
        taken = list(map(read_claimed, rows))
        self._board.see(*(claimed.lease.fence for claimed in taken))
        for claimed in taken:
            self._number += 1
            self._taken.append(Task(self._number, claimed.lease, claimed.record, stop_by_ms))

    def look_for_one(self, after: int, number: int) -> None:
        """Claim a job, and let claims stand at the bell, until there is one or our parent has something to say.

        Its number follows on `number`. Nothing is done unless `after` was the last operation: else our parent has
        thought better of it since.
        """
        self.given(number)
        if self._board.op != after:
            return
        while self._asked:
            # Our parent has finished it, but its answer is still to come on the lane by which we look.
            self._hear(self._asked.popleft())
        listens_at: Sequence[str] | None = None
        listens = False
        while (asked := self._ask_for_one(listens=listens, stands=listens_at is not None)) is not None:
            answer = None
            if listens_at is not None:
                if not self._watch.is_called(listens_at, asked.trip, self._bit):
                    return  # what stood there is the parent's to withdraw
                answer = self._watch.claimed
            given = self._answer_to(asked) if answer is None else answer
            if given is None or self._board.is_void(asked.op):
                return
            if rows := rows_of(given):
                self._take_one(asked, rows, given)
                return
            match read_claim(given):
                case out.Empty(queues):
                    listens_at, listens = queues, bool(queues)
                case out.Again():
                    listens_at = None
                case _:
                    self._bit.say(self._took(asked, rows, given))
                    return

    def _ask_for_one(self, *, listens: bool, stands: bool) -> _Asked | None:
        board = self._board
        # Two numbers: the second is for our parent, to withdraw what stands.
        op = board.op + 1
        board.op = op + 1
        if board.take_to <= self._number:
            board.op = op - 1
            return None
        asked_ms, seen_fence = self._clock.boot_ms(), board.seen_fence
        trip = self._lanes[0].moves.begin_claim(op, self._queues, seen_fence=seen_fence, listens=listens, stands=stands)
        self._bit.whisper((LOOK, op, seen_fence, asked_ms))
        return _Asked(0, op, [], trip, asked_ms, 1)

    def _answer_to(self, asked: _Asked) -> list[Any] | None:
        try:
            return self._lanes[asked.lane].courier.send(
                asked.trip.answer,
                gives_up=lambda: self._board.is_void(asked.op) or self._bit.is_alone,
            )
        except RedisAwayError:
            return None  # our parent finishes it

    def _take_one(self, asked: _Asked, rows: list[Any], given: list[Any]) -> None:
        # Waking our parent would put off a job that somebody may be waiting for.
        self._bit.whisper(self._took(asked, rows, given))
        if not self._board.is_void(asked.op):
            self._take(rows, asked.asked_ms + self._hold_ms)

    def _tell_of_settled(self) -> None:
        for each, word in self._settled:
            tell_of(self._tell, each.ended.done.lease, word, *each.end.told)
        self._settled.clear()
