"""The moves in any order, by anyone, with replies lost, requests late and time jumping: what must hold does."""

from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha1

import pytest
from hypothesis import HealthCheck, Phase, settings
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
from holdfast.jobs.store.keys import effect_field
from holdfast.jobs.store.outcomes import Claimed, Closed, Done, Doubtful, Fenced, First, Lost, Pass
from holdfast.jobs.store.records import stamp
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import Placement

JOBS = st.sampled_from(["job-1", "job-2"])
QUEUES = st.sampled_from(["high", "default"])
WORKERS = st.sampled_from([0, 1, 2])
#: Who acts: the one that claimed last, the one before, or the one before that.
LATEST = st.sampled_from([0, 0, 1, 2])
DELAYS_MS = st.sampled_from([0, 0, 1_500])
#: Kept for longer than any run takes.
LONG_S = 10**7
#: A replay slot lasts this long; a worker that was silent for longer is a new one.
REPLAY_MS = 600_000
SETTLES = [
    ("complete", {"result_ttl": LONG_S}),
    ("complete", {"result_ttl": 0}),
    ("complete", {"result_ttl": -1, "repeat_ms": 0}),
    ("complete", {"result_ttl": 0, "repeat_ms": 1_500}),
    ("postpone", {"delay_ms": 0, "used": ["retries_left", 1]}),
    ("postpone", {"delay_ms": 1_500, "used": ["retries_left", 0], "at_front": True}),
    ("bury", {}),
    ("bury", {"status": "stopped"}),
    ("give_back", {"begun": False}),
    ("give_back", {"begun": True}),
    ("crash", {}),
]
REFUSALS = (Fenced, Lost, Closed)
STATUS = {
    "queue": {"queued"},
    "leases": {"started"},
    "scheduled": {"scheduled"},
    "finished": {"finished"},
    "failed": {"failed", "stopped"},
}


