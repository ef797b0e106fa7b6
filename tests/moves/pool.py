"""A pool in short words: producers, workers and chores over one server, and what may be seen of a job."""

import random
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import rq

from holdfast.jobs import Queue
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys, records
from holdfast.jobs.store.answers import read_claim
from holdfast.jobs.store.batches import Batch, Shape
from holdfast.jobs.store.entrance import Entrance
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.outcomes import Aftermath, Claimed
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import Upkeep
from holdfast.jobs.store.work import Completion, Stint

#: Where a job can be, by the name of the key's family. `leases` holds entries, the others ids.
PLACES = ("queue", "leases", "scheduled", "deferred", "finished", "failed", "canceled")

COUNTS = ("hf_crashes", "hf_failures")

#: How long a job must have been seen in no place: the default of HOLDFAST_ORPHANED_MS.
PATIENCE_MS = 60_000

READ = {
    "string": lambda redis, key: redis.get(key),
    "hash": lambda redis, key: redis.hgetall(key),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: redis.smembers(key),
    "zset": lambda redis, key: redis.zrange(key, 0, -1, withscores=True),
    "stream": lambda redis, key: redis.xrange(key),
}


class Worker:
    """One life of a worker, which numbers its operations. Pass `op` to send an earlier one again."""

    def __init__(self, pool, name):
        self.name = name
        self.instance = f"{next(pool.lives):016x}"
        self.moves = Moves(pool.scripts, pool.clock, pool.settings, Caller(name, self.instance))
        self.seen_fence = 0
        #: The number of its last operation.
        self.op = 0

    def _number(self, op):
        if op is None:
            self.op += 1
        return op or self.op

    def claim(self, *queues, op=None):
        """Ask for a job, and give the answer."""
        answer = self.moves.claim(self._number(op), queues or ("default",), seen_fence=self.seen_fence)
        return self._hear(answer)[0] if isinstance(answer, tuple) else answer

    def stand(self, *queues):
        """Have a claim stand, and give what makes it, as the server does when it calls."""
        trip = self.moves.begin_claim(
            self._number(None), queues or ("default",), seen_fence=self.seen_fence, listens=False, stands=True
        )
        return lambda: self._hear(read_claim(trip.answer()))

    def claim_some(self, want, *queues, op=None):
        """Ask for several, and give the answer."""
        number = self._number(op)
        self.op = max(self.op, number + want - 1)
        answer = self.moves.claim(number, queues or ("default",), seen_fence=self.seen_fence, want=want)
        return self._hear(answer)

    def turn(self, *held, want=1, queues=("default",), besides=0, op=None, value="", result_ttl=500):
        """Complete what is held, each a lease or a completion, and ask for the next."""
        number = self._number(op)
        self.op = max(self.op, number + want - 1)
        done = [self._as_done(each, value, result_ttl) for each in held]
        turned = self.moves.turn(number, done, queues, seen_fence=self.seen_fence, want=want, held=besides)
        self._hear(getattr(turned, "next", None))
        return turned

    @staticmethod
    def _as_done(held, value, result_ttl):
        return held if isinstance(held, Completion) else Completion(held, Stint(10, 12), value, result_ttl)

    def _hear(self, answer):
        if isinstance(answer, tuple):
            self.seen_fence = max(self.seen_fence, *(each.lease.fence for each in answer))
        return answer

    def hold(self, *queues):
        """Claim a job that must be there, and give its lease."""
        while isinstance(answer := self.claim(*queues), Aftermath):
            self.moves.end_aftermath(answer)
        assert isinstance(answer, Claimed), answer
        return answer.lease

    def hold_unheard(self, *queues):
        """Claim a job, and never hear the answer."""
        seen_fence = self.seen_fence
        lease = self.hold(*queues)
        self.seen_fence = seen_fence
        return lease

    def renew(self, held):
        return self.moves.renew(held, worked_s=1.5)

    def annotate(self, held, *fields):
        return self.moves.annotate(held, fields)

    def complete(self, held, *, op=None, value="", result_ttl=500, **repeat):
        return self.moves.complete(self._number(op), Completion(held, Stint(10, 12), value, result_ttl, **repeat))

    def postpone(self, held, *, op=None, delay_ms=0, at_front=False, error="boom", **more):
        stint, number = Stint(10, 12), self._number(op)
        return self.moves.postpone(held, number, stint, delay_ms=delay_ms, at_front=at_front, error=error, **more)

    def bury(self, held, *, op=None, cause="failures", error="boom", status="failed"):
        return self.moves.bury(held, self._number(op), Stint(10, 12), cause=cause, error=error, status=status)

    def give_back(self, held, *, op=None, begun=False, waited=False):
        return self.moves.give_back(held, self._number(op), begun=begun, waited=waited)

    def crash(self, held, *, op=None, cause="signal 9"):
        return self.moves.crash(held, self._number(op), cause=cause)


