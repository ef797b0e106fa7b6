"""The child that runs jobs, one after the other, and tells its parent how each ended that it cannot settle itself."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import LeaseEnded
from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import job_stack
from holdfast.jobs.running import Running, exchange
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.work import Stint
from holdfast.workers import messages
from holdfast.workers.attempt import Attempt
from holdfast.workers.ends import End
from holdfast.workers.fenced_job import Blanks
from holdfast.workers.messages import ENDED, FREE, LOOK, NUMBER, REFUSED, RUN, SETTLED
from holdfast.workers.runtime import LEASE_ENDED, SETTLED_ALONE
from holdfast.workers.turns import Task

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.last_word import LastWord
    from holdfast.workers.messages import FromParent
    from holdfast.workers.reins import Bit
    from holdfast.workers.shared_memory import Board
    from holdfast.workers.speaker import Speaker
    from holdfast.workers.trade import Trade
    from holdfast.workers.turns import Turns

logger = logging.getLogger("rq.worker")

#: Its lease ended under it: nothing is to be said of its work.
_LAPSED = End("lapsed", {}, Stint(0, 0))


@dataclass(frozen=True, kw_only=True)
class Means:
    """What it takes to work on a job: the same in all of a horse's life."""

    trade: Trade
    moves: Moves
    courier: Courier
    clock: Clock
    rng: random.Random


@dataclass(frozen=True, kw_only=True)
class Care:
    """What is done around each job beside running it. Nothing, unless somebody needs it."""

    #: Whether this is the process that began as the horse, and not one that a job made of it.
    is_itself: Callable[[], bool] = lambda: True
    #: Takes note of the queue and the id.
    before_job: Callable[[str, str], None] = lambda _queue, _job_id: None
    #: Takes what a job's imports brought for the app's own.
    before_call: Callable[[], None] = lambda: None
    #: Puts back what a job changed, and gives why this process must not run another.
    after_job: Callable[[], str | None] = lambda: None
    #: Runs app code so that what it sets in its context ends with it.
    apart: Callable[[Callable[[], Any]], Any] = lambda deed: deed()


_NO_CARE = Care()


