"""Workers with mistakes that were made before, for the sweep to find. Imported by `rq worker`, by name."""

from dataclasses import replace

from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Moves
from holdfast.jobs.store.scripts import load
from holdfast.workers import Worker


class TwoStepClaim(Worker):
    """Takes an id out of the line and puts it elsewhere with a second command, as a BLPOP and a ZADD would."""

    def _make_engine(self, order, ears):
        engine = super()._make_engine(order, ears)
        claim = engine._moves.claim

        def claim_in_two_steps(op, queues, **more):
            for queue in queues:
                if job_id := self.connection.lpop(keys.queue(queue)):
                    self.connection.rpush(keys.queue(queue), job_id)
            return claim(op, queues, **more)

        engine._moves.claim = claim_in_two_steps
        return engine


class SeesNoDoubt(Worker):
    """Takes an effect that an earlier attempt began for one that did not happen."""

    def _run_in_horse(self, lease, record):
        begin = Moves.begin_effect
        Moves.begin_effect = lambda moves, lease, name, **_: begin(moves, lease, name, take_over=True)
        return super()._run_in_horse(lease, record)


def _take_out_of_complete(worker, line, instead=""):
    """Let this process' workers send another script in place of complete.lua; give the text that stood there."""
    scripts = load(record=True)
    script = scripts["complete"]
    assert script.text.count(line) == 1, script.text.count(line)
    text = script.text.replace(line, instead)
    sha = worker.users_connection.script_load(text)
    scripts["complete"] = replace(script, text=text, sha=sha)
    return script


class ReleasesLater(Worker):
    """Ends a job, and lets those that wait for it go with a second command, as stock RQ does."""

    def _run_in_horse(self, lease, record):
        line = "release_dependents(job_id, false, stamp)\n"
        script = _take_out_of_complete(self, line)
        head = script.text[: script.text.index("local over = answered_before")]
        sha = self.users_connection.script_load(f"{head}{line}return {{'released'}}")
        complete = Moves.complete

        def complete_and_release(moves, lease, op, spell, **more):
            answer = complete(moves, lease, op, spell, **more)
            named = dict.fromkeys(script.header.arguments, "") | {
                "job_id": lease.job_id,
                "stamp": "2026-01-01T00:00:00Z",
            }
            moves.scripts.redis.evalsha(sha, 0, *script.arguments(named))
            return answer

        Moves.complete = complete_and_release
        return super()._run_in_horse(lease, record)


class RepeatsLater(Worker):
    """Ends a repeat, and puts the next in line with a second command."""

    def _run_in_horse(self, lease, record):
        line = "  put_in_line(job_id, queue, false)\n  return 'queued'"
        _take_out_of_complete(self, line, "  return 'queued'")
        complete = Moves.complete

        def complete_and_repeat(moves, lease, op, spell, **more):
            answer = complete(moves, lease, op, spell, **more)
            if more["repeat_ms"] == 0:
                moves.scripts.redis.rpush(keys.queue(lease.queue), lease.job_id)
            return answer

        Moves.complete = complete_and_repeat
        return super()._run_in_horse(lease, record)


class TellsAtMostOnce(Worker):
    """Takes a death for told before it tells of it."""

    def _speak_in_horse(self, left):
        self.users_connection.zrem(keys.aftermath(left.queue), left.entry)
        return super()._speak_in_horse(left)


class WritesLast(Worker):
    """Notes on a job's record that it has ended, without asking whether there is one."""

    def _run_in_horse(self, lease, record):
        code = super()._run_in_horse(lease, record)
        self.users_connection.hset(keys.job(lease.job_id), "status", "finished")
        return code
