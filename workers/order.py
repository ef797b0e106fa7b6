"""In which order a worker looks at its queues: RQ's three dequeue strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

STRATEGIES = ("default", "round_robin", "random")


class Order:
    """The order of a worker's queues, which moves on with each job in two of the strategies.

    Raises ValueError for a strategy that is not RQ's, and where there is no queue.
    """

    def __init__(self, queues: Sequence[str], strategy: str, rng: random.Random) -> None:
        if strategy not in STRATEGIES:
            raise ValueError(f"dequeue strategy {strategy!r}: one of {', '.join(STRATEGIES)}")
        if not queues:
            raise ValueError("a worker without a queue has nothing to do: give it the names of one or more")
        self.queues = list(queues)
        self._strategy = strategy
        self._rng = rng

    @property
    def moves_on(self) -> bool:
        """Whether each job changes where the next one is looked for: then no two can be taken at a time."""
        return self._strategy != "default" and len(self.queues) > 1

    def took_from(self, queue: str) -> None:
        """Move on after a job of that queue."""
        if self._strategy == "round_robin":
            after = self.queues.index(queue) + 1
            self.queues = self.queues[after:] + self.queues[:after]
        elif self._strategy == "random":
            self._rng.shuffle(self.queues)
