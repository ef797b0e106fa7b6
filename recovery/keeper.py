"""The loop that repairs: runs each chore when the fleet is due for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from holdfast.jobs.store.refusals import is_passing, is_refusal
from holdfast.jobs.store.upkeep import BATCH, Upkeep
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

    #: As the key of the fleet's turn at it has it, and people are shown it.
    name: str
    #: What a person is told of it, behind "to".
    does: str
    every_ms: int

    def run_once(self, *, goes_on: bool = False) -> int:
        """Do a batch of it if the fleet is due for it; give the ms until it may be due again. 0: there is more to do.

        `goes_on`: there was more to do the last time, and the turn is still ours.
        """
        ...


class Keeper:
    """Runs chores. A worker's parent steps it between other things; `holdfast keeper` does nothing else."""

    def __init__(
        self,
        chores: Sequence[Chore],
        clock: Clock,
        rng: random.Random,
        *,
        on_answer: Callable[[], object] = lambda: None,
        on_trouble: Callable[[Exception], object] = lambda _: None,
        on_refusal: Callable[[Chore, Exception], object] | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._on_answer = on_answer
        self._on_trouble = on_trouble
        #: None: it comes out.
        self._on_refusal = on_refusal
        self._due = dict.fromkeys(range(len(chores)), clock.boot_ms())
        self._chores = list(chores)
        #: Those that found Redis away, and were not answered since.
        self._unanswered: set[int] = set()
        #: Until when the turn of a chore that has more to do is surely ours, on the boot clock.
        self._ours_until: dict[int, int] = {}

    def due_ms(self) -> int:
        """Tell when, on the boot clock, the next chore may be due."""
        return min(self._due.values())

    def run_due(self, *, at_most: int | None = None) -> int:
        """Run what is due, a batch of each, and give how many that were.

        What has waited longest comes first, so that a chore that has always more to do lets the others through.
        When one finds Redis away, all wait for their next interval. One that Redis answers with an error waits alone.
        """
        now = self._clock.boot_ms()
        due = [number for number in sorted(self._due, key=self._due.__getitem__) if self._due[number] <= now]
        for ran, number in enumerate(due[:at_most], 1):
            if not self._run(number):
                return ran
        return len(due[:at_most])

    def _run(self, number: int) -> bool:
        """Run one chore, and note when it is due again. False: Redis is away."""
        chore, asked_ms = self._chores[number], self._clock.boot_ms()
        # Who was away for an interval asks as the others do: somebody may have taken the turn, and go on in our place.
        goes_on = asked_ms < self._ours_until.pop(number, 0)
        try:
            wait_ms = chore.run_once(goes_on=goes_on)
        except Exception as error:
            if self._on_refusal and is_refusal(error):
                # One bad entry must not end worker after worker, nor keep the other chores from theirs.
                self._note_answer(number)
                self._on_refusal(chore, error)
                self._due[number] = self._clock.boot_ms() + _AGAIN_MS
                return True
            if not (self._on_trouble(error) or is_passing(error)):
                raise
            self._unanswered.add(number)
            now = self._clock.boot_ms()
            self._due = {each: now + waiting.every_ms for each, waiting in enumerate(self._chores)}
            return False
        self._note_answer(number)
        if wait_ms == 0:
            self._ours_until[number] = asked_ms + chore.every_ms
        else:
            # Spread, so that a fleet does not ask in step.
            wait_ms += self._rng.randint(0, max(1, chore.every_ms // 20))
        self._due[number] = self._clock.boot_ms() + wait_ms
        return True

    def _note_answer(self, number: int) -> None:
        # A Redis that is full says "not now" to one chore and not to the other: it would come and go each second.
        self._unanswered.discard(number)
        if not self._unanswered:
            self._on_answer()

    def run(self, *, stops: Callable[[], bool]) -> None:
        """Run chores until `stops()`."""
        while not stops():
            self.run_due()
            wait_ms = self.due_ms() - self._clock.boot_ms()
            if wait_ms > 0:
                self._clock.sleep(min(wait_ms, 250) / 1000)


def log_refusal(chore: Chore, error: Exception) -> None:
    """Say that a chore cannot go on."""
    logger.error("The %s cannot go on, and tries again in 10 s: %s", chore.name, error)


#: Every chore there is, and how often it is done: who runs them, and who tells of them, asks here.
CHORES: tuple[tuple[type[Reaper | Promoter | Orphans], Callable[[Settings], int]], ...] = (
    (Reaper, lambda settings: settings.reap_ms),
    (Promoter, lambda settings: settings.promote_ms),
    (Orphans, lambda settings: settings.orphans_ms),
)


def intervals(settings: Settings) -> dict[str, int]:
    """Name every chore, and tell how often the fleet does it, in ms."""
    return {kind.name: every_ms(settings) for kind, every_ms in CHORES}


def all_chores(scripts: Scripts, clock: Clock, settings: Settings, tell: Events, *, batch: int = BATCH) -> list[Chore]:
    """Make every chore there is, as each worker's parent and `holdfast keeper` run them."""
    upkeep = Upkeep(scripts, clock, settings, batch=batch)
    return [kind(upkeep, tell, every_ms=every_ms(settings)) for kind, every_ms in CHORES]
