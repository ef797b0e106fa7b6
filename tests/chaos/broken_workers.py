"""Workers with mistakes that were made before, for the sweep to find. Imported by `rq worker`, by name."""

from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Moves
from holdfast.workers import Worker


class TwoStepClaim(Worker):
    """Takes an id out of the line and puts it elsewhere with a second command, as a BLPOP and a ZADD would."""

    def _make_engine(self, order, ears):
        engine = super()._make_engine(order, ears)
        claim = engine._moves.claim

        def claim_in_two_steps(op, queues, *, seen_fence):
            for queue in queues:
                if job_id := self.connection.lpop(keys.queue(queue)):
                    self.connection.rpush(keys.queue(queue), job_id)
            return claim(op, queues, seen_fence=seen_fence)

        engine._moves.claim = claim_in_two_steps
        return engine


class SeesNoDoubt(Worker):
    """Takes an effect that an earlier attempt began for one that did not happen."""

    def _run_in_horse(self, lease, record):
        begin = Moves.begin_effect
        Moves.begin_effect = lambda moves, lease, name, **_: begin(moves, lease, name, take_over=True)
        return super()._run_in_horse(lease, record)
