"""What a worker writes in its log: a line per job at info as RQ's own, the rest where it matters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast.jobs import events
from holdfast.jobs.rq_surface import blue, green
from holdfast.workers.shared_memory import Board

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock


#: How many jobs a second have lines of their own. Thousands would be read by nobody, and take longer than the jobs.
MOST_TOLD = 100


class Say:
    """A listener that logs."""

    def __init__(self, log: logging.Logger, worker: str, clock: Clock, *, log_description: bool) -> None:
        self._log = log
        self._worker = worker
        self._clock = clock
        self._log_description = log_description
        self._second = 0
        self._claimed = self._completed = 0
        #: What a horse notes here its parent knows, too, even if the horse was killed.
        self.board = Board()
        self.is_of_horse = False
        self._untold = self._summed = 0
        #: The second that must be over before the next sum is said.
        self._summed_in = 0

    def _is_told(self, count: int) -> bool:
        """Tell whether another line about a plain job fits into this second."""
        if not self._log.isEnabledFor(logging.INFO):
            return False
        second = self._clock.boot_ms() // 1_000
        if second != self._second:
            self._second, self._claimed, self._completed, count = second, 0, 0, 0
        return count < MOST_TOLD

    def _leave_untold(self) -> None:
        if self.is_of_horse:
            self.board.untold += 1
        else:
            self._untold += 1

    def sum_up(self, *, at_end: bool = False) -> None:
        """Say how many plain jobs had no line, once a second at the most, and at the end of a worker's life.

        For the parent, whenever it is awake anyway: nobody is woken for a line in a log.
        """
        second, untold = self._clock.boot_ms() // 1_000, self.board.untold + self._untold
        if untold == self._summed:
            self._summed_in = second
        elif at_end or second != self._summed_in:
            self._log.info("Worker %s: %d more jobs OK", self._worker, untold - self._summed)
            self._summed, self._summed_in = untold, second
        if at_end:
            self._untold = self._summed = 0  # the next life has a board of its own

    def __call__(self, event: events.Event) -> None:  # noqa: C901, PLR0912 - one line for each event
        match event:
            case events.Claimed():
                if self._is_told(self._claimed):
                    self._say_claimed(event)
                self._claimed += 1
            case events.Settled(word="completed"):
                if self._is_told(self._completed):
                    lease, ok = event.lease, blue("Job OK")
                    where = green(lease.queue)
                    self._log.info("Worker %s: %s: %s (%s) %s", self._worker, where, ok, lease.job_id, event.detail)
                else:
                    self._leave_untold()
                self._completed += 1
            case events.Settled(lease, word, detail):
                why = detail and f" ({detail})"
                self._log.warning("Worker %s: %s: %s %s%s", self._worker, lease.queue, word, lease.job_id, why)
            case events.Refused(lease, by):
                self._log.warning(
                    "Worker %s: %s is no longer ours: %s. Its result is void, the job is safe.", self._worker, lease, by
                )
            case events.HorseStopped(lease, why):
                self._log.warning("Worker %s: horse of %s stopped (%s)", self._worker, lease, why)
            case events.HorseSpared(lease, why):
                self._log.debug("Worker %s: horse had already settled %s (%s)", self._worker, lease, why)
            case events.HorsesFailed():
                self._say_failed(event)
            case events.StopAsked():
                self._say_asked(event)
            case events.Ignored(command, why):
                self._log.info("Worker %s: %s ignored: %s", self._worker, command, why)
            case events.RedisLeft(error, is_lockout):
                if not self.board.note_outage(1 + is_lockout, of_horse=self.is_of_horse):
                    return  # parent and horse each have their own way there, and one of them has said it
                self._log.error("Worker %s: Redis is away (%s); waiting", self._worker, error)
            case events.RedisReturned() if self.board.note_return():
                self._log.warning("Worker %s: Redis is back", self._worker)
            case events.Spoken(left):
                spoken = "Worker %s: %s: called the end-of-job callbacks of %s (%s)"
                self._log.info(spoken, self._worker, left.queue, left.job_id, left.status)
            case _:
                self._say_repaired(event)

    def _say_repaired(self, event: events.Event) -> None:
        match event:
            case events.Reclaimed(taken):
                self._log.warning(
                    "Worker %s: %s job %s of %s from dead worker %s, %d ms past its deadline",
                    self._worker,
                    taken.word,
                    taken.job_id,
                    taken.queue,
                    taken.worker or "?",
                    taken.late_ms,
                )
            case events.HoldersGraced(ms):
                self._log.warning("Worker %s: after an outage: holders have %d ms to renew", self._worker, ms)
            case events.Rescued(found):
                self._log.warning(
                    "Worker %s: job %s of %s was in no queue or registry (expected: %s); restored",
                    self._worker,
                    found.job_id,
                    found.queue,
                    found.place,
                )
            case events.PassedOver(found):
                self._log.error("Worker %s: job %s is skipped for now: %s", self._worker, found.job_id, found.why)
            case events.Promoted(count):
                self._log.debug("Worker %s: %d scheduled jobs are due", self._worker, count)

    def _say_failed(self, event: events.HorsesFailed) -> None:
        self._log.error(
            "Worker %s: %d horses in a row ended before they began a job (%s); next try in %d s",
            self._worker,
            event.count,
            event.why,
            event.wait_ms // 1_000,
        )

    def _say_asked(self, event: events.StopAsked) -> None:
        worker, job_id, left_s = self._worker, event.job_id, -(-event.left_ms // 1_000)
        if job_id is None:
            self._log.info("Worker %s: asked to stop", worker)
        elif not left_s:
            self._log.info("Worker %s: asked to stop; job %s is given back now", worker, job_id)
        else:
            self._log.info(
                "Worker %s: asked to stop; job %s may finish within %d s, a second signal gives it back now",
                worker,
                job_id,
                left_s,
            )

    def _say_claimed(self, event: events.Claimed) -> None:
        lease = event.lease
        what = blue(event.description if self._log_description else lease.job_id)
        self._log.info(
            "Worker %s: %s: %s (%s) execution %s fence %s",
            self._worker,
            green(lease.queue),
            what,
            lease.job_id,
            lease.execution,
            lease.fence,
        )
