"""A worker has several jobs in hand: what befalls one of them, or the worker, is not charged to the others."""

import os
import signal

import pytest
import rq

from holdfast.chaos.proxy import DelayReply, FaultProxy, Pass
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load
from holdfast.workers import Worker
from tests.workers.crowd import Crowd

pytestmark = pytest.mark.processes

MANY = {"jobs_per_horse": 1_000, "prefetch": 16}


@pytest.fixture
def crowd(redis, notes, ledger, wait_until):
    """Give a crowd of jobs."""
    return Crowd(redis, notes, ledger, wait_until)


# -- what befalls one


@pytest.mark.parametrize("prefetch", [1, 16])
@pytest.mark.parametrize("how", ["kill", "segfault", "leave"])
def test_a_job_that_kills_its_horse_is_the_one_that_is_charged(
    start_worker, redis, notes, ledger, crowd, how, prefetch
):
    """FM-034: one crash, of that one; who was in hand with it runs once, and is not charged."""
    queue = rq.Queue(connection=redis)
    quick = [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    bad = queue.enqueue("work.die_once", notes.path, how)
    quick += [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    start_worker(jobs_per_horse=1_000, prefetch=prefetch)
    assert list(crowd.all_over([*quick, bad])) == ["finished"]
    assert [move["job"] for move in ledger.moves(word="crash")] == [bad.id]
    assert [ledger.number(job, "hf_crashes") for job in (bad, *quick)] == [1] + [0] * 40
    assert sorted(crowd.ran().items()) == sorted((job.id, 1) for job in quick)
    assert len(notes("began")) == 2


@pytest.mark.parametrize("prefetch", [1, 16])
def test_what_a_horse_has_in_hand_that_must_leave_goes_to_the_next(start_worker, redis, notes, ledger, crowd, prefetch):
    """Also what a turn brings that was on its way by then: nobody is charged, and nothing goes back in line."""
    queue = rq.Queue(connection=redis)
    jobs = [queue.enqueue(f"company.{name}", notes.path) for name in (["quick"] * 20 + ["litter"]) * 3 + ["quick"] * 20]
    start_worker(jobs_per_horse=1_000, prefetch=prefetch)
    assert list(crowd.all_over(jobs)) == ["finished"]
    assert sorted(crowd.ran().items()) == sorted((job.id, 1) for job in jobs)
    assert len(set(notes.pids("quick"))) == 4
    assert ledger.moves(word="crash") == ledger.moves(word="give_back") == []


@pytest.mark.parametrize(
    ("what", "ends"),
    [("be stopped", "stopped"), ("have the horse killed", "failed"), ("kill", "finished")],
)
def test_who_waits_behind_a_job_whose_horse_is_killed_is_not_hurt(start_worker, crowd, notes, ledger, what, ends):
    """FM-050: by a person, by a command, or by the job: with others in hand for certain."""
    jobs = crowd.line(what)
    start_worker(**MANY)
    found = crowd.all_over(jobs)
    job_id, _ = crowd.deed()
    if ends != "finished":
        assert found.pop(ends) == [job_id]
    assert len(found.pop("finished")) == len(jobs) - (ends != "finished")
    assert found == {}
    assert crowd.ran() | {job_id: 1} == {job.id: 1 for job in jobs}
    charged = {job.id: ledger.number(job, "hf_crashes") for job in jobs}
    assert charged == {job.id: int(job.id == job_id and what == "kill") for job in jobs}


def test_a_job_that_ignores_its_timeout_fails_alone(start_worker, redis, notes, ledger, crowd):
    """FM-038: C code that hears nothing. Its horse is killed; those behind it were taken back long before."""
    queue = rq.Queue(connection=redis)
    quick = [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    bad = queue.enqueue("work.hold_the_interpreter", notes.path, job_timeout=1)
    quick += [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    start_worker(**MANY)
    found = crowd.all_over([*quick, bad])
    assert found["failed"] == [bad.id]
    assert sorted(crowd.ran().items()) == sorted((job.id, 1) for job in quick)
    assert {ledger.number(job, "hf_crashes") for job in quick} == {0}
    assert "past its timeout" in bad.latest_result().exc_string


def test_a_job_that_waits_in_hand_can_be_stopped_before_it_begins(start_worker, crowd, notes, ledger):
    """FM-050: a person names a job that its worker has, and that has not begun: it never does."""
    jobs = crowd.line("stop another")
    start_worker(**MANY)
    found = crowd.all_over(jobs)
    _, behind = crowd.deed()
    assert found["stopped"] == [behind[-1]]
    assert len(found["finished"]) == len(jobs) - 1
    assert behind[-1] not in crowd.ran()
    assert ledger.moves(word="crash") == []


# -- what befalls the worker


def test_whose_worker_died_with_them_are_tried_alone_and_nobody_is_charged(
    start_worker, crowd, notes, ledger, wait_until
):
    """INV-09: the job killed its worker, all with it; each that was in its hands is next claimed alone."""
    jobs = crowd.line("kill the worker")
    first = start_worker(**MANY)
    wait_until(lambda: first.has_ended)
    _, behind = crowd.deed()
    second = start_worker(**MANY)
    assert list(crowd.all_over(jobs)) == ["finished"]
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    suspects = {move["job"] for move in ledger.moves(word="reclaim")}
    assert suspects >= {*behind}
    held = set()
    for move in ledger.moves():
        if move["who"] != second.name:
            continue
        if move["move"] == "claim":
            held.add(move["job"])
            assert len(held) == 1 or not held & suspects, f"{held} were held together"
        elif move["move"] in {"complete", "give_back"}:
            held.discard(move["job"])
    assert not any(ledger.field(job, "hf_suspect") for job in jobs)


def test_a_worker_that_is_sent_home_gives_back_at_once_what_has_not_begun(
    start_worker, redis, crowd, notes, ledger, wait_until
):
    """FM-036: in its order, at the front, before the one that runs is done; and nobody is charged."""
    jobs = crowd.line("send the worker home")
    worker = start_worker(**MANY)
    assert worker.wait(20) == 0
    job_id, behind = crowd.deed()
    assert len(notes("done")) == 1
    assert ledger.status(job_id) == "finished"
    left = [each.decode() for each in redis.lrange(keys.queue("default"), 0, -1)]
    assert left == [job.id for job in jobs if job.id > job_id]
    [done] = ledger.moves(job_id, "complete")
    given_back = ledger.moves(word="give_back")
    assert {move["job"] for move in given_back} >= {*behind}
    assert all(int(move["ms"]) < int(done["ms"]) - 200 for move in given_back)
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    assert not redis.zcard(keys.leases("default"))
    assert start_worker(options=["--burst"], **MANY).wait(20) == 0
    assert crowd.ran() | {job_id: 1} == {job.id: 1 for job in jobs}


def test_a_worker_that_slept_past_its_leases_does_not_begin_what_others_have_run(
    start_worker, redis, crowd, notes, ledger, wait_until
):
    """INV-04, FM-012: its machine stood still with several in hand. None of those behind runs a second time."""
    jobs = crowd.line("freeze")
    timing = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200}
    sleeper = start_worker(name="sleeper", **MANY, **timing)
    wait_until(lambda: notes("deed"))
    awake = start_worker(name="awake", **MANY, **timing)
    _, behind = crowd.deed()
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs), every=0.05)
    assert awake.family
    sleeper.thaw_all()
    # Its horse dies of that, unless it is through with its job before somebody has seen how late it is.
    wait_until(lambda: redis.hget(keys.worker("sleeper"), "state") == b"idle")
    assert {each: crowd.ran()[each] for each in behind} == dict.fromkeys(behind, 1)
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    more = crowd.line(before=20, after=0)
    assert crowd.all_over(more) == {"finished": [job.id for job in more]}


def test_a_worker_whose_idle_horse_has_died_can_leave(start_worker, server, crowd, notes, wait_until, is_alive):
    """LIV-04: it has nothing more to do, and while it asks for more the horse is killed. No endless loop."""
    claim = load(record=True)["claim"].sha.encode()
    delayed = []

    def rule(request):
        if claim not in request.words or not notes("quick"):
            return Pass()
        delayed.append(request)
        return DelayReply(700)

    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = rule
        worker = start_worker(url=proxy.url, options=["--burst"], lease_ms=8_000, **MANY)
        crowd.all_over(crowd.line(before=1, after=0))
        horse = worker.horse
        assert horse
        os.kill(horse, signal.SIGKILL)
        wait_until(lambda: not is_alive(horse))
        assert not worker.has_ended
        assert worker.wait(4) == 0
    assert delayed


@pytest.mark.parametrize("prefetch", [1, 16])
def test_a_worker_object_may_be_told_to_work_again(in_a_horse, redis, monkeypatch, prefetch):
    """As apps do in their own tests: each call of work() is a life of its own, which guards what it runs."""
    queue = rq.Queue(connection=redis)
    monkeypatch.setenv("HOLDFAST_JOBS_PER_HORSE", "100")
    monkeypatch.setenv("HOLDFAST_PREFETCH", str(prefetch))

    def scene():
        worker = Worker(["default"], connection=redis)
        found = [worker.work(burst=True)]
        for _ in range(2):
            jobs = [queue.enqueue("os.getpid") for _ in range(20)]
            found += [worker.work(burst=True), len({job.return_value(refresh=True) for job in jobs})]
            found.append((worker._board.begun, worker._board.is_at_work))
        return found

    assert in_a_horse(scene) == [False, *([True, 1, [20, False]] * 2)]
