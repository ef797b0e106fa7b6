"""A horse that does what a test tells it to, through the shipped turns, and may die at each word it says."""

from collections import deque

from holdfast.jobs.lease import Lease
from holdfast.jobs.store.connections import Courier, Line
from holdfast.jobs.store.work import Stint
from holdfast.workers.ends import End
from holdfast.workers.groom import HOSTAGE_MS
from holdfast.workers.hold import Patience
from holdfast.workers.messages import LOOK
from holdfast.workers.pace import Pace
from holdfast.workers.runtime import Ending
from holdfast.workers.turns import Lane, Task, Turns


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
        self.orders = deque()
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
        self.orders.extend(messages)

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
            while self.orders and self.orders[0][0] == LOOK:
                self.turns.look_for_one(*self.orders.popleft()[1:])
            for order in self.orders:
                self.turns.given(order[1])
            self.turns.go_on(behind=len(self.orders))
            if self.orders:
                _, number, lease, record = self.orders.popleft()
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
        end = End(kind, words, Stint(now - 0.001, now), awaits_word)
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
