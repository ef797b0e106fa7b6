"""When jobs began, as they themselves said: in a file in memory, or down a pipe that can be waited on."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.work import STAMP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: The first jobs after the last worker's first are left out: caches and connections are still cold.
COLD = 0.1


class Stamp(NamedTuple):
    """One job's word that it has begun."""

    moment: float
    worker: int
    held: bool


class Stamps:
    """A file to which every job of a run adds its stamp."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"")

    def count(self) -> int:
        """Tell how many jobs have begun: cheap enough to ask while it matters."""
        return self.path.stat().st_size // STAMP.size

    def read(self) -> list[Stamp]:
        """Give the stamps of all jobs, in order."""
        return sorted(map(Stamp._make, STAMP.iter_unpack(self.path.read_bytes())))


class Pipe:
    """A pipe down which every job sends its stamp."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Also for writing, or it would be at its end between two jobs.
        self._file = os.open(path, os.O_RDWR)

    def close(self) -> None:
        """Close it; whoever writes after that fails."""
        os.close(self._file)

    def next(self, within_s: float, *, held: bool = False) -> Stamp | None:
        """Wait for the next job, or the next held one, and give its stamp; None when none began in time."""
        until = time.monotonic() + within_s
        while select.select([self._file], [], [], max(0.0, until - time.monotonic()))[0]:
            stamp = Stamp._make(STAMP.unpack(os.read(self._file, STAMP.size)))
            if stamp.held >= held:
                return stamp
        return None


@dataclass(frozen=True)
class Window:
    """The part of a run in which it was under way: all workers serve, the first jobs are over."""

    begun: float
    ended: float
    jobs: int

    @property
    def per_s(self) -> float:
        """Give how many jobs began in a second."""
        return self.jobs / (self.ended - self.begun)

    def holds(self, moment: float) -> bool:
        """Tell whether something happened in it."""
        return self.begun < moment <= self.ended


def steady(stamps: Sequence[Stamp], workers: int) -> Window | None:
    """Find the window: from a tenth after the last worker's first job to the last job. None if that is too little."""
    first_of = _first_of(stamps)
    if len(first_of) < workers:
        return None
    moments = [stamp.moment for stamp in stamps if stamp.moment >= max(first_of.values())]
    moments = moments[int(len(moments) * COLD) :]
    # Less than this says more of the start than of the run.
    if len(moments) < max(10, len(stamps) // 5) or moments[-1] <= moments[0]:
        return None
    return Window(moments[0], moments[-1], len(moments) - 1)


def _first_of(stamps: Iterable[Stamp]) -> dict[int, float]:
    first_of: dict[int, float] = {}
    for stamp in stamps:
        first_of.setdefault(stamp.worker, stamp.moment)
    return first_of
