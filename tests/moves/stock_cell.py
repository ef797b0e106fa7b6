"""One job in one of our states, with all who have to do with it; driven to its end, and judged."""

from collections import Counter
from datetime import timedelta

from rq.job import Job, Retry

from holdfast.jobs.clock import SystemClock
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Again, Claimed, Fenced, Lost, Renewed
from holdfast.jobs.store.upkeep import Upkeep
from tests.moves.pool import RealPool

ID = "job-1"
DO = "builtins.len"
LEASE_AND_MORE_MS = 11_000
GRACE_AND_MORE_MS = 6_000
#: What a holder is told whose lease is over.
REFUSALS = (Fenced, Lost)
#: Where a job stands that has ended so.
REGISTRY = {"finished": "finished", "failed": "failed", "stopped": "failed", "canceled": "canceled"}
LIVING = {"queue", "leases", "scheduled"}
#: Families of keys of which there is none when nothing moves any more.
LEAVES = ("queue", "leases", "scheduled", "wip", "execution", "executions")


def in_line(cell):
    cell.enqueue()


def running(cell):
    cell.enqueue()
    cell.hold()


def due_later(cell):
    cell.ours.enqueue_in(timedelta(seconds=5), DO, "A-1", job_id=ID)


def to_be_retried(cell):
    cell.enqueue(retry=Retry(max=2, interval=5))
    cell.hold()
    cell.settle(ID, "postpone", delay_ms=5_000, used=["retries_left", 1])


def waiting(cell):
    cell.pool.queue("other").enqueue(DO, "A-1", job_id="parent")
    cell.enqueue(depends_on="parent")


def dead(cell):
    cell.enqueue()
    cell.hold()
    cell.settle(ID, "bury")


def finished(cell):
    cell.enqueue()
    cell.hold()
    cell.settle(ID, "complete")


def canceled(cell):
    cell.enqueue()
    cell.job().cancel()


#: How a job comes into each state, how often it then still begins, and how it ends, if nobody interferes.
STATES = {
    "in line": (in_line, 1, "finished"),
    "running": (running, 0, "finished"),
    "due later": (due_later, 1, "finished"),
    "to be retried": (to_be_retried, 1, "finished"),
    "waits for another": (waiting, 1, "finished"),
    "dead": (dead, 0, "failed"),
    "finished": (finished, 0, "finished"),
    "canceled": (canceled, 0, "canceled"),
}

#: What becomes of the attempt that is going on. A dead worker says nothing. At once: before anybody asks for a job.
WAYS = {
    "completes": lambda worker, lease: worker.complete(lease),
    "completes at once": lambda worker, lease: worker.complete(lease),
    "fails": lambda worker, lease: worker.postpone(lease, delay_ms=1_000, used=["retries_left", 0]),
    "gives back at once": lambda worker, lease: worker.give_back(lease),
    "dies": None,
}


class Cell:
    """A job in a state, and the bodies that run: which job, by whom, under which lease."""

    def __init__(self, redis, state, *, has_child=False):
        # What is seen twice in no place is put back, however soon: no test waits a minute.
        pool = RealPool(redis, SystemClock(), settings=Settings(orphaned_ms=0))
        self.pool = pool
        self.redis = redis
        self.upkeep = Upkeep(pool.scripts, pool.clock, pool.settings)
        self.ours = pool.queue()
        self.stock = pool.stock_queue()
        self.bodies = {}
        self.began = Counter()
        put, _, _ = STATES[state]
        put(self)
        if has_child:
            self.stock.enqueue(DO, "A-1", job_id="child", depends_on=ID)
        #: Whether the body that is going on was told that its lease is over; None: it was not asked.
        self.is_cut_off = None
        #: Who works on the job at the moment of the write, if anybody does.
        self.holder = self.bodies.get(ID)

    def enqueue(self, **options):
        return self.ours.enqueue(DO, "A-1", job_id=ID, **options)

    def job(self):
        return Job.fetch(ID, connection=self.redis)

    def hold(self):
        worker = self.pool.worker("holder")
        self.bodies[ID] = worker, worker.hold()

    def settle(self, job_id, move, **how):
        """End a body by its own holder's word."""
        worker, lease = self.bodies.pop(job_id)
        getattr(worker, move)(lease, **how)

    def all_idle_workers_ask(self):
        """Let one after another take what it is given; none ends meanwhile."""
        while True:
            worker = self.pool.worker(f"w{self.began.total()}")
            answer = worker.claim("default", "other")
            if isinstance(answer, Again):
                continue
            if not isinstance(answer, Claimed):
                break
            job_id = answer.lease.job_id
            assert job_id not in self.bodies, f"two bodies of {job_id} at once"
            self.bodies[job_id] = worker, answer.lease
            self.began[job_id] += 1

    def the_holder_hears(self, way):
        """Let it renew, as it does all the time, and then end as it would; unless it was told that it lost the job."""
        worker, lease = self.bodies[ID]
        settle = WAYS[way]
        if settle and "at once" in way:
            self.is_cut_off = isinstance(settle(worker, lease), REFUSALS)
        elif settle:
            self.is_cut_off = not isinstance(worker.renew(lease), Renewed)
            self.all_idle_workers_ask()
            if not self.is_cut_off:
                settle(worker, lease)
        del self.bodies[ID]

    def time_passes(self):
        """Let leases run out, outages be over and what waits come due; the fleet does its chores."""
        for ms in (LEASE_AND_MORE_MS, GRACE_AND_MORE_MS):
            self.pool.time_passes(ms)
            self.pool.reap()
            self.upkeep.rescue(every_ms=0, suspects=self.upkeep.suspects())
        self.pool.promote()
        lines = self.pool.line("default") + self.pool.line("other")
        assert len(lines) == len(set(lines)), f"twice in line: {lines}"

    def drive_to_the_end(self, way):
        if "at once" not in (way or ""):
            # Before the holder has heard of anything: here a second body would begin.
            self.all_idle_workers_ask()
        if self.holder and self.bodies.get(ID) is self.holder:
            self.the_holder_hears(way)
        for _ in range(4):
            self.all_idle_workers_ask()
            for job_id in list(self.bodies):
                self.settle(job_id, "complete")
            self.time_passes()

    def status(self, job_id=ID):
        status = self.redis.hget(keys.job(job_id), "status")
        return status and status.decode()

    def judge(self, *, runs, ends, queue="default", cut_off=False, says=None):
        """See that the job came to this end, stands in its place and in no other, and left nothing behind."""
        assert self.is_cut_off in {None, cut_off}
        assert self.began[ID] == runs, f"{self.began[ID]} bodies began, not {runs}"
        assert self.status() == (says or ends)
        # What RQ says of an earlier end in another queue is RQ's to keep.
        places = [place for place in self.pool.places(ID) if place.endswith(f" {queue}") or place.split()[0] in LIVING]
        assert places == ([f"{REGISTRY[ends]} {queue}"] if ends else [])
        left = [keys.FAMILIES[family].spelling.replace("{}", "*") for family in LEAVES]
        assert [key for pattern in left for key in self.redis.scan_iter(pattern)] == []
