"""What the machine knows of who holds what, from the answers alone, and what it says must hold."""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from holdfast.jobs.lease import Lease
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Aftermath, Completed, Empty, Fenced, Lost, Pass, Turned
from tests.moves.deeds import QUEUES, REFUSALS, REPLAY_MS, STATUS


@dataclass(frozen=True)
class Held:
    """What a worker thinks it holds, rightly or not."""

    worker: int
    lease: Lease
    #: The life of the job that the lease is about.
    life: tuple[str, bytes, str]


@dataclass(frozen=True)
class Operation:
    """The last one of a worker, how to send it again, and what it was answered at first."""

    number: int
    send: Callable[[], Any]
    answer: Any
    asked_ms: int
    #: What it was given by it, heard or not.
    given: tuple[Held, ...] = ()


def in_short(answer):
    """Leave the records out of an answer: they may have changed when it is given again."""
    if isinstance(answer, Turned):
        return answer.said, in_short(answer.next)
    if isinstance(answer, tuple):
        return tuple(each.lease for each in answer)
    return answer.entry if isinstance(answer, Aftermath) else answer


class Oracle(RuleBasedStateMachine):
    """Three workers and their pool. What they were answered is all that is known."""

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
        #: Whose lives are in the hands of which execution that has others besides; those whose company died at once.
        self.company, self.suspects = {}, set()

    def teardown(self):
        self.world.close()

    # -- what is known ---------------------------------------------------------------------------

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
        return self.now_ms() - operation.asked_ms < REPLAY_MS

    def holds(self, lease):
        return self.holders.get(lease.job_id, ("", 0))[0] == lease.execution

    def held_by(self, number):
        """Give what a worker thinks it holds, the latest first."""
        return [mine for mine in self.held if mine.worker == number]

    # -- what is answered ------------------------------------------------------------------------

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

    def unheard(self, number):
        """Give what goes back as soon as this worker asks under a new number."""
        last, seen_fence = self.last.get(number), self.workers[number].seen_fence
        given = last.given if last and self.remembers(last) else ()
        return [mine for mine in given if mine.lease.fence > seen_fence and self.holds(mine.lease)]

    def takes(self, number, answer, due_ms, *, want, besides=0):
        """Learn what a worker was given, the first one first."""
        if answer == Empty() and want and not besides:
            assert not any(self.pool.line(queue) for queue in QUEUES), "LIV-01: what is in line was not found"
        given = answer if isinstance(answer, tuple) else ()
        assert len(given) <= want, "more than was asked for"
        taken = tuple(self.takes_one(number, claimed, due_ms) for claimed in given)
        if len(taken) + besides > 1:
            for mine, claimed in zip(taken, given, strict=True):
                must_be_alone = mine.life in self.suspects or claimed.record.get(b"hf_crashes_max") == b"0"
                assert not must_be_alone, f"INV-09: {mine.lease.job_id} must be alone, and is in company"
                self.company[mine.lease.execution] = mine.life
        return taken

    def takes_one(self, number, claimed, due_ms):
        lease, record = claimed.lease, claimed.record
        assert lease.job_id not in self.holders, "INV-04: somebody holds it"
        assert due_ms.get(lease.job_id, 0) <= self.now_ms(), "INV-12: claimed before it is due"
        assert lease.fence > max(self.fences[lease.job_id], default=0), "INV-03"
        self.fences[lease.job_id].append(lease.fence)
        self.holders[lease.job_id] = (lease.execution, lease.deadline_ms)
        return Held(number, lease, (lease.job_id, record[b"created_at"], lease.generation))

    def hears(self, taken):
        """Let a worker know of what it was given. What it knows already it does not learn twice."""
        self.held = [mine for mine in reversed(taken) if mine not in self.held] + self.held

    def has_ended(self, mine, *, with_success, is_kept=True):
        """Learn that a lease has ended by its holder."""
        job_id = mine.lease.job_id
        del self.holders[job_id]
        if with_success:
            self.completions[mine.life] += 1
            assert self.completions[mine.life] == 1, "INV-06"
        if not is_kept and not self.pool.record(job_id):
            self.forgotten.add(job_id)

    def was_told(self, mine, word, *, is_kept):
        """Judge the word for a lease that was to end with success among others, and learn from it."""
        if self.holds(mine.lease):
            assert word == Completed(), f"INV-04: the holder was told {word}"
            self.has_ended(mine, with_success=True, is_kept=is_kept)
        elif isinstance(word, Fenced):
            assert word.by > mine.lease.fence, f"INV-04: {mine.lease.fence} was told {word}"
            assert word.by in self.fences[mine.lease.job_id], f"INV-04: nobody has {word}"
        else:
            assert word == Lost(), f"INV-04: a stale holder was told {word}"

    def said_again(self, answer):
        """Tell what must be said when a first answer is given again: the same words, and what still stands."""
        if isinstance(answer, Turned):
            return Turned(answer.said, self.said_again(answer.next))
        if isinstance(answer, tuple):
            return tuple(each for each in answer if self.holds(each.lease)) or Lost()
        if isinstance(answer, Aftermath):
            return answer if self.pool.redis.zscore(keys.aftermath(answer.queue), answer.entry) else Lost()
        return answer

    def reclaim(self):
        told = self.pool.reap()
        if isinstance(told, Pass):
            for taken in told.reclaimed:
                execution, deadline_ms = self.holders.pop(taken.job_id)
                assert (taken.execution, deadline_ms <= self.now_ms()) == (execution, True), "INV-05"
                self.suspects |= {self.company[execution]} if execution in self.company else set()
            assert all(deadline_ms > self.now_ms() for _, deadline_ms in self.holders.values()), "LIV-02"

    def promote(self):
        due_ms = self.scheduled()
        self.pool.promote()
        left = self.scheduled()
        for job_id, moment_ms in due_ms.items():
            assert (job_id in left) == (moment_ms > self.now_ms()), "INV-12, LIV-02"

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def everything_is_where_it_belongs(self):
        spots = [(family, queue) for queue in QUEUES for family in [*STATUS, "wip"]]
        with self.pool.redis.pipeline(transaction=False) as pipe:
            for family, queue in spots:
                read = pipe.lrange if family == "queue" else pipe.zrange
                read(keys.FAMILIES[family](queue), 0, -1)
            found = dict(zip(spots, pipe.execute(), strict=True))
        wips = [entry for queue in QUEUES for entry in found.pop(("wip", queue))]
        leases = [entry for queue in QUEUES for entry in found["leases", queue]]
        places = defaultdict(list)
        for spot, entries in found.items():
            for entry in entries:
                places[entry.decode().split(":")[0]].append(spot)
        live = sorted(f"{job_id}:{execution}".encode() for job_id, (execution, _) in self.holders.items())
        assert sorted(wips) == live, "INV-02: RQ's set of running jobs says otherwise"
        assert sorted(leases) == live, "INV-04: a lease stands that nobody has"
        assert set(places) == set(self.entries) - self.forgotten, "INV-01, INV-02: a job is nowhere, or a ghost"
        for job_id, stands_in in places.items():
            assert len(stands_in) == 1, f"INV-02: {job_id} is in {stands_in}"
            self.record_agrees(job_id, *stands_in[0])

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
