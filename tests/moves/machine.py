"""The moves in any order, by anyone, with replies lost, requests late and time jumping: what must hold does."""

from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store.entrance import Placement
from holdfast.jobs.store.outcomes import Aftermath, Again, Done, Doubtful, First
from holdfast.jobs.store.records import stamp
from tests.moves.deeds import CRASHES, DEEDS, ENDS, JOBS, LATEST, QUEUES, REFUSALS, SETTLES, WANTS, WORKERS
from tests.moves.oracle import Operation, in_short
from tests.moves.turns import Turns


class Jobs(Turns):
    """Three workers, three jobs, chores and producers."""

    # -- producers -------------------------------------------------------------------------------

    @initialize(want=WANTS, deed=DEEDS, how=ENDS, crashes=CRASHES)
    def work_has_begun(self, want, deed, how, crashes):
        for job_id, queue, most in (("job-1", "high", None), ("job-2", "default", None), ("job-3", "default", crashes)):
            self.enqueue(job_id, queue, 0, at_front=False, crashes=most, together=False)
        self.attempt(0, want, deed, how)

    @rule(
        job_id=JOBS,
        queue=st.sampled_from(QUEUES),
        delay_ms=st.sampled_from([0, 0, 1_500]),
        at_front=st.booleans(),
        crashes=CRASHES,
        together=st.booleans(),
    )
    def enqueue(self, job_id, queue, delay_ms, *, at_front, crashes, together):
        self.births += 1
        born = stamp(1_000_000_000 + self.births)
        fields = ["data", "work", "created_at", born, "origin", queue, "retries_left", 2]
        fields += [] if crashes is None else ["hf_crashes_max", crashes]
        op = f"{self.births:x}"
        where = {"queue": queue, "op": op, "asked_s": self.pool.clock.wall_s(), "at_front": at_front}
        if together and not delay_ms:
            send = partial(self.pool.entrance.enqueue_many, [self.pool.batch(job_id, fields, **where)])
        else:
            placement = Placement(job_id=job_id, delay_ms=delay_ms or None, **where)
            send = partial(self.pool.entrance.enqueue, placement, fields)
        self.entries[job_id] = (send, send())
        self.forgotten.discard(job_id)

    @precondition(lambda self: b"failed" in self.statuses().values())
    @rule()
    def a_person_requeues(self):
        for job_id, status in self.statuses().items():
            if status == b"failed":
                Job.fetch(job_id, connection=self.pool.redis).requeue()

    # -- workers ---------------------------------------------------------------------------------

    @rule(number=WORKERS, want=WANTS, is_called=st.booleans())
    def ask_and_not_hear(self, number, want, is_called):
        """Let a worker claim, and miss the answer."""
        seen_fence = self.workers[number].seen_fence
        self.claim(number, want, is_called=is_called)
        self.workers[number].seen_fence = seen_fence

    @rule(number=WORKERS, want=WANTS, is_called=st.booleans(), deed=DEEDS, how=ENDS)
    def attempt(self, number, want, deed, how, *, is_called=False):
        """Let a worker take some jobs and run one of them, for a while or to its end."""
        taken = self.claim(number, want, is_called=is_called)
        self.hears(taken)
        for mine in taken[:1]:
            if deed != "nothing":
                self.begin_effect(mine, take_over=False)
            if deed in {"done", "withdrawn"}:
                self.end_effect(mine, took_place=deed == "done")
            if how:
                self.end(mine, *how)

    def claim(self, number, want, *, is_called=False):
        worker, due_ms = self.workers[number], self.scheduled()
        for mine in self.unheard(number):
            del self.holders[mine.lease.job_id]
        want = 1 if is_called else want
        answer = worker.stand(*QUEUES)() if is_called else worker.claim_some(want, *QUEUES)
        while isinstance(answer, Aftermath | Again):
            if isinstance(answer, Aftermath):
                worker.moves.end_aftermath(answer)
            answer = worker.claim_some(want, *QUEUES)
        op = worker.op - want + 1
        send = partial(worker.claim_some, want, *QUEUES, op=op)
        taken = self.takes(number, answer, due_ms, want=want)
        self.last[number] = Operation(op, send, answer, self.now_ms(), taken)
        return taken

    def end(self, mine, move, more):
        answer = self.act(mine, move, **more)
        worker, op = self.workers[mine.worker], self.workers[mine.worker].op
        send = partial(getattr(worker, move), mine.lease, op=op, **more)
        self.last[mine.worker] = Operation(op, send, answer, self.now_ms())
        if not isinstance(answer, REFUSALS):
            is_kept = move != "complete" or more["result_ttl"] != 0
            self.has_ended(mine, with_success=move == "complete", is_kept=is_kept)

    @precondition(lambda self: self.held)
    @rule(back=LATEST, step=st.sampled_from([*SETTLES, "renew", "begin", "take over", "done", "withdrawn"]))
    def go_on(self, back, step):
        """Let one that claimed before go on with what it thinks is its job."""
        mine = self.held[min(back, len(self.held) - 1)]
        if step in SETTLES:
            self.end(mine, *step)
        elif step == "renew":
            answer = self.act(mine, "renew")
            if not isinstance(answer, REFUSALS):
                self.holders[mine.lease.job_id] = (mine.lease.execution, answer.deadline_ms)
        elif step in {"begin", "take over"}:
            self.begin_effect(mine, take_over=step == "take over")
        else:
            self.end_effect(mine, took_place=step == "done")

    def begin_effect(self, mine, *, take_over):
        state, fence = self.effects[mine.life]
        answer = self.act(mine, "begin_effect", "charge", take_over=take_over)
        if isinstance(answer, REFUSALS):
            return
        if state == "done":
            assert answer == Done(b"paid"), "INV-07: it acts twice"
        elif state == "intent" and fence != mine.lease.fence and not take_over:
            assert answer == Doubtful(fence), "INV-07: it knows of no doubt"
        else:
            assert answer == First()
            self.effects[mine.life] = ("intent", mine.lease.fence)

    def end_effect(self, mine, *, took_place):
        if self.effects[mine.life] != ("intent", mine.lease.fence):
            return
        if took_place:
            answer = self.act(mine, "commit_effect", "charge", b"paid")
        else:
            answer = self.act(mine, "withdraw_effect", "charge")
        if not isinstance(answer, REFUSALS):
            self.effects[mine.life] = ("done" if took_place else "none", 0)

    @rule(
        number=WORKERS,
        what=st.sampled_from(["operation", "operation", "operation", "enqueue", "late request", "new life"]),
    )
    def somebody_repeats_themselves(self, number, what):
        worker, last = self.workers[number], self.last.get(number)
        if what == "new life":
            self.workers[number] = self.pool.worker(worker.name)
            self.last.pop(number, None)
        elif what == "enqueue":
            for send, answer in self.entries.values():
                with self.pool.nothing_changes():
                    assert send() == answer, "INV-10"
        elif last and self.remembers(last):
            with self.pool.nothing_changes():
                if what == "late request":
                    self.comes_too_late(number)
                else:
                    assert in_short(last.send()) == in_short(self.said_again(last.answer)), "INV-10"
                    self.hears([mine for mine in last.given if self.holds(mine.lease)])

    # -- chores and time -------------------------------------------------------------------------

    @rule(ms=st.sampled_from([10_000, 0, 1, 1_499, 3_000, 9_999, 60_000]), chores=st.booleans())
    def time_passes(self, ms, chores):
        self.pool.time_passes(ms)
        if chores:
            self.reclaim()
            self.promote()


def run(new_pool, **more):
    bounds = settings(max_examples=50, stateful_step_count=25, deadline=None, database=None, print_blob=True)
    bounds = settings(bounds, suppress_health_check=[HealthCheck.too_slow], **more)
    run_state_machine_as_test(lambda: Jobs(new_pool), settings=bounds)
