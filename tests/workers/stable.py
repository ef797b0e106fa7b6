"""A worker's parent and its horses in one process, a step at a time: the shipped engine and turns, on a fake server."""

import random
from collections import Counter, deque

from holdfast.jobs import events
from holdfast.jobs.lease import Lease
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Courier, Line
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.work import Spell
from holdfast.workers.ears import Heard
from holdfast.workers.ends import End
from holdfast.workers.engine import Engine, Limits
from holdfast.workers.groom import HOSTAGE_MS
from holdfast.workers.hold import Patience
from holdfast.workers.horse import LOOK
from holdfast.workers.order import Order
from holdfast.workers.pace import Pace
from holdfast.workers.runtime import Ending
from holdfast.workers.shared_memory import Board
from holdfast.workers.turns import Lane, Task, Turns, lanes_of
from tests.moves.pool import Pool

_FAR = 2**62
#: Jobs, in the order of their line.
NAMES = "abcdefghijklmnopqrst"


class Dead(BaseException):
    """Ends a horse where it stands, as SIGKILL does."""


class Bit:
    """The horse's end of the reins. `before` and `after` are called with each message, and may raise Dead."""

    def __init__(self):
        self.is_alone = False
        #: All that was ever said.
        self.said = []
        #: And of that, what was to wake nobody.
        self.whispered = []
        self.unheard = []
        self.before = self.after = lambda _: None

    def say(self, message, *, is_urgent=True):
        del is_urgent
        self.before(message)
        self.said.append(message)
        self.unheard.append(message)
        self.after(message)

    def whisper(self, message):
        self.whispered.append(message)
        self.say(message)


class Horse:
    """A horse as its parent sees it, and what it does, as told: `run` is one round of its loop."""

    pid = 4711

    def __init__(self, stable):
        self._stable = stable
        self.bit = Bit()
        self._orders = deque()
        self._ending = None
        self.freezes = 0
        self.turns = Turns(
            bit=self.bit,
            board=stable.board,
            lanes=list(map(self._lane, stable.horse_callers)),
            clock=stable.clock,
            queues=["default"],
            pace=Pace(stable.settings.prefetch, HOSTAGE_MS),
            hold_ms=Patience(stable.settings).hold_ms,
            tell=stable.tell,
            watch=self,
        )

    def _lane(self, caller):
        stable, line = self._stable, Line(self._stable.redis)
        return Lane(stable.moves(caller, line), Courier(stable.redis, stable.clock, stable.rng, line=line))

    # -- as its parent sees it

    def say(self, *messages):
        self._orders.extend(messages)

    def heard(self):
        heard, self.bit.unheard = self.bit.unheard, []
        return heard

    def ended(self):
        return self._ending

    def freeze(self):
        self.freezes += 1

    def thaw(self):
        pass

    def kill(self):
        self._ending = Ending(None, 9)
        return self._ending

    # -- what it does

    def begin(self):
        """Do what is due before the next job, and begin it; give None where there is none."""
        while True:
            while self._orders and self._orders[0][0] == LOOK:
                self.turns.look_for_one(*self._orders.popleft()[1:])
            for order in self._orders:
                self.turns.given(order[1])
            self.turns.go_on(behind=len(self._orders))
            if self._orders:
                _, number, lease, record = self._orders.popleft()
                task = Task(number, Lease(*lease), record)
            elif (task := self.turns.pop()) is None:
                return None
            if self._stable.board.begin(task.number, task.stop_by_ms):
                self._stable.ran[task.lease.job_id] += 1
                return task

    #: What comes while it stands at its bell, one after the other: each is given the claim that stands, and gives what
    #: is heard of it.
    calls = ()
    claimed = None

    def is_called(self, listens_at, claim, bit):
        """Tell whether it is called; when nothing more comes it stands there still, as far as its parent knows."""
        del listens_at, bit
        if not self.calls:
            return False
        call, *self.calls = self.calls
        self.claimed = call(claim)
        return True

    def end(self, task, kind="complete", *, awaits_word=False):
        """Be done with a job; with a webhook to be sent for it, if it awaits a word."""
        now = self._stable.clock.wall_s()
        words = {"value": "", "result_ttl": 500} if kind == "complete" else {"cause": "failures", "error": "boom"}
        end = End(kind, words, Spell(now - 0.001, now), awaits_word)
        if kind == "complete" and not awaits_word and self.turns.may_keep():
            self.turns.keep(task, end)
            return
        self.turns.say_kept()
        self.bit.say(("ended", task.number, end.said(), False))
        self._stable.board.end(task.number)

    def run(self, most=1):
        """Run so many, or as many as there are; give which."""
        ran = []
        while len(ran) < most and (task := self.begin()) is not None:
            ran.append(task.lease.job_id)
            self.end(task)
        return ran

    def dies(self, deed, *, before=None, after=None):
        """Do that, and die when this word is said: just before it, or just after."""

        def falls(word):
            def at(message):
                if message[0] == word:
                    raise Dead

            return at

        self.bit.before, self.bit.after = falls(before), falls(after)
        try:
            deed()
        except Dead:
            pass
        else:
            raise AssertionError(f"it said no {before or after}: {self.words()}")
        self.kill()

    def words(self):
        """Give what it has said, without what it said it of."""
        return [message[0] for message in self.bit.said]


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
