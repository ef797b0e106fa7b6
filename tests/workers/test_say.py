"""The log of a busy worker: what has no line of its own is counted, and no job is left out."""

import logging
import re
import signal

import pytest
from rq import Queue as StockQueue

from holdfast.jobs import Queue, events
from holdfast.jobs.lease import Lease
from holdfast.jobs.store import outcomes as out
from holdfast.workers.say import MOST_TOLD, Say
from holdfast.workers.shared_memory import Board

LEASE = Lease("default", "a", "073f8fc909cd7a4b0000000000000003", 1, 1_000, "1")


@pytest.fixture
def say(clock, caplog):
    """Give a worker's log; all jobs that it is told of are plain."""
    caplog.set_level(logging.INFO, "test_say")
    return Say(logging.getLogger("test_say"), "w", clock, log_description=True)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (events.Claimed(LEASE, {b"description": b"f()"}), "f() (a) execution 073f8fc909cd7a4b0000000000000003 fence 1"),
        (events.Settled(LEASE, "completed", "in 0 s"), "Job OK (a) in 0 s"),
        (events.Settled(LEASE, "postponed", "1000 ms"), "postponed a (1000 ms)"),
        (events.Settled(LEASE, "given back"), "given back a"),
        (
            events.Spoken(out.Aftermath("default", "a", "failed", "1-0", {})),
            "called the end-of-job callbacks of a (failed)",
        ),
    ],
    ids=["claimed", "completed", "postponed", "given back", "spoken"],
)
def test_each_line_of_a_job_says_whose_it_is(say, caplog, event, told):
    """As RQ's own do: the workers of `rq worker-pool` write to one log."""
    say(event)
    assert [re.sub(r"\x1b\[[\d;]+m", "", said) for said in caplog.messages] == [f"Worker w: default: {told}"]


def complete(say, times):
    for _ in range(times):
        say(events.Settled(LEASE, "completed", "in 0 s"))


def sums(caplog):
    """Give what the sums said, in order."""
    return [int(said[1]) for said in re.finditer(r"Worker w: (\d+) more jobs OK$", caplog.text, re.MULTILINE)]


def test_a_sum_is_said_once_its_second_is_over_though_no_job_comes_after(say, clock, caplog):
    """A queue that ran dry looks settled: the last of 1,500 must not be told hours later."""
    say.sum_up()
    complete(say, MOST_TOLD + 40)
    say.sum_up()
    assert sums(caplog) == []
    clock.advance(1_000)
    say.sum_up()
    say.sum_up()
    assert (sums(caplog), caplog.text.count("Job OK")) == ([40], MOST_TOLD)


def test_what_a_horse_counted_is_in_its_parents_sum(say, clock, caplog):
    """Also where it was killed since: the page that they share outlives it."""
    horses = Say(logging.getLogger("test_say"), "w", clock, log_description=True)
    horses.board, horses.is_of_horse = say.board, True
    complete(horses, MOST_TOLD + 7)
    complete(say, MOST_TOLD + 1)
    clock.advance(1_000)
    say.sum_up()
    assert sums(caplog) == [8]


def test_at_its_end_a_worker_says_what_is_left_and_its_next_life_begins_at_none(say, caplog):
    """An app may call work() again: that life has a board of its own."""
    complete(say, MOST_TOLD + 3)
    say.sum_up(at_end=True)
    say.board = Board()
    say.sum_up(at_end=True)
    assert sums(caplog) == [3]


def test_an_outage_that_parent_and_horse_see_is_told_once(say, clock, caplog):
    """Each has its own way to Redis; a reader would take it for two outages."""
    horses = Say(logging.getLogger("test_say"), "w", clock, log_description=True)
    horses.board, horses.is_of_horse = say.board, True
    for told in (events.RedisLeft("gone"), events.RedisLeft("no such user", is_lockout=True), events.RedisReturned()):
        for each in (horses, say):
            each(told)
    assert [caplog.text.count(said) for said in ("(gone)", "(no such user)", "is back")] == [1, 1, 1]
    horses(events.RedisLeft("gone"))
    say.board.await_a_horse()  # it was killed before it heard of the end
    say(events.RedisLeft("gone"))
    assert caplog.text.count("(gone)") == 3


@pytest.mark.processes
def test_the_log_of_a_worker_tells_of_each_of_many_jobs(start_ready, redis, wait_until):
    """1,500 at once, then silence: lines and sums make 1,500 without another job, and no more at the stop."""
    worker = start_ready(renew_ms=1_000, lease_ms=8_000, margin_ms=1_000, prefetch=16)
    prepared = [StockQueue.prepare_data("work.say", (number,)) for number in range(1_500)]
    Queue(connection=redis).enqueue_many(prepared)

    def told():
        return worker.log.count("Job OK") + sum(map(int, re.findall(r"(\d+) more jobs OK", worker.log)))

    wait_until(lambda: told() == 1_500)
    assert worker.log.count("Job OK") < 1_500  # else nothing was counted
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert told() == 1_500
