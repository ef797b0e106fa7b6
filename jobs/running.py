"""What the code of a running job may ask: who it is, and whether it still holds its lease."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.jobs.errors import LeaseEnded, NotInAJob, RedisAwayError
from holdfast.jobs.store import outcomes as out

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.connections import Courier
    from holdfast.jobs.store.moves import Moves

T = TypeVar("T")


@dataclass
class Running:
    """One execution, as its own code sees it."""

    lease: Lease
    moves: Moves
    courier: Courier
    serializer: Any
    #: When this generation was born, as its record says; part of every effect's key.
    born: str
    #: Whether the moment has come by which this execution stops by itself. It moves on with each renewal.
    is_out_of_time: Callable[[], bool]
    #: The names of the effects this execution has used.
    effects: set[str] = field(default_factory=set)

    def ask(self, move: Callable[[], T | out.Refused]) -> T:
        """Make a move until it is answered.

        Raises LeaseEnded when someone else holds the job, nobody does, or no answer came by the stop-by moment.
        """
        try:
            answer = self.courier.send(move, gives_up=self.is_out_of_time)
        except RedisAwayError as away:
            raise LeaseEnded(self.lease, away) from away
        if isinstance(answer, out.Refused):
            raise LeaseEnded(self.lease, answer)
        return answer

    def key_of(self, name: str) -> str:
        """Give the idempotency key of an effect."""
        return effect_key(self.lease.job_id, self.born, self.lease.generation, name)


def effect_key(job_id: str, born: str, generation: str, name: str) -> str:
    """Spell the idempotency key of an effect: the same in each attempt, another in each generation.

    Made only of what the producer wrote and counted, so that a Redis which forgot its last second makes the
    same key again.
    """
    return f"{job_id}:{''.join(filter(str.isdigit, born))}.{generation}:{name}"


# Not a context variable: threads of a job must see it too.
_now: Running | None = None

#: What runs without a worker, where it was enqueued: several threads of an app may do so at once.
here: ContextVar[Running | None] = ContextVar("holdfast_in_place", default=None)


def exchange(execution: Running | None) -> Running | None:
    """Make `execution` the one that code may ask about, and give the one before. A horse runs one at a time."""
    global _now
    before, _now = _now, execution
    return before


def current(what: str) -> Running:
    """Give the execution that calls; `what` names the asker in the error.

    Raises NotInAJob outside of one.
    """
    execution = here.get() or _now
    if execution is None:
        raise NotInAJob(what)
    return execution


def fence() -> int:
    """Give the fencing token of the running job, for stores that can refuse an older one.

    It grows with every execution of a job (Martin Kleppmann, "How to do distributed locking", 2016). Below 2**53.
    Raises NotInAJob outside of a job.
    """
    return current("fence()").lease.fence