class Horse:
    """Runs what it is handed, until it is told to go, has run enough, or must leave."""

    def __init__(
        self,
        *,
        bit: Bit,
        turns: Turns,
        board: Board,
        means: Means,
        speaker: Speaker,
        most_jobs: int,
        looks_ahead: bool = False,
        care: Care = _NO_CARE,
        last_word: LastWord | None = None,
    ) -> None:
        self._bit = bit
        self._turns = turns
        self._board = board
        self._means = means
        self._clock = means.clock
        self._speaker = speaker
        self._most_jobs = most_jobs
        #: Whether more than one job may be in hand.
        self._looks_ahead = looks_ahead
        # Each by itself: they are called at every job.
        self._is_itself = care.is_itself
        self._before_job = care.before_job
        self._before_call = care.before_call
        self._after_job = care.after_job
        self._apart = care.apart
        self._last_word = last_word
        self._exit_code = 0
        self._blanks = Blanks(means.trade)
        #: The jobs that run in our thread, innermost last: where get_current_job() looks.
        self._stack: list[Any] = []
        #: What was handed while we waited for a word.
        self._backlog: deque[FromParent | None] = deque()

    def serve(self) -> int:
        """Do what comes down the reins, and what follows from that; give the exit code of this process."""
        # Found once: RQ looks it up at each push and pop, which takes longer than some jobs.
        self._stack = job_stack.push(None)
        try:
            return self._serve()
        finally:
            job_stack.pop()

    def _serve(self) -> int:
        for number in count(1):
            is_last = number >= self._most_jobs
            match self._next():
                case Task() as task:
                    if self._board.begin(task.number, task.stop_by_ms) and self._run(task, is_last=is_last):
                        return self._exit_code
                case (messages.SPEAK, queue, job_id, status, entry, record):
                    self._board.come_up()
                    self._before_job(queue, job_id)
                    left = out.Aftermath(queue, job_id, status, entry, record)
                    self._apart(partial(self._speaker.speak_for, left))
                    if self._is_free(is_last=is_last):
                        return 0
                case (messages.GO,) | None:  # None: nobody is there any more
                    break
        return 0

    def _next(self) -> Task | FromParent | None:
        """Wait for what is to be done next: the oldest in hand, from whomever."""
        while self._looks_ahead and (message := self._bit.look()) is not None:
            self._take_note(message)
        self._turns.go_on(behind=len(self._backlog))
        while True:
            if not self._backlog and (task := self._turns.pop()) is not None:
                return task
            while not self._backlog:
                self._take_note(self._bit.wait())
            message = self._backlog.popleft()
            if message is not None and message[0] == LOOK:
                self._turns.look_for_one(*message[1:])
                continue
            if message is not None and message[0] == RUN:
                _, at, lease, record = message
                return Task(at, Lease(*lease), record)
            return message

    def _take_note(self, message: FromParent | None) -> None:
        if message is not None and message[0] == RUN:
            self._turns.given(message[NUMBER])
        self._backlog.append(message)

    def is_out_of_time(self) -> bool:
        """Tell whether the stop-by moment has come."""
        return self._clock.boot_ms() >= self._board.stop_by_ms

    def _run(self, task: Task, *, is_last: bool) -> bool:
        """Run one job and tell how it ended. True: this process is to end."""
        lease = task.lease
        self._before_job(lease.queue, lease.job_id)
        attempt = self._attempt_at(lease, task.record)
        # Not even begun if it has waited for too long: its guard would end it half done.
        end = _LAPSED if self.is_out_of_time() else self._end_of(attempt)
        if not self._is_itself():
            return True  # the job forked, and came back as two: the process that began it speaks
        if self._bit.is_cut_off():
            self._end_alone(attempt, lease, end)
            return True
        if end.kind == "complete" and not end.awaits_word and not is_last and self._turns.may_keep():
            self._turns.keep(task, end)
            # Before this process is put in order, so that the server has something to do meanwhile.
            self._turns.send_on(behind=len(self._backlog))
            if leaves := self._leaves(is_last=False):
                self._bit.say((FREE, True))
            return leaves
        if not end.awaits_word:
            leaves = self._leaves(is_last=is_last)
            self._tell_end(task.number, end, leaves=leaves)
            return leaves
        self._tell_end(task.number, end, leaves=False)
        if self._went_through():
            attempt.tell_outside()
        return self._is_free(is_last=is_last)

    def _end_alone(self, attempt: Attempt, lease: Lease, end: End) -> None:
        """Settle what has ended, and nothing else: the rest is the parent's, once it sees that this process is gone."""
        logger.warning("This horse is replaced: %s", f"job {lease.job_id} closed files that are not its own")
        went_through = None
        if self._last_word is not None and end is not _LAPSED:
            went_through = self._last_word.settle(lease, end, self.is_out_of_time)
        self._exit_code = LEASE_ENDED if went_through is None else SETTLED_ALONE
        if went_through and end.awaits_word:
            attempt.tell_outside()

    def _went_through(self) -> bool:
        while (message := self._bit.wait()) is not None:
            if message[0] in {SETTLED, REFUSED}:
                return bool(message[0] == SETTLED)
            self._take_note(message)
        return False

    def _attempt_at(self, lease: Lease, record: dict[bytes, bytes]) -> Attempt:
        means = self._means
        execution = Running(
            lease=lease,
            moves=means.moves,
            courier=means.courier,
            serializer=means.trade.serializer,
            born=record.get(b"created_at", b"").decode(errors="replace"),
            is_out_of_time=self.is_out_of_time,
        )
        job = self._blanks.job(lease.job_id, record, execution)
        return Attempt(execution, record, job, means.trade, means.clock, means.rng, self._before_call, self._stack)

    def _end_of(self, attempt: Attempt) -> End:
        before = exchange(attempt.execution)
        try:
            end: End = self._apart(attempt.run)
        except LeaseEnded as ended:
            logger.warning("%s", ended)
            return _LAPSED
        else:
            return end
        finally:
            exchange(before)

    def _tell_end(self, at: int, end: End, *, leaves: bool) -> None:
        self._turns.say_kept()  # a parent hears of ends in their order
        self._bit.say((ENDED, at, end.said(), leaves))
        self._board.end(at)

    def _is_free(self, *, is_last: bool) -> bool:
        leaves = self._leaves(is_last=is_last)
        self._bit.say((FREE, leaves))
        return leaves

    def _leaves(self, *, is_last: bool) -> bool:
        why = self._after_job()
        if why is not None and not is_last:
            logger.warning("This horse is replaced: %s", why)
        return is_last or why is not None
