"""The plain case of a claim and of a turn: what is done in a few words is what the whole move does."""

import random
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import Phase

from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.work import Completion, Stint
from tests.conftest import make_fake
from tests.moves.machine import run
from tests.moves.pool import READ
from tests.moves.twists import ENDED, NEXT, TWISTS

MOVES = ("claim", "turn")
PLAIN = re.compile(r"^local plain_answer = .*\n(?:.*\n){2}end\n", re.MULTILINE)


def only_plain(text):
    """Cut off what comes after the plain case: it answers nothing, then."""
    return text[: PLAIN.search(text).end()]


def never_plain(text):
    """Let nothing be plain."""
    return PLAIN.sub("", text, count=1)


def state_of(redis):
    """Give all that a server knows, but for what was to be forgotten by now: that goes by and by."""
    now_s = int(redis.time()[0])
    state = {}
    for key in redis.scan_iter():
        value, ttl_ms = READ[redis.type(key).decode()](redis, key), redis.pttl(key)
        if key.startswith(keys.finished("").encode()):
            value = [(job_id, score) for job_id, score in value if score > now_s]
        if value:
            state[key] = (value, ttl_ms)
    return state


class Compared(Scripts):
    """Makes claims and turns on copies of the server first: in the plain way alone, and in the whole way."""

    def __init__(self, redis):
        super().__init__(redis)
        self.ways = {}
        for name, cut in (("plain", only_plain), ("whole", never_plain)):
            scripts = Scripts(make_fake(), record=True)  # in the same order, too
            edited = {move: replace(scripts._scripts[move], text=cut(scripts._scripts[move].text)) for move in MOVES}
            scripts._scripts = {**scripts._scripts, **edited}
            self.ways[name] = scripts
        #: How often it was plain, and how often it was not.
        self.times = (Counter(), Counter())

    def trip(self, move, **named):
        trip = super().trip(move, **named)
        if move in MOVES:
            make = trip.answer
            trip.answer = lambda: self._compare(move, named) or make()
        return trip

    def _compare(self, move, named):
        before = state_of(self.redis)
        plain = self._made(self.ways["plain"], move, named)
        if plain is None:
            assert state_of(self.ways["plain"].redis) == before, f"{move} looked, and changed something"
            self.times[1][move] += 1
            return
        assert plain == self._made(self.ways["whole"], move, named), f"{move} is answered otherwise"
        seen = [state_of(scripts.redis) for scripts in self.ways.values()]
        assert seen[0] == seen[1], f"{move} leaves something else"
        self.times[0][move] += 1

    def _made(self, scripts, move, named):
        copy = scripts.redis
        copy.flushall()
        for key in self.redis.scan_iter():
            copy.restore(key, max(0, self.redis.pttl(key)), self.redis.dump(key))
        return scripts.trip(move, **named).answer()


class Scene:
    """A worker with one job in hand and one in line."""

    def __init__(self, new_pool, *twists):
        self.how = {}
        self._opened = ExitStack()
        self.pool = self._opened.enter_context(new_pool(Compared))
        self.worker = self.pool.worker()
        self.pool.enqueue(ENDED)
        self.held = self.worker.hold()
        self.pool.enqueue(NEXT)
        for twist in twists:
            twist(self)
        self.pool.settings = replace(self.pool.settings, crashes=self.how.pop("crashes", 1))
        self.worker.moves = Moves(self.pool.scripts, self.pool.clock, self.pool.settings, self.worker.moves.caller)

    def turn(self):
        """Make a turn, and tell whether it was plain."""
        ends = {
            name: self.how.pop(name)
            for name in ("value", "result_ttl", "repeat_ms", "repeats_left")
            if name in self.how
        }
        self.how.pop("listens", None)
        done = Completion(self.held, Stint(10, 12), **{"value": "", "result_ttl": 500} | ends)
        return self._tell("turn", lambda: self.worker.turn(done, **self.how))

    def claim(self):
        """Make a claim, and tell whether it was plain."""
        worker, asked = self.worker, {"want": self.how.get("want") or 1, "listens": self.how.get("listens", False)}
        op = self.how.get("op") or worker.op + 1
        queues, seen_fence = self.how.get("queues", ("default",)), worker.seen_fence
        return self._tell("claim", lambda: worker.moves.claim(op, queues, seen_fence=seen_fence, **asked))

    def _tell(self, move, make):
        plain, whole = self.pool.scripts.times
        before = plain[move], whole[move]
        with self._opened:
            make()
        is_plain, is_whole = plain[move] - before[0], whole[move] - before[1]
        assert is_plain + is_whole == 1
        return bool(is_plain)


@pytest.mark.parametrize("name", TWISTS)
def test_a_turn_is_plain_where_there_is_nothing_to_decide(new_pool, name):
    """What most jobs have is plain, what somebody must look at is not; and it is done as the whole move does it."""
    twist, is_plain = TWISTS[name]
    assert Scene(new_pool, twist).turn() == is_plain


@pytest.mark.parametrize("name", [name for name in TWISTS if not name.startswith("the ended")])
def test_a_claim_is_plain_where_there_is_nothing_to_decide(new_pool, name):
    """So it is, and of several wanted it takes the only one."""
    twist, is_plain = TWISTS[name]
    assert Scene(new_pool, twist).claim() == is_plain


def test_several_things_at_once_are_decided_as_the_whole_move_does(new_pool):
    """INV-02, INV-04, INV-06, INV-10: two or three of them, drawn."""
    rng, plain = random.Random(5), Counter()
    for _ in range(250):
        twists = [twist for twist, _ in rng.sample(list(TWISTS.values()), rng.choice([2, 2, 3]))]
        plain[Scene(new_pool, *twists).turn()] += 1
        plain[Scene(new_pool, *twists).claim()] += 1
    assert min(plain[True], plain[False]) > 50, plain


def test_what_is_to_be_forgotten_goes_by_and_by_in_plain_turns_too(pool):
    """Two for each that comes, as in the whole move, but some turns do it for others: it does not pile up."""
    worker = pool.worker()
    pool.redis.zadd(keys.finished("default"), {f"old-{number}": 1 for number in range(40)})
    for number in range(25):
        pool.enqueue(f"job-{number}")
    held = worker.hold()
    for _ in range(24):
        (taken,) = worker.turn(held).next
        held = taken.lease
    assert not pool.redis.zcount(keys.finished("default"), 0, 1)
    assert pool.redis.zcard(keys.finished("default")) == 24


@pytest.mark.timeout(600)
def test_the_plain_case_leaves_what_the_whole_move_leaves(new_pool):
    """INV-02, INV-04, INV-06, INV-10: every key, whatever came before; and a look changes nothing."""
    made = []

    def make(redis):
        made.append(Compared(redis))
        return made[-1]

    run(lambda: new_pool(make), phases=[Phase.generate])
    plain, whole = (sum(sum(times.values()) for times in each) for each in zip(*(s.times for s in made), strict=True))
    assert plain, "nothing was plain, and nothing compared"
    assert whole, "nothing was refused"