READ = defaultdict(
    lambda: lambda redis, key: redis.zrange(key, 0, -1), {"queue": lambda redis, key: redis.lrange(key, 0, -1)}
)


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
        self.workers = [self.pool.worker(f"w{n}") for n in range(3)]
        #: The last operation of each worker: how to send it again, what it was answered, and when.
        self.last = {}
        self.entries = {}
        #: What has been claimed, the latest first, and which of it is held by the answers given.
        self.held = []
        self.holders = {}
        self.fences = defaultdict(list)
        self.completions = Counter()
        self.effects = {}
        self.done = Counter()
        self.counts = {}
        self.births = 0
        #: Jobs that were not kept, by their producer's wish.
        self.forgotten = set()

    def teardown(self):
        self.world.close()

    # -- producers -------------------------------------------------------------------------------

    @initialize()
    def work_has_begun(self):
        self.enqueue("job-1", "high", 0, at_front=False, crashes=None)
        self.enqueue("job-2", "default", 0, at_front=False, crashes=None)
        self.claim(0)

    @rule(job_id=JOBS, queue=QUEUES, delay_ms=DELAYS_MS, at_front=st.booleans(), crashes=st.sampled_from([None, 0]))
    def enqueue(self, job_id, queue, delay_ms, at_front, crashes):
        self.births += 1
        born = stamp(1_000_000_000 + self.births)
        fields = ["data", "work", "created_at", born, "origin", queue, "retries_left", 2]
        if crashes is not None:
            fields += ["hf_crashes_max", crashes]
        placement = Placement(
            queue=queue, job_id=job_id, op=f"{self.births:x}", delay_ms=delay_ms or None, at_front=at_front
        )
        answer = self.pool.entrance.enqueue(placement, fields)
        self.entries[job_id] = (placement, fields, answer)
        self.forgotten.discard(job_id)

    @precondition(lambda self: "failed" in self.statuses())
    @rule(job_id=JOBS)
    def a_person_requeues(self, job_id):
        if self.pool.redis.hget(keys.job(job_id), "status") == b"failed":
            Job.fetch(job_id, connection=self.pool.redis).requeue()

    # -- workers ---------------------------------------------------------------------------------

    @rule(number=WORKERS)
    def claim(self, number):
        worker = self.workers[number]
        due_ms = self.scheduled()
        answer = worker.claim("high", "default")
        self.last[number] = (lambda: worker.claim("high", "default", op=worker.op), answer, self.now_ms())
        if not isinstance(answer, Claimed):
            return
        lease, record = answer.lease, answer.record
        assert lease.job_id not in self.holders, "INV-04: somebody holds it"
        assert due_ms.get(lease.job_id, 0) <= self.now_ms(), "INV-12: claimed before it is due"
        assert all(lease.fence > fence for fence in self.fences[lease.job_id]), "INV-03"
        self.fences[lease.job_id].append(lease.fence)
        self.holders[lease.job_id] = (lease.execution, lease.deadline_ms)
        self.held.insert(0, Held(number, lease, (lease.job_id, record[b"hf_born"], lease.generation)))

    @rule(back=LATEST, how=st.sampled_from(SETTLES))
    def settle(self, back, how):
        mine, (move, more) = self.held[min(back, len(self.held) - 1)], how
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
            if more["result_ttl"] == 0 and not self.pool.record(lease.job_id):
                self.forgotten.add(lease.job_id)

    @rule(number=WORKERS, what=st.sampled_from(["operation", "operation", "enqueue", "late request", "new life"]))
    def somebody_repeats_themselves(self, number, what):
        if what == "new life":
            self.workers[number] = self.pool.worker(f"w{number}")
            self.last.pop(number, None)
        elif what == "enqueue":
            for placement, fields, answer in self.entries.values():
                with self.pool.nothing_changes():
                    assert self.pool.entrance.enqueue(placement, fields) == answer, "INV-10"
        elif number in self.last and self.now_ms() - self.last[number][2] < REPLAY_MS:
            with self.pool.nothing_changes():
                if what == "operation":
                    self.send_again(*self.last[number])
                elif (op := self.workers[number].op) > 1:
                    assert self.workers[number].claim("high", "default", op=op - 1) == Closed("late"), "INV-10"

    def send_again(self, send, first, _):
        again = send()
        if isinstance(first, Claimed):
            holds = self.holders.get(first.lease.job_id, ("", 0))[0] == first.lease.execution
            assert (again.lease == first.lease) if holds else (again == Lost()), "INV-10"
        else:
            assert again == first, "INV-10"

    # -- bodies ----------------------------------------------------------------------------------

    @rule(back=LATEST, step=st.sampled_from(["begin", "renew", "take_over", "commit", "withdraw"]))
    def work(self, back, step):
        mine = self.held[min(back, len(self.held) - 1)]
        if step == "renew":
            answer = self.act(mine, "renew")
            if not isinstance(answer, REFUSALS):
                self.holders[mine.lease.job_id] = (mine.lease.execution, answer.deadline_ms)
        elif step in {"begin", "take_over"}:
            self.begin_effect(mine, take_over=step == "take_over")
        elif self.effects.get(mine.life) == ("intent", mine.lease.fence):
            self.end_effect(mine, took_place=step == "commit")

    def begin_effect(self, mine, *, take_over):
        state, fence = self.effects.get(mine.life, ("none", 0))
        answer = self.act(mine, "begin_effect", "charge", take_over=take_over)
        if isinstance(answer, REFUSALS):
            return
        if state == "done":
            assert answer == Done(b"paid"), "INV-07: it acts twice"
        elif state == "intent" and fence != mine.lease.fence and not take_over:
            assert answer == Doubtful(fence), "INV-07: it does not know of a doubt"
        else:
            assert answer == First()
            self.effects[mine.life] = ("intent", mine.lease.fence)

    def end_effect(self, mine, *, took_place):
        before = self.pool.record(mine.lease.job_id).get(effect_field("charge"))
        move, details = ("commit_effect", [b"paid"]) if took_place else ("withdraw_effect", [])
        answer = self.act(mine, move, "charge", *details)
        if not isinstance(answer, REFUSALS):
            self.effects[mine.life] = ("done" if took_place else "none", 0)
            self.done[mine.life] += took_place and not before.startswith("done")
            assert self.done[mine.life] <= 1, "INV-07"

    # -- chores and time -------------------------------------------------------------------------

    @rule(ms=st.sampled_from([10_000, 0, 1, 1_499, 3_000, 9_999, 60_000]), chore=st.booleans())
    def time_passes(self, ms, chore):
        self.pool.time_passes(ms)
        if chore:
            self.reclaim()
            self.promote()

    def reclaim(self):
        told = self.pool.reap()
        if not isinstance(told, Pass):
            return
        for taken in told.reclaimed:
            execution, deadline_ms = self.holders.pop(taken.job_id)
            assert taken.execution == execution
            assert deadline_ms <= self.now_ms(), "INV-05"
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
        """Tell when each scheduled job is due."""
        found = {}
        for queue in ("high", "default"):
            for job_id, due_s in self.pool.redis.zrange(keys.scheduled(queue), 0, -1, withscores=True):
                found[job_id.decode()] = due_s * 1_000
        return found

    def act(self, mine, move, *details, **more):
        """Make a move. INV-04: it is let through for the one holder, and leaves no trace of anyone else."""
        worker, lease = self.workers[mine.worker], mine.lease
        does = getattr(worker, move, None) or getattr(worker.moves, move)
        if self.holders.get(lease.job_id, ("", 0))[0] == lease.execution:
            answer = does(lease, *details, **more)
            assert not isinstance(answer, REFUSALS), f"INV-04: the holder was told {answer}"
        else:
            with self.pool.nothing_changes(worker):
                answer = does(lease, *details, **more)
            assert isinstance(answer, REFUSALS), f"INV-04: a stale holder was told {answer}"
        return answer

    def statuses(self):
        return [self.pool.redis.hget(keys.job(job_id), "status").decode() for job_id in self.kept()]

    def kept(self):
        return [job_id for job_id in self.entries if job_id not in self.forgotten]

    @invariant()
    def everything_is_where_it_belongs(self):
        places, wips = defaultdict(list), []
        for queue in ("high", "default"):
            for family in STATUS:
                for entry in READ[family](self.pool.redis, keys.FAMILIES[family](queue)):
                    places[entry.decode().split(":")[0]].append((family, queue))
            wips += self.pool.redis.zrange(keys.wip(queue), 0, -1)
        live = [f"{job_id}:{execution}".encode() for job_id, (execution, _) in self.holders.items()]
        assert sorted(wips) == sorted(live), "INV-02: RQ's set of running jobs says otherwise"
        assert set(places) == set(self.kept()), "INV-01, INV-02: a job that is nowhere, or a ghost"
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
        if life == before_life:
            assert all(now >= then for now, then in zip(counts, before, strict=True)), "INV-09"
        # A person who requeues what has failed gives it its budgets back.
        if record.get("hf_ended") != "failed":
            self.counts[job_id] = (life, counts)


