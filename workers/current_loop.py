"""Which event loop asyncio says the main thread has: one job could leave the next a closed one, or none."""

from __future__ import annotations

import asyncio
import asyncio.events
from typing import Any

#: By their private names: the public ones make a loop where there is none, warn, or go away with Python 3.16.
_events = vars(asyncio.events)
#: A Python without policies has nothing that could be put back.
_HAS_POLICY = "_event_loop_policy" in _events and "_init_event_loop_policy" in _events


class CurrentLoop:
    """As it was when this was made. Of the main thread only.

    A loop that a job left open stays: what the app keeps for many jobs, a client with its connections, may need it.
    """

    def __init__(self) -> None:
        if _HAS_POLICY and _events["_event_loop_policy"] is None:
            _events["_init_event_loop_policy"]()
        self._policy: Any = _events.get("_event_loop_policy")
        # Somebody's own policy need not have it.
        self._local: Any = getattr(self._policy, "_local", None)
        self._found = _loop_of(self._local)
        self._loop = self._found
        self._tasks = set() if self._loop is None else asyncio.all_tasks(self._loop)

    def put_back(self) -> str | None:
        """See that the next job finds an open loop, or has one made, as this one did. Gives why that cannot be."""
        if not _HAS_POLICY:
            return None
        _events["_event_loop_policy"] = self._policy
        now = _loop_of(self._local)
        if now is None and self._loop is None and not getattr(self._local, "_set_called", False):
            return None
        if self._found is not None and self._found.is_closed():
            return "the job closed an event loop that is not its own"
        if now is not None and not now.is_closed() and self._found is None:
            self._loop = now
        elif now is None or now is not self._loop or now.is_closed():
            self._set_back()
        if self._loop is not None and asyncio.all_tasks(self._loop) - self._tasks:
            return "a task of the job waits in an event loop"
        return None

    def _set_back(self) -> None:
        if self._loop is not None and self._loop.is_closed():
            self._loop = None
        # As Python itself does after a fork: then one is made for whoever asks.
        self._local = self._policy.__dict__["_local"] = type(self._local)()
        if self._loop is not None:
            self._policy.set_event_loop(self._loop)


def _loop_of(local: Any) -> Any:
    return getattr(local, "_loop", None)
