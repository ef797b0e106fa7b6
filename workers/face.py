"""How a worker shows itself to RQ's tools: what the engine asks of the thin adapter behind `rq worker`."""

from __future__ import annotations

from typing import Protocol


class Face(Protocol):
    """The worker, as it is seen from outside."""

    def beat(self, now_ms: int) -> int:
        """Say that the worker lives, if it is time to; give the moment of the next beat."""
        ...

    def busy(self) -> None:
        """Remember that the claim itself has written *busy*: write nothing."""
        ...

    def idle(self) -> None:
        """Say that the worker waits."""
        ...

    def suspended(self) -> None:
        """Say that a gate is closed."""
        ...
