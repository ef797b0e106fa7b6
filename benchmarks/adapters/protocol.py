"""What a benchmark asks of every system: how its worker is started, how jobs come in, how many are not done."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

#: The private server's address, or that of a relay before it that counts round trips.
URL = os.environ.get("BENCH_URL", "")
#: Which of the modes of one system: the word that cast.py gives it.
MODE = os.environ.get("BENCH_MODE", "")


class Adapter(ABC):
    """One system, used as its documentation says. A file in this folder has one, under the name `Adapted`.

    It runs in the environment of its system, never in the harness: once in the process that enqueues, and once to say
    which program a worker is.
    """

    @abstractmethod
    def worker(self) -> list[str]:
        """Give the command line of one worker process, which serves until it is killed."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Connect, where the first enqueue does not do that by itself; what must be closed is left with `stack`."""
        del stack

    @abstractmethod
    async def enqueue(self) -> None:
        """Put one job in line that does nothing."""

    async def enqueue_many(self, count: int) -> None:
        """Put so many of them in line by the system's own bulk call. Raises NotImplementedError: it has none."""
        raise NotImplementedError(count)

    @abstractmethod
    async def enqueue_held(self) -> None:
        """Put a job in line that runs until its worker is killed, and may be run again after that."""

    @abstractmethod
    async def unfinished(self) -> int:
        """Tell how many jobs are in line or in hand, as far as the system itself keeps count in Redis."""

    async def idle(self) -> bool:
        """Tell whether the workers have nothing to do and wait."""
        return not await self.unfinished()


def program(name: str) -> str:
    """Find a command of this environment."""
    return str(Path(sys.executable).with_name(name))
