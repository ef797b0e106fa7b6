"""Settles for a horse that its parent can no longer hear, since a job has closed the pipes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.jobs.errors import RedisAwayError
from holdfast.workers.clerk import tell_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs import events
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.ends import End


class LastWord:
    """A way to the server that nobody has used, for one settle. The others may lead to files of the app by now."""

    def __init__(self, connect: Callable[[], tuple[Moves, Courier]], tell: events.Events) -> None:
        self._connect = connect
        self._tell = tell

    def settle(self, lease: Lease, end: End, gives_up: Callable[[], bool]) -> bool | None:
        """Settle, and tell whether that went through; None: there was no answer."""
        moves, courier = self._connect()
        try:
            answer = courier.send(lambda: end.settle(moves, lease, 1), gives_up=gives_up)
        except RedisAwayError:
            return None
        return tell_of(self._tell, lease, answer, *end.told)
