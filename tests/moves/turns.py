"""Turns, as the machine makes them: several leases ended and several jobs taken at once, or so it is tried."""

from contextlib import nullcontext
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from holdfast.jobs.store.outcomes import Aftermath, Closed, Turned
from holdfast.jobs.store.work import Completion, Stint
from tests.moves.deeds import COMPLETES, QUEUES, WORKERS
from tests.moves.oracle import Operation, Oracle

#: What becomes of the latest four that a worker thinks it holds; None: it goes on with that one.
ENDINGS = st.tuples(*[st.sampled_from([COMPLETES[0], None, *COMPLETES])] * 4)


class Turns(Oracle):
    """Workers that end what they think they hold, and take the next, in one trip."""

    @rule(number=WORKERS, endings=ENDINGS, want=st.sampled_from([3, 2, 1, 0]), is_heard=st.booleans())
    def turn(self, number, endings, want, is_heard):
        worker, mine = self.workers[number], self.held_by(number)
        ends = [(held, how) for held, how in zip(mine, endings, strict=False) if how is not None]
        does_nothing = self.ends_and_takes_nothing(number, [held for held, _ in ends], want)
        for held in self.unheard(number):
            del self.holders[held.lease.job_id]
        besides = sum(self.holds(held.lease) for held in mine if held not in [held for held, _ in ends])
        due_ms, op, seen_fence = self.scheduled(), worker.op + 1, worker.seen_fence
        done = [Completion(held.lease, Stint(10, 12), "", **how) for held, how in ends]
        send = partial(worker.turn, *done, queues=QUEUES, besides=besides)
        with self.pool.nothing_changes(worker) if does_nothing else nullcontext():
            answer = send(want=want)
        for (held, how), word in zip(ends, answer.said, strict=True):
            self.was_told(held, word, is_kept=how["result_ttl"] != 0)
        taken = self.takes(number, answer.next, due_ms, want=want, besides=besides)

        def send_again():
            # Where its horse is gone, its parent sends it again, and wants nothing more.
            assert send(want=0, op=op).said == answer.said, "INV-10: its parent was told otherwise"
            return send(want=want, op=op)

        self.last[number] = Operation(op, send_again, answer, self.now_ms(), taken)
        if not is_heard:
            worker.seen_fence = seen_fence
            return
        self.hears(taken)
        if isinstance(answer.next, Aftermath):
            worker.moves.end_aftermath(answer.next)

    def ends_and_takes_nothing(self, number, ending, want):
        """Tell whether a turn is to leave everything as it is."""
        has_a_say = any(self.holds(held.lease) for held in ending)
        return not (want or has_a_say or self.unheard(number))

    def comes_too_late(self, number):
        """Let a claim and a turn arrive whose worker has made another operation since."""
        worker, op = self.workers[number], self.last[number].number - 1
        if not op:
            return
        done = [Completion(held.lease, Stint(10, 12), "", **COMPLETES[0]) for held in self.held_by(number)]
        late = Turned((Closed("late"),) * len(done), Closed("late"))
        assert worker.claim_some(1, *QUEUES, op=op) == Closed("late"), "INV-10"
        assert worker.turn(*done, queues=QUEUES, op=op) == late, "INV-10"
