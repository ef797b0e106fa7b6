"""A job finds the event loop that it would find in a process of its own, whatever others did with theirs."""

import asyncio
import sys
import warnings
from types import ModuleType

import pytest

from holdfast.workers.tidy import Tidy


async def nothing():
    return "done"


def say():
    """Run a coroutine as code does that is older than asyncio.run; Python 3.14 makes no loop for it."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return asyncio.get_event_loop().run_until_complete(nothing())
        except RuntimeError as error:
            return str(error)


FRESH = "done" if sys.version_info < (3, 14) else "There is no current event loop in thread 'MainThread'."


def set_and_close():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.close()


class Policy(asyncio.DefaultEventLoopPolicy):
    def get_event_loop(self):
        raise RuntimeError("of another policy")


WAYS = {
    "asyncio.run": lambda: asyncio.run(nothing()),
    "a closed loop": set_and_close,
    "none": lambda: asyncio.set_event_loop(None),
    "another policy": lambda: asyncio.set_event_loop_policy(Policy()),
}


@pytest.fixture
def play(in_a_horse, clock):
    """Run jobs one after the other in a horse, after what its imports do; give what each gave, or why it leaves."""

    def run(*jobs, imports=lambda: None):
        def scene():
            tidy = Tidy(memory_max_mb=0, clock=clock)
            imports()
            sys.modules["shop_with_loops"] = ModuleType("shop_with_loops")
            tidy.before_call()
            return [(tidy.apart(job), tidy.after_job()) for job in jobs]

        return [tuple(told) for told in in_a_horse(scene)]

    return run


@pytest.mark.parametrize("way", WAYS)
def test_the_next_job_has_a_loop_whatever_this_one_did(play, way):
    """Each closes its own, or says that there is none."""
    change = WAYS[way]
    said = play(lambda: change() and None, say, lambda: change() and None, say)
    assert said == [(None, None), (FRESH, None)] * 2


@pytest.mark.parametrize("way", WAYS)
def test_the_next_job_would_have_had_none(in_a_horse, way):
    """Else the test above would see nothing."""
    assert in_a_horse(lambda: [WAYS[way]() and None, say()][1]) in {
        "There is no current event loop in thread 'MainThread'.",
        "Event loop is closed",
        "of another policy",
    }


def set_open():
    asyncio.set_event_loop(asyncio.new_event_loop())


def current():
    return asyncio.get_event_loop_policy()._local._loop


def which():
    return id(current())


def test_a_loop_that_a_job_left_open_stays(play):
    """A client that the app keeps for many jobs belongs to it; a job that has a loop of its own beside is no reason."""
    first, _, other, told = play(lambda: set_open() or which(), lambda: asyncio.run(nothing()), which, say)
    assert first == other
    assert told == ("done", None)


def test_a_loop_that_one_job_left_and_another_closed_is_replaced(play):
    """In a process of its own the next would have had another one made."""
    assert play(lambda: set_open() and None, lambda: current().close(), say)[1:] == [(None, None), (FRESH, None)]


def test_the_loop_that_an_import_made_is_there_for_each_job(play):
    """Also after one that set another."""
    first, _, other, told = play(which, set_open, which, say, imports=set_open)
    assert first == other
    assert told == ("done", None)


def test_a_job_that_closes_the_loop_of_an_import_costs_the_horse(play):
    """The module goes on with that one, and nobody can open it again."""
    why = "the job closed an event loop that is not its own"
    assert play(lambda: current().close(), imports=set_open) == [(None, why)]


def test_a_task_that_waits_in_a_loop_costs_the_horse(play):
    """It would go on in the next job's time; one of an import is the app's own."""

    def leave_a_task():
        current().create_task(nothing())

    def leave_one_in_a_new_loop():
        set_open()
        leave_a_task()

    assert play(leave_one_in_a_new_loop) == [(None, "a task of the job waits in an event loop")]
    assert play(say, imports=leave_one_in_a_new_loop) == [("done", None)]