@dataclass(frozen=True)
class Fields:
    """The form of a job whose record a test has written."""

    fields: list

    @property
    def shape(self):
        return Shape((), tuple(self.fields[::2]))

    def own(self, _):
        return self.fields[1::2]


class Pool:
    """Everybody around one server, with a clock that moves when told to."""

    def __init__(self, redis, clock, *, settings=None, scripts=None):
        self.redis = redis
        self.clock = clock
        self.settings = settings or Settings()
        self.scripts = scripts or Scripts(redis)
        self.lives = count(1)
        self.entrance = Entrance(self.scripts)
        self._upkeep = Upkeep(self.scripts, clock, self.settings)
        # One for all queues: it names their enqueues, and two of one name would be one.
        self._rng = random.Random(7)

    def queue(self, name="default"):
        return Queue(name, self.redis, clock=self.clock, rng=self._rng, settings=self.settings)

    def stock_queue(self, name="default"):
        return rq.Queue(name, connection=self.redis)

    def enqueue(self, job_id="job-1", queue="default", **options):
        return self.queue(queue).enqueue("shop.fulfil", "A-1", job_id=job_id, **options)

    def batch(self, job_id, fields, **where):
        """Give a batch of one job with this record, for the entrance."""
        batch = Batch(form=Fields(fields), ttl=None, **where)
        batch.add(Job(job_id, self.redis), size=0, chosen_id=job_id)
        return batch

    def worker(self, name="w1"):
        return Worker(self, name)

    def reap(self, *, every_ms=0, **how):
        return self._upkeep.reclaim(every_ms=every_ms, **how)

    def promote(self, *, every_ms=0, **how):
        return self._upkeep.promote(every_ms=every_ms, **how)

    def rescue(self):
        """Look once through all records, and at what was suspected before."""
        return self._upkeep.rescue(every_ms=0, suspects=self.suspects())

    def rescue_in_time(self):
        """Look, and look again when what was in no place has been so for long enough; give what the second look did."""
        self.rescue()
        self.time_passes(PATIENCE_MS)
        return self.rescue()

    def suspects(self):
        return self._upkeep.suspects()

    def time_passes(self, ms):
        self.clock.advance(ms)

    def now_ms(self):
        seconds, microseconds = self.redis.time()
        return seconds * 1_000 + microseconds // 1_000

    def line(self, queue="default"):
        return [job_id.decode() for job_id in self.redis.lrange(keys.queue(queue), 0, -1)]

    def record(self, job_id="job-1"):
        """Give the job's record, decoded where it is text."""
        raw = self.redis.hgetall(keys.job(job_id))
        return {name.decode(): value.decode(errors="replace") for name, value in raw.items()}

    def journal(self, job_id="job-1"):
        """Give the moves of the journal that are still kept, as `move who detail`."""
        raw = self.redis.hgetall(keys.job(job_id))
        return [line.split(" ", 2)[2].strip() for line in records.journal(raw)]

    def everywhere(self):
        """Name the places of every job, as in `queue default`; once for each time it is there."""
        found = {}
        for family in PLACES:
            spelling = keys.FAMILIES[family]
            for key in self.redis.scan_iter(spelling("*")):
                place = f"{family} {key.decode().removeprefix(spelling(''))}"
                for entry in READ[spelling.kind](self.redis, key):
                    name = (entry[0] if spelling.kind == "zset" else entry).decode()
                    found.setdefault(name.split(":")[0], []).append(place)
        return found

    def places(self, job_id):
        return sorted(self.everywhere().get(job_id, []))

    def state(self, job_id, *names):
        """Give these facts about a job: fields of its record by their names, and some more.

        - place: where it is, as in `queue default`;
        - due_ms, deadline_ms: when, counted from its last move;
        - ttl_s: how long its record is kept, likewise; None for ever.
        """
        record = self.record(job_id)
        origin = record.get("origin", "default")
        moved_ms = int(record.get(f"hf_move_{int(record.get('hf_moves', 0)) % 16}", "0 0").split()[1])

        def since(moment_ms):
            return None if moment_ms is None else round(moment_ms - moved_ms)

        def fact(name):
            if name == "place":
                return " + ".join(self.places(job_id))
            if name == "due_ms":
                due_s = self.redis.zscore(keys.scheduled(origin), job_id)
                return since(due_s and due_s * 1_000)
            if name == "deadline_ms":
                leases = keys.leases(record.get("hf_lease_queue", origin))
                return since(self.redis.zscore(leases, f"{job_id}:{record.get('hf_lease')}"))
            if name == "ttl_s":
                return self.ttl_s(keys.job(job_id), since_ms=moved_ms)
            # A count that is not there is 0.
            return record.get(name, "0" if name in COUNTS else None)

        return {name: fact(name) for name in names}

    def ttl_s(self, key, *, since_ms):
        """Tell for how long a key was kept at that moment, in whole seconds; None for ever."""
        expires_ms = self.redis.pexpiretime(key)
        return None if expires_ms < 0 else round((expires_ms - since_ms) / 1_000)

    def snapshot(self, *askers):
        """Read everything there is, but for the replay slots of these workers, and which queues they listen at."""
        besides = {keys.replay(asker.instance).encode() for asker in askers} | {keys.leased().encode()}
        besides |= set(self.redis.keys(keys.listener("*")))
        there = sorted(key for key in self.redis.scan_iter(count=1_000) if key not in besides)
        kinds = self._of_each(there, lambda pipe, key: pipe.type(key))
        read = {key: READ[kind.decode()] for key, kind in zip(there, kinds, strict=True)}
        contents = self._of_each(there, lambda pipe, key: read[key](pipe, key))
        expiries = self._of_each(there, lambda pipe, key: pipe.pexpiretime(key))
        return dict(zip(there, zip(contents, expiries, strict=True), strict=True))

    def _of_each(self, there, ask):
        with self.redis.pipeline(transaction=False) as pipe:
            for key in there:
                ask(pipe, key)
            return pipe.execute()

    @contextmanager
    def nothing_changes(self, *askers):
        """Hold the code inside to changing no key, content or expiry, but for these workers' replay slots."""
        before = self.snapshot(*askers)
        yield
        assert self.snapshot(*askers) == before


