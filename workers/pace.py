"""How many jobs a worker takes at a time: as many as are soon over."""

from __future__ import annotations

#: How much the last jobs count against those before.
_WEIGHT = 0.2


class Pace:
    """Follows how long jobs take. A worker that knows nothing of them yet takes one."""

    def __init__(self, most: int, within_ms: int) -> None:
        self._most = most
        self._within_s = within_ms / 1000
        self._mean_s: float | None = None
        self._fitting = 1

    def note(self, took_s: float) -> None:
        """Take one more into account."""
        took_s = max(0.0, took_s)
        self._mean_s = took_s if self._mean_s is None else self._mean_s + _WEIGHT * (took_s - self._mean_s)
        self._fitting = max(1, min(self._most, int(self._within_s / 2 / max(self._mean_s, 1e-6))))

    def fitting(self) -> int:
        """Tell how many jobs are over within half of the time that others may be made to wait."""
        return self._fitting
