"""The moves in any order, by anyone, with replies lost, requests late and time jumping: what must hold does."""

from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast.jobs.lease import Lease
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Aftermath, Claimed, Closed, Done, Doubtful, First, Pass
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.upkeep import Placement
from tests.moves.deeds import DEEDS, ENDS, JOBS, LATEST, QUEUES, REFUSALS, REPLAY_MS, SETTLES, STATUS, WORKERS


@dataclass(frozen=True)
class Held:
    """What a worker thinks it holds, rightly or not."""

    worker: int
    lease: Lease
    #: The life of the job that the lease is about.
    life: tuple[str, bytes, str]


class Jobs(RuleBasedStateMachine):
    """Three workers, two jobs, chores and producers. What they were answered is all that the oracle knows."""

    def __init__(self, new_pool):
        super().__init__()
        self.world = ExitStack()
        self.pool = self.world.enter_context(new_pool())
        self.workers = [self.pool.worker(f"w{number}") for number in range(3)]
        #: What was claimed, the latest first; which execution holds which job, until when.
        self.held, self.holders = [], {}
        #: The last operation of each worker, and the last enqueue of each job: how to send it again.
        self.last, self.entries = {}, {}
        #: Jobs that were not kept, by their producer's wish.
        self.forgotten = set()
        self.fences, self.counts, self.births = defaultdict(list), {}, 0
        self.completions, self.effects = Counter(), defaultdict(lambda: ("none", 0))

    def teardown(self):
        self.world.close()

    # -- producers -------------------------------------------------------------------------------

    @initialize(deed=DEEDS, how=ENDS)
    def work_has_begun(self, deed, how):
        self.enqueue("job-1", "high", 0, at_front=False, crashes=None, together=False)
        self.enqueue("job-2", "default", 0, at_front=False, crashes=None, together=False)
        self.attempt(0, deed, how)

    @rule(
        job_id=JOBS,
        queue=st.sampled_from(QUEUES),
        delay_ms=st.sampled_from([0, 0, 1_500]),
        at_front=st.booleans(),
        crashes=st.sampled_from([None, None, 0]),
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

    @rule(number=WORKERS)
    def ask_and_not_hear(self, number):
        """Let a worker claim, and miss the answer."""
        seen_fence = self.workers[number].seen_fence
        if self.claim(number):
            self.held.pop(0)
        self.workers[number].seen_fence = seen_fence

    @rule(number=WORKERS, deed=DEEDS, how=ENDS)
    def attempt(self, number, deed, how):
        """Let a worker take a job and run it, for a while or to its end."""
        mine = self.claim(number)
        if mine and deed != "nothing":
            self.begin_effect(mine, take_over=False)
        if mine and deed in {"done", "withdrawn"}:
            self.end_effect(mine, took_place=deed == "done")
        if mine and how:
            self.end(mine, *how)

    def claim(self, number):
        worker, due_ms = self.workers[number], self.scheduled()
        unheard = self.last.get(number, (None, None, 0))
        is_unheard = isinstance(unheard[1], Claimed) and unheard[1].lease.fence > worker.seen_fence
        if is_unheard and self.holds(unheard[1].lease) and self.remembers(unheard):
            del self.holders[unheard[1].lease.job_id]
        answer = worker.claim(*QUEUES)
        while isinstance(answer, Aftermath):
            worker.moves.end_aftermath(answer)
            answer = worker.claim(*QUEUES)
        self.last[number] = (lambda: worker.claim(*QUEUES, op=worker.op), answer, self.now_ms())
        if not isinstance(answer, Claimed):
            return None
        lease, record = answer.lease, answer.record
        assert lease.job_id not in self.holders, "INV-04: somebody holds it"
        assert due_ms.get(lease.job_id, 0) <= self.now_ms(), "INV-12: claimed before it is due"
        assert lease.fence > max(self.fences[lease.job_id], default=0), "INV-03"
        self.fences[lease.job_id].append(lease.fence)
        self.holders[lease.job_id] = (lease.execution, lease.deadline_ms)
        self.held.insert(0, Held(number, lease, (lease.job_id, record[b"hf_born"], lease.generation)))
        return self.held[0]

    def end(self, mine, move, more):
        answer = self.act(mine, move, **more)
        worker, lease = self.workers[mine.worker], mine.lease
        number = worker.op
        self.last[mine.worker] = (lambda: getattr(worker, move)(lease, op=number, **more), answer, self.now_ms())
        if isinstance(answer, REFUSALS):
            return
        del self.holders[lease.job_id]
        if move == "complete":
            self.completions[mine.life] += 1
            assert self.completions[mine.life] == 1, "INV-06"
        if move == "complete" and more["result_ttl"] == 0 and not self.pool.record(lease.job_id):
            self.forgotten.add(lease.job_id)

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

    @rule(number=WORKERS, what=st.sampled_from(["operation", "operation", "enqueue", "late request", "new life"]))
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
            send, first, _ = last
            with self.pool.nothing_changes():
                if what == "late request":
                    assert worker.op < 2 or worker.claim(*QUEUES, op=worker.op - 1) == Closed("late"), "INV-10"
                elif isinstance(first, Claimed):
                    holds = self.holds(first.lease)
                    assert getattr(send(), "lease", None) == (first.lease if holds else None), "INV-10"
                else:
                    assert send() == first, "INV-10"

    # -- chores and time -------------------------------------------------------------------------

    @rule(ms=st.sampled_from([10_000, 0, 1, 1_499, 3_000, 9_999, 60_000]), chores=st.booleans())
    def time_passes(self, ms, chores):
        self.pool.time_passes(ms)
        if chores:
            self.reclaim()
            self.promote()

    def reclaim(self):
        told = self.pool.reap()
        if isinstance(told, Pass):
            for taken in told.reclaimed:
                execution, deadline_ms = self.holders.pop(taken.job_id)
                assert (taken.execution, deadline_ms <= self.now_ms()) == (execution, True), "INV-05"
            assert all(deadline_ms > self.now_ms() for _, deadline_ms in self.holders.values()), "LIV-02"

    def promote(self):
        due_ms = self.scheduled()
        self.pool.promote()
        left = self.scheduled()
        for job_id, moment_ms in due_ms.items():
            assert (job_id in left) == (moment_ms > self.now_ms()), "INV-12, LIV-02"

    # -- the oracle ------------------------------------------------------------------------------

    def now_ms(self):
        return self.pool.clock.boot_ms()

    def scheduled(self):
        """Tell when each scheduled job is due, in ms."""
        sets = [self.pool.redis.zrange(keys.scheduled(queue), 0, -1, withscores=True) for queue in QUEUES]
        return {job_id.decode(): due_s * 1_000 for found in sets for job_id, due_s in found}

    def statuses(self):
        return {job_id: self.pool.redis.hget(keys.job(job_id), "status") for job_id in self.entries}

    def remembers(self, operation):
        """Tell whether the server still has the answer to a worker's last operation."""
        return self.now_ms() - operation[2] < REPLAY_MS

    def holds(self, lease):
        return self.holders.get(lease.job_id, ("", 0))[0] == lease.execution

    def act(self, mine, move, *details, **more):
        """Make a move. INV-04: it is let through for the one holder, and leaves no trace of anyone else."""
        worker, lease = self.workers[mine.worker], mine.lease
        does = getattr(worker, move, None) or getattr(worker.moves, move)
        if self.holds(lease):
            answer = does(lease, *details, **more)
            assert not isinstance(answer, REFUSALS), f"INV-04: the holder was told {answer}"
        else:
            with self.pool.nothing_changes(worker):
                answer = does(lease, *details, **more)
            assert isinstance(answer, REFUSALS), f"INV-04: a stale holder was told {answer}"
        return answer

    @invariant()
    def everything_is_where_it_belongs(self):
        places, wips = defaultdict(list), []
        for queue in QUEUES:
            for family in STATUS:
                key, redis = keys.FAMILIES[family](queue), self.pool.redis
                for entry in redis.lrange(key, 0, -1) if family == "queue" else redis.zrange(key, 0, -1):
                    places[entry.decode().split(":")[0]].append((family, queue))
            wips += self.pool.redis.zrange(keys.wip(queue), 0, -1)
        live = [f"{job_id}:{execution}".encode() for job_id, (execution, _) in self.holders.items()]
        assert sorted(wips) == sorted(live), "INV-02: RQ's set of running jobs says otherwise"
        assert set(places) == set(self.entries) - self.forgotten, "INV-01, INV-02: a job is nowhere, or a ghost"
        for job_id, found in places.items():
            assert len(found) == 1, f"INV-02: {job_id} is in {found}"
            self.record_agrees(job_id, *found[0])

    def record_agrees(self, job_id, family, queue):
        record = self.pool.record(job_id)
        assert record["status"] in STATUS[family], f"INV-02: {record['status']} among the {family}"
        assert queue == record["hf_lease_queue" if family == "leases" else "origin"], "INV-02"
        assert (job_id in self.holders) == (family == "leases"), "INV-02"

        life = (record.get("hf_born"), record.get("hf_generation"))
        counts = [int(record.get(f"hf_{name}", 0)) for name in ("executions", "crashes", "failures")]
        before_life, before = self.counts.pop(job_id, (life, counts))
        assert life != before_life or all(now >= then for now, then in zip(counts, before, strict=True)), "INV-09"
        # A person who requeues what has failed gives it its budgets back.
        if record.get("hf_ended") != "failed":
            self.counts[job_id] = (life, counts)


def run(new_pool, **more):
    bounds = settings(max_examples=50, stateful_step_count=25, deadline=None, database=None, print_blob=True)
    bounds = settings(bounds, suppress_health_check=[HealthCheck.too_slow], **more)
    run_state_machine_as_test(lambda: Jobs(new_pool), settings=bounds)