def run(new_pool, **more):
    bounds = settings(
        max_examples=80,
        stateful_step_count=30,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(lambda: Jobs(new_pool), settings=settings(bounds, **more))


def test_whatever_happens_in_whatever_order_the_invariants_hold(new_pool):
    """INV-01 to INV-07, INV-09, INV-10, INV-12: over the true scripts, with time that jumps."""
    run(new_pool)


GUARD = """local refused = refusal(job_id, queue, execution, fence)
if refused then
  return keep(instance, op, refused)
end
"""
BREAKS = {
    "complete without its guard": ("complete", GUARD, ""),
    "postpone without its guard": ("postpone", GUARD, ""),
    "a complete that forgets its answer": ("complete", "first_answer = replayed(instance, op)", "first_answer"),
    "a reaper that does not look at the deadline": ("reclaim", "'-inf', whole(now_ms)", "'-inf', '+inf'"),
    "a promoter that does not look at the clock": ("promote", "'-inf', seconds(now_ms / 1000)", "'-inf', '+inf'"),
    "a fence that is the clock alone": ("claim", "whole(math.max(", "whole(math.min("),
    "an effect that knows no doubt": ("begin_effect", "by ~= fence and take_over ~= '1'", "false"),
    "an enqueue that puts the id in line beside its lease": ("enqueue", "if was[1] == 'started' and", "if false and"),
}


def break_script(move, old, new):
    """Give a function that makes the moves on a connection, one of them with this piece replaced."""

    def make(redis):
        scripts = Scripts(redis)
        script = scripts._scripts[move]
        assert old in script.text, f"{move}.lua does not say {old!r} any more"
        text = script.text.replace(old, new)
        broken = replace(script, text=text, sha=sha1(text.encode()).hexdigest())
        scripts._scripts = {**scripts._scripts, move: broken}
        return scripts

    return make


@pytest.mark.parametrize("what", BREAKS)
def test_the_machine_sees_what_is_broken(new_pool, what):
    """Without this the first test proves nothing: it must be able to fail."""
    scripts = break_script(*BREAKS[what])
    with pytest.raises((AssertionError, KeyError)):
        # Always the same runs, so that a slip of luck does not look like a blind machine.
        run(lambda: new_pool(scripts), max_examples=500, derandomize=True, phases=[Phase.generate])
