"""The loop that repairs: runs each chore when the fleet is due for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from holdfast.jobs.store.connections import is_passing, is_refusal
from holdfast.jobs.store.upkeep import Upkeep
from holdfast.recovery.orphans import Orphans
from holdfast.recovery.promoter import Promoter
from holdfast.recovery.reaper import Reaper

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.events import Events
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.scripts import Scripts


# RQ's own, so that a worker's log has it.
logger = logging.getLogger("rq.worker")

#: Until a chore is tried again that Redis answered with an error, in ms.
_AGAIN_MS = 10_000


class Chore(Protocol):
    """One thing the keeper does on an interval."""

    every_ms: int

    def run_once(self) -> int:
        """Do it if the fleet is due for it; give the ms until it may be due again."""
        ...


class Keeper:
    """Runs chores. A worker's parent steps it between other things; `holdfast keeper` does nothing else."""

    def __init__(
        self,
        chores: Sequence[Chore],
        clock: Clock,
        rng: random.Random,
        *,
        on_trouble: Callable[[Exception], object] = lambda _: None,
        on_refusal: Callable[[Chore, Exception], object] | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._on_trouble = on_trouble
        #: None: it comes out.
        self._on_refusal = on_refusal
        self._due = dict.fromkeys(range(len(chores)), clock.boot_ms())
        self._chores = list(chores)

    def due_ms(self) -> int:
        """Tell when, on the boot clock, the next chore may be due."""
        return min(self._due.values())

    def run_due(self, *, at_most: int | None = None) -> int:
        """Run what is due, and give how many that were.

        When one finds Redis away, all wait for their next interval. One that Redis answers with an error waits alone.
        """
        ran = 0
        for number, chore in enumerate(self._chores):
            if self._clock.boot_ms() < self._due[number] or ran == at_most:
                continue
            ran += 1
            try:
                wait_ms = chore.run_once()
            except Exception as error:
                if self._on_refusal and is_refusal(error):
                    # One bad entry must not end worker after worker, nor keep the other chores from theirs.
                    self._on_refusal(chore, error)
                    self._due[number] = self._clock.boot_ms() + _AGAIN_MS
                    continue
                if not is_passing(error):
                    raise
                self._on_trouble(error)
                now = self._clock.boot_ms()
                self._due = {each: now + waiting.every_ms for each, waiting in enumerate(self._chores)}
                break
            # Spread, so that a fleet does not ask in step.
            self._due[number] = self._clock.boot_ms() + wait_ms + self._rng.randint(0, max(1, chore.every_ms // 20))
        return ran

    def run(self, *, stops: Callable[[], bool]) -> None:
        """Run chores until `stops()`."""
        while not stops():
            self.run_due()
            wait_ms = self.due_ms() - self._clock.boot_ms()
            self._clock.sleep(max(0.01, min(wait_ms, 250) / 1000))


def log_refusal(chore: Chore, error: Exception) -> None:
    """Say that a chore cannot go on."""
    logger.error("The %s cannot go on, and tries again in 10 s: %s", type(chore).__name__.lower(), error)


def all_chores(scripts: Scripts, clock: Clock, settings: Settings, tell: Events) -> list[Chore]:
    """Give every chore there is, as each worker's parent and `holdfast keeper` run them."""
    upkeep = Upkeep(scripts, clock, settings)
    return [
        Reaper(upkeep, tell, every_ms=settings.reap_ms),
        Promoter(upkeep, tell, every_ms=settings.promote_ms),
        Orphans(upkeep, tell, every_ms=settings.orphans_ms),
    ]
