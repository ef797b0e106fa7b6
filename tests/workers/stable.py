"""A worker's parent and its horses in one process, a step at a time: the shipped engine and turns, on a fake server."""

import random
from collections import Counter

from holdfast.jobs import events
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.workers.ears import Heard
from holdfast.workers.engine import Engine, Limits
from holdfast.workers.order import Order
from holdfast.workers.shared_memory import Board
from holdfast.workers.turns import lanes_of
from tests.moves.pool import Pool
from tests.workers.stable_horse import Horse

_FAR = 2**62
#: Jobs, in the order of their line.
NAMES = "abcdefghijklmnopqrst"


class _Quiet:
    """Stands for ears, keeper and face."""

    def __init__(self, clock):
        self._clock = clock
        self.commands = []

    def hear(self, until_ms, horse):
        del horse
        # A wait is over after a while; in between it is for the test to say what happens.
        self._clock.advance(max(0, min(until_ms - self._clock.boot_ms(), 5)))
        commands, self.commands = tuple(self.commands), []
        return Heard(bell=True, commands=commands)

    def wait_for_bell(self, listens_at, claim):
        pass

    def run_due(self, at_most=None):
        return 0

    def due_ms(self):
        return _FAR

    def beat(self, now_ms):
        del now_ms
        return _FAR

    def busy(self):
        pass

    idle = suspended = busy


class Stable:
    """One worker's life."""

    def __init__(self, redis, clock, *job_ids, most=None, **settings):
        self.redis, self.clock = redis, clock
        self.settings = Settings(**({"prefetch": 8} | settings))
        self.pool = Pool(redis, clock, settings=self.settings)
        self.rng = random.Random(7)
        self.ran, self.told = Counter(), []
        self.tell = events.Events(self.told.append)
        self.board = Board()
        self.horse_callers = [Caller("ours", letter * 16) for letter in "bc"[: lanes_of(self.settings)]]
        self.horses = []
        quiet = self.ears = _Quiet(clock)
        self.engine = Engine(
            moves=self.moves(Caller("ours", "a" * 16)),
            horse_moves=list(map(self.moves, self.horse_callers)),
            courier=Courier(redis, clock, self.rng),
            settings=self.settings,
            clock=clock,
            runtime=self,
            ears=quiet,
            keeper=quiet,
            board=self.board,
            order=Order(["default"], "default", self.rng),
            tell=self.tell,
            face=quiet,
            rng=self.rng,
            serve=lambda _: 0,
        )
        self.engine._limits = Limits(max_jobs=most)
        self.mount = self.engine._mount
        self.line(*job_ids)
        self.step()

    def moves(self, caller, line=None):
        return Moves(Scripts(self.redis, line=line), self.clock, self.settings, caller)

    def start_horse(self, _):
        self.horses.append(Horse(self))
        return self.horses[-1]

    @property
    def horse(self):
        return self.mount.horse

    def line(self, *job_ids):
        """Put jobs in line."""
        for job_id in job_ids:
            self.pool.enqueue(str(job_id))

    def step(self, times=1):
        """Let the parent do one round of its loop: it hears its horse, settles, hands; or claims."""
        for _ in range(times):
            if self.mount.is_busy:
                self.engine._tend(_FAR, 0)
            else:
                self.engine._look_for_a_job(0, _FAR)

    def run_all(self, most=200):
        """Let both go on until nothing is left to do."""
        for _ in range(most):
            self.step()
            ran = self.horse.run(1) if self.horse is not None else []
            is_idle = self.mount.errand.is_looking or not self.mount.is_busy
            if is_idle and not ran and not self.pool.line():
                self.step()
                return
        raise AssertionError(f"never done: {self.pool.everywhere()} {self.mount.holds}")

    def run_with_nobody_hurt(self):
        """Let the parent do no more than listen, until all is done; give what ran, in that order."""
        ran = []
        while self.pool.line() or self.mount.is_at_work:
            ran += self.horse.run()
            self.step()
        return ran

    def runs_at_most(self, most):
        """Go on for long: so many of the first in line were run, and no more."""
        for _ in range(40):
            self.horse.run()
            if self.mount.is_busy:
                self.step()
        assert self.engine._done == most
        assert self.pool.line() == [*NAMES[most:]]

    def takes_back_behind(self, task):
        """Be slow at that job: what was taken in advance is back in its order, and that one alone is held."""
        self.step()
        self.clock.advance(60)
        self.step()
        assert self.pool.everywhere()[task.lease.job_id] == ["leases default"]
        assert self.redis.zcard(keys.leases("default")) == 1
        assert self.pool.line() == [name for name in NAMES if name > task.lease.job_id]

    def stops_at(self, task):
        """Be asked to stop at that job: what was taken in advance is back in its order, and nothing more is begun."""
        self.engine.ask_to_stop()
        self.step(2)
        self.horse.end(task)
        assert self.horse.begin() is None
        self.step(2)
        assert self.pool.line() == [name for name in NAMES if name > task.lease.job_id]
        assert self.redis.zcard(keys.leases("default")) == 0

    def statuses(self):
        """Count all jobs by status."""
        return dict(Counter(self.redis.hget(key, "status").decode() for key in self.redis.keys("rq:job:*")))

    def turn_under_way(self):
        """Let it run until a turn is sent that is not answered; give the job that it runs meanwhile."""
        while True:
            task = self.horse.begin()
            if self.horse.words().count("turn") > self.horse.words().count("took"):
                return task
            self.horse.end(task)

    def fence_of(self, job_id):
        """Give the fence under which a job was claimed last."""
        return int(self.redis.hget(keys.job(job_id), "hf_fence"))

    def refusals(self):
        return [event for event in self.told if isinstance(event, events.Refused)]

    def crashes(self):
        """Count what jobs were charged."""
        jobs = {
            key.decode().rpartition(":")[2]: self.redis.hget(key, "hf_crashes") for key in self.redis.keys("rq:job:*")
        }
        return Counter({job_id: int(count) for job_id, count in jobs.items() if int(count or 0)})

    def ends_well(self, *, twice="", charged=""):
        """Go on to the end: every job is finished, ran once but for these, and nobody is charged but those."""
        self.run_all()
        assert self.statuses() == {"finished": len(NAMES)}
        assert self.ran == Counter(NAMES) + Counter(twice)
        assert self.crashes() == Counter(charged)
        assert not self.refusals()
        assert self.redis.zcard(keys.leases("default")) == 0
