"""Workers with mistakes that were made before, for the sweep to find. Imported by `rq worker`, by name."""

import os
from dataclasses import replace

from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Moves
from holdfast.jobs.store.scripts import load
from holdfast.workers import Worker
from holdfast.workers.groom import Groom
from holdfast.workers.mount import Mount
from holdfast.workers.speaker import Speaker

#: The moves that end a lease with success.
ENDS = ("turn", "complete")


class TwoStepClaim(Worker):
    """Takes an id out of the line and puts it elsewhere with a second command, as a BLPOP and a ZADD would."""

    def _make_engine(self, order, ears):
        claim = Moves.claim

        def claim_in_two_steps(moves, op, queues, **more):
            for queue in queues:
                if job_id := self.connection.lpop(keys.queue(queue)):
                    self.connection.rpush(keys.queue(queue), job_id)
            return claim(moves, op, queues, **more)

        Moves.claim = claim_in_two_steps
        return super()._make_engine(order, ears)


class SeesNoDoubt(Worker):
    """Takes an effect that an earlier attempt began for one that did not happen."""

    def _serve(self, bit, order):
        begin = Moves.begin_effect
        Moves.begin_effect = lambda moves, lease, name, **_: begin(moves, lease, name, take_over=True)
        return super()._serve(bit, order)


def take_out(worker, moves, line, instead=""):
    """Let this process' worker send other scripts for these moves."""
    scripts = load(record=True)
    for move in moves:
        script = scripts[move]
        assert script.text.count(line) == 1, script.text.count(line)
        text = script.text.replace(line, instead)
        scripts[move] = replace(script, text=text)
        worker.users_connection.script_load(scripts[move].sent)


def after_each_end(act):
    """Have the horse do something with a move of its own once the first is answered: act(moves, completion)."""
    begin_turn, complete = Moves.begin_turn, Moves.complete
    parent = os.getpid()

    def act_in_horse(moves, completion):
        # A parent sends a slow horse's end as well: what both do, a death before one of them need not hinder.
        if os.getpid() != parent:
            act(moves, completion)

    def turn_and_act(moves, op, ended, queues, **more):
        trip = begin_turn(moves, op, ended, queues, **more)
        answer = trip.answer

        def answer_and_act():
            said = answer()
            for each in ended:
                act_in_horse(moves, each.done)
            return said

        trip.answer = answer_and_act
        return trip

    def complete_and_act(moves, op, completion):
        answer = complete(moves, op, completion)
        act_in_horse(moves, completion)
        return answer

    Moves.begin_turn, Moves.complete = turn_and_act, complete_and_act


class ReleasesLater(Worker):
    """Ends a job, and lets those that wait for it go with a second command, as stock RQ does."""

    def _make_engine(self, order, ears):
        release = "release_dependents(job_id, false, stamp)"
        script = load(record=True)["complete"]
        take_out(self, ENDS, release, "true")
        head = script.text[: script.text.index("local over = replayed(instance, op)")]
        release = f"{head}{release}\nreturn {{'released'}}"

        def let_them_go(moves, completion):
            named = dict.fromkeys(script.header.arguments, "") | {
                "job_id": completion.lease.job_id,
                "stamp": "2026-01-01T00:00:00Z",
            }
            # In full: by its hash, the sweep could not tell it from the changed ends.
            moves.scripts.redis.eval(replace(script, text=release).sent, 0, *script.arguments(named))

        after_each_end(let_them_go)
        return super()._make_engine(order, ears)


class RepeatsLater(Worker):
    """Ends a repeat, and puts the next in line with a second command."""

    def _make_engine(self, order, ears):
        take_out(self, ENDS, "  put_in_line(job_id, queue, job[2] == 'front')\n", "")

        def put_in_line(moves, completion):
            if completion.repeat_ms == 0:
                moves.scripts.redis.rpush(keys.queue(completion.lease.queue), completion.lease.job_id)

        after_each_end(put_in_line)
        return super()._make_engine(order, ears)


class TellsAtMostOnce(Worker):
    """Takes a death for told before it tells of it."""

    def _serve(self, bit, order):
        speak_for = Speaker.speak_for

        def forget_and_speak(speaker, left):
            self.users_connection.zrem(keys.aftermath(left.queue), left.entry)
            return speak_for(speaker, left)

        Speaker.speak_for = forget_and_speak
        return super()._serve(bit, order)


class WritesLast(Worker):
    """Notes on a job's record that it has ended, without asking whether there is one."""

    def _make_engine(self, order, ears):
        def write(moves, completion):
            moves.scripts.redis.hset(keys.job(completion.lease.job_id), "status", "finished")

        after_each_end(write)
        return super()._make_engine(order, ears)


class ForgetsWhatWasTaken(Worker):
    """Finishes a dead horse's turn, and lets the next horse take what that gave for unheard."""

    def _make_engine(self, order, ears):
        Mount.has_heard = lambda _mount, _claimed: None
        return super()._make_engine(order, ears)


class FinishesNoTurn(Worker):
    """Lets go of a turn that it has taken back."""

    def _make_engine(self, order, ears):
        def let_go_of_it(groom):
            groom._mount.turns_of_ours()
            return []

        Groom.finish_turns = let_go_of_it
        return super()._make_engine(order, ears)


class OverlooksCompany(Worker):
    """Charges a death to all that its worker held."""

    def _make_engine(self, order, ears):
        take_out(self, ["reclaim"], "if in_company then", "if false then")
        return super()._make_engine(order, ears)
