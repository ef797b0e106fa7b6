"""A horse looks out for an answer before it sleeps: not for longer than it may, and not where others need the core."""

import os
from itertools import repeat
from pathlib import Path

import pytest

from holdfast.jobs.store.connections import Line
from holdfast.workers.lookout import Lookout


class Core:
    """A core of which each look takes 10 us, and on which an answer comes after so many looks."""

    def __init__(self, looks, *, spin_us=500):
        self.looks, self.given_way, self.now_us, self.seen = looks, 0, 0, 0
        #: How long others keep the core each time that it is offered to them, in us.
        self.away_us = repeat(0)
        self.lookout = Lookout(
            self.has_answer, spin_us=spin_us, now_s=lambda: self.now_us / 1e6, give_way=self.give_way
        )

    def has_answer(self):
        self.now_us += 10
        self.seen += 1
        return self.seen > self.looks

    def give_way(self):
        self.given_way += 1
        self.now_us += next(self.away_us)

    def wait(self):
        """Wait once, for an answer that comes as late as before; give how many looks that took."""
        self.seen = 0
        self.lookout()
        return self.seen


def test_an_answer_that_is_there_is_not_waited_for():
    """The most common case behind a quick server is one look."""
    core = Core(looks=0)
    assert (core.wait(), core.given_way) == (1, 0)


def test_the_core_is_offered_to_others_at_each_look():
    """Its parent, another worker, the server itself may be waiting for it."""
    core = Core(looks=7)
    assert (core.wait(), core.given_way) == (8, 7)


def test_it_gives_up_after_its_time():
    """A server that is far away is slept for."""
    core = Core(looks=10_000)
    assert 45 <= core.wait() <= 55


def test_who_took_the_core_needed_it():
    """LIV-03: from then on it is slept, and not only because the time is up."""
    core = Core(looks=10_000)
    core.away_us = iter([0, 0, 150, 0])
    assert core.wait() == 4


def test_it_is_tried_less_and_less_often_where_it_does_not_pay():
    """A processor that is burnt for nothing is burnt once in 65 waits, in the end."""
    core = Core(looks=10_000)
    tried = [bool(core.wait()) for _ in range(300)]
    rests = "".join("01"[each] for each in tried).split("1")[1:]
    assert [len(each) for each in rests[:8]] == [1, 2, 4, 8, 16, 32, 64, 64]


def test_it_is_tried_each_time_again_once_it_has_paid():
    """A slow moment of the server costs a few waits, no more."""
    core = Core(looks=10_000)
    for _ in range(4):
        core.wait()
    core.looks = 3
    while not core.wait():
        pass
    core.looks = 10_000
    assert [bool(core.wait()) for _ in range(4)] == [True, False, True, False]


def test_a_worker_that_may_not_spin_sleeps_at_once():
    """HOLDFAST_SPIN_US=0."""
    core = Core(looks=3, spin_us=0)
    assert (core.wait(), core.given_way) == (1, 0)


@pytest.mark.parametrize("is_new", [True, False], ids=["a new line", "after a broken one"])
def test_a_line_tells_whether_there_is_something_to_read(redis, wait_until, is_new):
    """Without waiting; and it watches the connection that it has now."""
    line = Line(redis)
    assert line.has_answer()  # there is nothing to wait for
    if not is_new:
        line.send("BLPOP", "never", 0)
        assert not line.has_answer()
        line.hang_up()
    with Path(os.devnull).open():  # takes the number that the broken one had
        line.send("BLPOP", "bell", 0)
    assert not line.has_answer()
    redis.rpush("bell", "1")
    wait_until(line.has_answer)
    assert line.read() == [b"bell", b"1"]
    assert not line.has_answer()
    line.hang_up()
