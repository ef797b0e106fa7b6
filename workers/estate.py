"""Settles for a horse that can no longer do so: what it had begun when it died, and what a person stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.retry import Budget, Bury, Postpone

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.moves import Moves
    from holdfast.jobs.store.scripts import Word
    from holdfast.workers.clerk import Clerk
    from holdfast.workers.hold import Hold
    from holdfast.workers.runtime import Ending
    from holdfast.workers.stop import Stop


class Estate:
    """What becomes of jobs whose horse has no more to say."""

    def __init__(
        self, *, moves: Moves, clerk: Clerk, clock: Clock, tell: events.Events, rng: random.Random, stop: Stop
    ) -> None:
        self._moves = moves
        self._clerk = clerk
        self._clock = clock
        self._tell = tell
        self._rng = rng
        self._stop = stop

    def settle(self, hold: Hold, ending: Ending, pid: int) -> None:
        """Settle a job that its horse had begun, by why that ended."""
        is_stopping = self._stop.asked and ending.signal is not None
        is_late = self._clock.boot_ms() >= hold.stop_by_ms
        lease = hold.lease
        match why := hold.why(ending, is_stopping=is_stopping, is_late=is_late):
            case "gone":
                pass
            case "unharmed":
                self._clerk.give_back(hold, begun=True)
            case "stopped":
                self.stop(hold)
            case "overdue":
                self._fail(hold, "The job ran past its timeout and did not heed it; its work-horse was killed.")
            case "killed":
                self._fail(hold, "Work-horse terminated by a kill-horse command.")
            case cause:
                self._clerk.settle(lease, lambda op: self._moves.crash(lease, op, cause=cause), "crashed", cause)
        if why not in {"gone", "unharmed", "stopped"}:
            self._tell.tell(events.HorseDied(lease, hold.record, pid, ending.wait_status, ending.usage))

    def stop(self, hold: Hold) -> None:
        """Settle a job that a person stopped."""
        self._bury(hold, "stopped", "Job stopped by user, work-horse terminated.", status="stopped")

    def _fail(self, hold: Hold, error: str) -> None:
        """Settle for a horse that can no longer do so a failure of its job."""
        lease, stint = hold.lease, hold.stint(self._clock)
        match Budget.of(hold.record).decide(TimeoutError(error), self._rng):
            case Bury(cause):
                self._bury(hold, cause, error)
            case Postpone(delay_ms, at_front, retries_left):
                used: Sequence[Word] = ["retries_left", retries_left]
                self._clerk.settle(
                    lease,
                    lambda op: self._moves.postpone(
                        lease, op, stint, delay_ms=delay_ms, at_front=at_front, error=error, used=used
                    ),
                    "postponed",
                    f"{delay_ms} ms",
                )

    def _bury(self, hold: Hold, cause: str, error: str, *, status: str = "failed") -> None:
        lease, stint = hold.lease, hold.stint(self._clock)
        # A stopped job's word is on_stopped alone.
        is_unspoken = status == "failed" or bool(hold.record.get(b"stopped_callback_name"))
        self._clerk.settle(
            lease,
            lambda op: self._moves.bury(
                lease, op, stint, cause=cause, error=error, status=status, is_unspoken=is_unspoken
            ),
            "buried",
            cause,
        )
