"""Horses die before they begin anything, one after the other: their worker waits, and harms neither jobs nor others."""

import pytest
import rq
from rq.command import send_shutdown_command

from holdfast.jobs.events import Events
from holdfast.jobs.store import keys
from holdfast.workers.false_starts import FalseStarts
from holdfast.workers.runtime import Ending
from holdfast.workers.shared_memory import Board


@pytest.fixture
def start_broken(start_ready, notes, monkeypatch):
    """Give a function that starts a worker whose horses die at once, until the notes say go."""
    monkeypatch.setenv("NOTES", notes.path)

    def start(kind="Stillborn", **how):
        return start_ready(worker_class=f"apps.{kind}", **how)

    return start


@pytest.mark.processes
@pytest.mark.parametrize("how", [{}, {"prefetch": 8}, {"jobs_per_horse": 1}], ids=["plain", "prefetch", "a fork each"])
def test_a_worker_whose_horses_die_at_birth_leaves_the_work_to_others(
    start_broken, start_ready, redis, notes, wait_until, ledger, how
):
    """LIV-01: it took the head of the line from a healthy worker for ever, hundreds of times in a second."""
    broken = start_broken(**how)
    jobs = [rq.Queue(connection=redis).enqueue("work.say", number) for number in range(20)]
    wait_until(lambda: "3 horses in a row ended before they began a job" in broken.log)
    start_ready(name="healthy")
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
    assert len(notes("foal")) <= 6
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}


@pytest.mark.processes
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("Stillborn", "(exit code 1: their error stands above)"),
        ("Forkless", "(no process could be started: [Errno 11] Resource temporarily unavailable)"),
    ],
)
def test_a_worker_without_horses_gives_its_job_back_and_tries_again_later(
    start_broken, redis, notes, wait_until, ledger, kind, why
):
    """INV-01: nothing is charged or kept meanwhile, and it goes on by itself."""
    broken = start_broken(kind)
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    wait_until(lambda: f"4 horses in a row ended before they began a job {why}; next try in 2 s" in broken.log)
    wait_until(lambda: (ledger.status(job), redis.zcard(keys.leases("default"))) == ("queued", 0))
    assert len(notes("foal")) == len(ledger.moves(job, "give_back")) == 4
    # Idle for want of horses, it looks well: its record says that it is not.
    record = keys.worker(broken.name)
    wait_until(lambda: redis.hget(record, "hf_false_starts") == b"4")
    assert 0 < int(redis.hget(record, "hf_next_try")) - redis.time()[0] <= 2
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    wait_until(lambda: redis.hmget(record, "hf_false_starts", "hf_next_try") == [b"0", b"0"])
    assert (ledger.number(job, "hf_crashes"), len(notes("foal"))) == (0, 5)


@pytest.mark.processes
def test_a_worker_that_waits_for_better_horses_hears_commands(start_broken, redis, notes, wait_until):
    """LIV-04: it leaves at once, not when it would have tried again."""
    broken = start_broken()
    rq.Queue(connection=redis).enqueue("work.say", 1)
    wait_until(lambda: "next try in 4 s" in broken.log)
    send_shutdown_command(redis, broken.name)
    assert broken.wait() == 0
    assert len(notes("foal")) == 5


@pytest.mark.processes
def test_a_burst_does_not_wait_for_better_horses(start_worker, redis, notes, ledger, monkeypatch):
    """A task of a build must end, and must not say that all is done."""
    monkeypatch.setenv("NOTES", notes.path)
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(worker_class="apps.Stillborn", options=["--burst"])
    assert worker.wait() == 1
    cause = "3 horses in a row ended before they began a job (exit code 1: their error stands above)"
    assert f"{cause}. A burst worker does not wait for better times" in worker.log
    assert "Mend what ends them, and start it again." in worker.log
    assert (ledger.status(job), len(notes("foal")), rq.Worker.all(redis)) == ("queued", 3, [])


class Line:
    """Horses that end, one after the other."""

    def __init__(self, clock):
        self.told, self.board = [], Board()
        self.false_starts = FalseStarts(self.board, clock, Events(self.told.append))

    def ends(self, *, is_leaving=False):
        self.false_starts.look_at(Ending(None, 9), is_leaving=is_leaving)
        return self.false_starts.is_waiting


def test_the_waits_grow_to_a_minute(clock):
    """Two may be bad luck."""
    line = Line(clock)
    assert [line.ends() for _ in range(2)] == [False] * 2
    assert all(line.ends() for _ in range(98))
    assert [event.wait_ms // 1000 for event in line.told] == [1, 2, 4, 8, 16, 32] + [60] * 92
    assert (line.told[0].count, line.told[0].why) == (3, "signal 9 (SIGKILL)")
    clock.advance(60_000)
    assert not line.false_starts.is_waiting


@pytest.mark.parametrize("what", ["begun a job", "spoken for the dead", "been sent away"])
def test_a_horse_that_came_up_breaks_the_row(clock, what):
    """Jobs that kill their horses are charged, each by itself: the worker is well."""
    line = Line(clock)
    for _ in range(2):
        line.ends()
    if what == "begun a job":
        line.board.begin(1)
    elif what == "spoken for the dead":
        line.board.come_up()
    line.ends(is_leaving=what == "been sent away")
    line.board.await_a_horse()
    assert not line.ends()
    assert not line.told