class RealPool(Pool):
    """The same around a real server, whose clock cannot be moved: the moments it keeps are."""

    def _age_orphans(self, ms):
        for job_id, seen in self.redis.hgetall(keys.orphans()).items():
            since_ms, _, state = seen.decode().partition(" ")
            self.redis.hset(keys.orphans(), job_id, f"{int(since_ms) - ms} {state}")

    def time_passes(self, ms):
        for family, unit_ms in (("leases", 1), ("aftermath", 1), ("scheduled", 1_000), ("wip", 1_000)):
            for key in self.redis.keys(keys.FAMILIES[family]("*")):
                for entry, moment in self.redis.zrange(key, 0, -1, withscores=True):
                    self.redis.zadd(key, {entry: moment - ms / unit_ms})
        moments = [(key, ["hf_next_run_ms"]) for key in self._records()]
        for key, names in [*moments, (keys.reaper(), ["pass_ms", "grace_until_ms"])]:
            for name in names:
                if self.redis.hexists(key, name):
                    self.redis.hincrby(key, name, -ms)
        for key in self.redis.scan_iter(keys.turn("*")):
            self.redis.decrby(key, ms)
        self._age_orphans(ms)
        for key in self.redis.scan_iter():
            if (left_ms := self.redis.pttl(key)) >= 0:
                self.redis.pexpire(key, left_ms - ms)

    def _records(self):
        return [key for key in self.redis.keys(keys.job("*")) if self.redis.type(key) == b"hash"]
