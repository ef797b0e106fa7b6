"""How an app's enqueues reach the server: on connections of our own, derived from the one that its Queue has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from holdfast.jobs.store.connections import Courier, SpareLines, derive
from holdfast.jobs.store.door import in_other_words
from holdfast.jobs.store.entrance import Entrance
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.sizes import check_fields

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from redis import ConnectionPool, Redis

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store import outcomes as out
    from holdfast.jobs.store.batches import Batch
    from holdfast.jobs.store.entrance import Placement
    from holdfast.jobs.store.scripts import Word

T = TypeVar("T")

#: How long an enqueue is tried before it raises, and how long one reply is waited for.
_PATIENCE_MS = 15_000
_REPLY_MS = 3_000
#: How many connections an app keeps ready for its enqueues: more are open only while as many threads enqueue.
_MOST_SPARE = 32

# Apps make Queue objects freely; each must not open connections of its own.
_derived: WeakKeyDictionary[ConnectionPool, tuple[Redis, SpareLines]] = WeakKeyDictionary()


def _own_client(redis: Redis, process: Callable[[], int]) -> tuple[Redis, SpareLines]:
    found = _derived.get(redis.connection_pool)
    if found is None:
        own = derive(redis, reply_ms=_REPLY_MS)
        found = _derived[redis.connection_pool] = own, SpareLines(own, most=_MOST_SPARE, process=process)
    return found


class WayIn:
    """The way of one Queue to the server of one connection pool."""

    def __init__(
        self, redis: Redis, clock: Clock, rng: random.Random, *, record: bool, process: Callable[[], int]
    ) -> None:
        #: Of the app: a Queue whose connection has another pool needs another way.
        self.pool = redis.connection_pool
        self._clock = clock
        self._own, spare = _own_client(redis, process)
        self.courier = Courier(self._own, clock, rng, line=spare)
        self.entrance = Entrance(Scripts(self._own, record=record, spare=spare))

    def enqueue(self, placement: Placement, fields: Sequence[Word]) -> out.Queued | out.Scheduled | out.Duplicate:
        """Put one job in. Raises RedisAwayError, and what redis-py raises, as all that follow."""
        return self._send(lambda: self.entrance.enqueue(placement, fields))

    def enqueue_many(self, batches: Sequence[Batch]) -> None:
        """Put many in, one batch behind the other."""
        self._send(lambda: self.entrance.enqueue_many(batches))

    def check_fields(self, job_id: str, fields: Sequence[Word]) -> None:
        """Refuse a job with a field that the server would not take. Raises TooBig."""
        self._send(lambda: check_fields(self._own, job_id, fields))

    def read(self, ask: Callable[[Redis], T]) -> T:
        """Ask by a client of ours, which gives bytes: the app's own may decode what it reads."""
        return self._send(lambda: ask(self._own))

    def _send(self, operation: Callable[[], T]) -> T:
        try:
            return self.courier.send(operation, until_ms=self._clock.boot_ms() + _PATIENCE_MS)
        except Exception as error:
            if plainer := in_other_words(self._own, error):
                raise plainer from error
            raise
