"""A job with an effect, and one attempt at it after the other."""

import random
from contextlib import contextmanager

import pytest

from holdfast.jobs import Queue, effect
from holdfast.jobs.running import Running, exchange
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.work import Completion, Stint


@contextmanager
def running(execution):
    """Let the code inside ask about this execution."""
    before = exchange(execution)
    try:
        yield execution
    finally:
        exchange(before)


class Attempts:
    """The job A-1 on a fake server: each `next()` is the next attempt at it, as a horse would run it."""

    def __init__(self, redis, clock):
        self.redis, self.clock = redis, clock
        self.queue = Queue(connection=redis, clock=clock, rng=random.Random(7))
        self.queue.enqueue("shop.fulfil", job_id="A-1")
        self.execution = None
        self._lives = 0

    def next(self, *, out_of_time=False):
        """Let whoever has the job stop, and give the next attempt, for a `with`."""
        if self.execution:
            self.lose_the_lease()
        self._lives += 1
        moves = Moves(Scripts(self.redis), self.clock, Settings(), Caller("w", f"{self._lives:016x}"))
        (claimed,) = moves.claim(1, ["default"], seen_fence=0)
        self.execution = Running(
            lease=claimed.lease,
            moves=moves,
            courier=Courier(self.redis, self.clock, random.Random(7)),
            serializer=self.queue.serializer,
            born=claimed.record[b"created_at"].decode(),
            is_out_of_time=lambda: out_of_time,
        )
        return running(self.execution)

    def lose_the_lease(self):
        """Put the job in line, as a reaper would; the running attempt does not know."""
        self.execution.moves.give_back(self.execution.lease, 2, begun=True)

    def begin_a_new_generation(self):
        """Let the job succeed, and enqueue it again."""
        self.execution.moves.complete(3, Completion(self.execution.lease, Stint(1, 2), "", 500))
        self.execution = None
        self.queue.enqueue("shop.fulfil", job_id="A-1")


class Bank:
    """The outside world: it does what it is asked, each time it is asked."""

    def __init__(self):
        self.charges = []

    def charge(self, key):
        self.charges.append(key)
        return f"receipt {len(self.charges)}"

    def fulfil(self, **policy):
        """Charge once: the body of the job."""
        with effect("charge", **policy) as charge:
            if charge.first:
                charge.value = self.charge(charge.key)
        return charge.value

    def fulfil_and_die_half_way(self):
        """Charge, and die before it could be said."""
        with effect("charge") as charge:
            self.charge(charge.key)
            raise ZeroDivisionError


@pytest.fixture
def queue(fake, clock):
    return Queue(connection=fake, clock=clock, rng=random.Random(7), settings=Settings())


@pytest.fixture
def attempts(fake, clock):
    return Attempts(fake, clock)


@pytest.fixture
def bank():
    return Bank()


@pytest.fixture
def doubt(attempts, bank):
    """Leave a doubt: an attempt charged, and died before it could say so."""
    with attempts.next(), pytest.raises(ZeroDivisionError):
        bank.fulfil_and_die_half_way()
