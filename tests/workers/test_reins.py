"""What parent and horse say to each other arrives whole and in its order, or not at all."""

import os
import select
import signal
import struct
import time

import pytest

from holdfast.workers.reins import pair
from holdfast.workers.shared_memory import Board

#: From nothing to far more than a pipe holds, small ones between the big.
SIZES = [0, 1, 4_000, 3, 5_000, 70_000, 1, 900_000, 2, 3_000_000, 1, 1, 65_528, 65_536, 4_096, 0] * 2


@pytest.fixture
def horse():
    """Give a function that forks one which does this with its bit, and gives the parent's reins and its pid."""
    started = []

    def start(deed, most_unheard=1):
        reins, bit = pair(most_unheard, time.monotonic)
        if (pid := os.fork()) == 0:
            try:
                reins.close()
                deed(bit)
            finally:
                os._exit(0)
        bit.close()
        started.append((reins, pid))
        return reins, pid

    yield start
    for reins, pid in started:
        reins.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def echo(bit):
    while (message := bit.wait()) is not None:
        bit.say(("back", *message[1:]))


def hear(reins, count, within=20):
    """Wait as a parent does, by what `files` names alone; give what was heard."""
    heard, until = [], time.monotonic() + within
    while len(heard) < count:
        poll = select.poll()
        for file, also_to_write in reins.files().items():
            poll.register(file, select.POLLIN | (select.POLLOUT if also_to_write else 0))
        assert poll.poll(1_000 * max(0, until - time.monotonic())), f"nothing more after {len(heard)} of {count}"
        reins.go_on()
        heard += reins.heard()
    return heard


@pytest.mark.parametrize("most_unheard", [1, 4, 8])
@pytest.mark.parametrize("at_once", [True, False], ids=["all at once", "one by one"])
def test_messages_of_any_size_arrive_whole_and_in_their_order(horse, most_unheard, at_once):
    """Both ways, also while the other side is still writing: none waits for the other for ever."""
    reins, _ = horse(echo, most_unheard)
    messages = [("there", number, bytes([number]) * size) for number, size in enumerate(SIZES)]
    if at_once:
        reins.say(*messages)
        heard = hear(reins, len(messages))
    else:
        heard = []
        for message in messages:
            reins.say(message)
            heard += hear(reins, 1)
    assert heard == [("back", *rest) for _, *rest in messages]


def test_plain_values_come_as_they_went(horse):
    """A record is a map of bytes; ends have numbers, texts, None and truth values in them."""
    reins, _ = horse(echo)
    value = {b"data": b"\x00\xff", "nested": [1, -2.5, None, True, ("a", "\u00e9")], "big": 2**60}
    reins.say(("there", value))
    assert hear(reins, 1) == [("back", value)]


def test_who_has_more_to_do_does_not_wake_its_parent_for_each_word(horse):
    """The bell rings for so many messages, or when there is nothing more to do; what was said can be heard before."""

    def say_three_then_one(bit):
        for number in range(3):
            bit.say(("said", number))
        bit.wait()
        bit.say(("said", 3))
        time.sleep(60)

    reins, _ = horse(say_three_then_one, most_unheard=4)
    assert hear(reins, 3) == [("said", 0), ("said", 1), ("said", 2)]  # it waits: nothing more to do
    reins.say(("go",))
    heard, until = [], time.monotonic() + 5
    while not heard and time.monotonic() < until:
        time.sleep(0.01)
        heard = reins.heard()
    assert heard == [("said", 3)]
    assert not select.select(list(reins.files()), [], [], 0)[0]


def test_a_whisper_wakes_nobody_and_can_be_heard(horse):
    """A horse that stands at its bell says what it asks and what it takes: its parent looks by itself in a while."""
    whispered, tell = os.pipe()

    def whisper_and_work(bit):
        bit.whisper(("look", 1))
        os.write(tell, b".")
        time.sleep(60)

    reins, _ = horse(whisper_and_work, most_unheard=4)
    assert os.read(whispered, 1) == b"."
    os.close(whispered)
    os.close(tell)
    assert not select.select(list(reins.files()), [], [], 0.3)[0]
    assert reins.heard() == [("look", 1)]


def test_so_many_words_wake_the_parent_although_there_is_more_to_do(horse):
    """So that what is done is settled in time."""

    def say_four_and_work(bit):
        for number in range(4):
            bit.say(("said", number))
        time.sleep(60)

    reins, _ = horse(say_four_and_work, most_unheard=4)
    assert [number for _, number in hear(reins, 4, within=5)] == [0, 1, 2, 3]


def test_what_was_said_before_a_death_is_heard_after_it(horse):
    """A horse that is killed has ended what it said it ended: nobody is to run that again."""

    def say_and_die(bit):
        for number in range(3):
            bit.say(("ended", number))
        os.kill(os.getpid(), signal.SIGKILL)

    reins, pid = horse(say_and_die, most_unheard=100)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert reins.heard() == [("ended", 0), ("ended", 1), ("ended", 2)]
    assert reins.heard() == []


@pytest.mark.parametrize("cut_at", [1, 7, 8, 9, 5_000])
def test_a_message_that_a_death_cut_short_is_none(horse, cut_at):
    """Not a shorter one, and not an error: what came whole before it counts."""

    def say_half(bit):
        bit.say(("whole", 1))
        bit._said_to.write((struct.pack("=Q", 6_000) + b"x" * 6_000)[:cut_at])
        os.kill(os.getpid(), signal.SIGKILL)

    reins, pid = horse(say_half, most_unheard=1)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert reins.heard() == [("whole", 1)]
    assert reins.heard() == []


@pytest.mark.parametrize("most_unheard", [1, 4])
def test_a_horse_without_a_parent_hears_that_and_may_go_on_talking(most_unheard):
    """None, at once: it is to end. What it says then reaches nobody, and breaks nothing."""
    reins, bit = pair(most_unheard, time.monotonic)
    reins.close()
    bit.say(("ended", 1))
    assert bit.wait() is None
    bit.say(("ended", 2))
    bit.close()


def test_what_is_said_to_a_dead_horse_is_dropped(horse):
    """Its end is found elsewhere; the parent neither fails nor waits for it to listen."""
    reins, pid = horse(lambda _: None)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    for _ in range(3):
        reins.say(("run", b"x" * 300_000))
    reins.go_on()
    assert set(reins.files().values()) == {False}


@pytest.mark.parametrize("size", [1, 100, 1_000, 4_000, 4_060, 30_000])
def test_who_speaks_without_end_is_never_held_up_if_its_parent_listens_when_it_is_told_to(size):
    """What is said between two strokes of the bell fits into a pipe, so no job waits for the parent of its horse."""
    reins, bit = pair(10**6, lambda: 0)
    os.set_blocking(bit._said_to.fileno(), False)
    heard = []
    for number in range(500):
        bit.say(("said", number, b"x" * size), is_urgent=False)
        if select.select([*reins.files()], [], [], 0)[0]:
            heard += reins.heard()
    heard += reins.heard()
    assert [number for _, number, _ in heard] == list(range(500))
    bit.close()
    reins.close()


def test_what_was_recalled_stays_so_while_its_message_is_unread():
    """A later recall keeps another one; those of the first were given back long since, and are not begun."""
    board = Board()
    assert board.begin(1)
    board.recall(4)  # 2, 3 and 4, still unread
    board.recall(6, but=5)  # 5 and 6 were handed since
    assert [board.begin(number) for number in range(2, 8)] == [False, False, False, True, False, True]
