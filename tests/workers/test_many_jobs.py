"""A horse runs many jobs, and its worker has several in hand: what befalls one of them befalls that one alone."""

import os
import signal
import time
from itertools import pairwise

import pytest
import rq
from rq.job import Callback
from rq.suspension import resume, suspend

from holdfast.chaos.proxy import DelayReply, FaultProxy, Pass
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load

pytestmark = pytest.mark.processes

MANY = {"jobs_per_horse": 1_000, "prefetch": 16}


@pytest.fixture
def line(redis, notes):
    """Give a function that puts jobs in line: so many quick ones, eight that do one thing once, and quick ones."""
    queue = rq.Queue(connection=redis)

    def put(deed=None, before=24, after=24, **options):
        calls = ["quick"] * before + (["once"] * 8 if deed else []) + ["quick"] * after
        entries = []
        for number, name in enumerate(calls):
            given = (notes.path, deed) if name == "once" else (notes.path,)
            entry = rq.Queue.prepare_data(f"company.{name}", given, job_id=f"{number:03}", **options)
            entries.append(entry)
        return queue.enqueue_many(entries)

    return put


@pytest.fixture
def deed(notes):
    """Give a function that tells which job did its deed, and who waited behind it."""

    def of():
        [line] = notes("deed")
        _, job_id, *behind = line.split()
        return job_id, behind

    return of


@pytest.fixture
def all_over(ledger, wait_until):
    """Give a function that waits until all of these jobs have ended, and gives how, by status."""

    def wait(jobs, within=15):
        ended = {"finished", "failed", "stopped"}
        wait_until(lambda: all(ledger.status(job) in ended for job in jobs), within=within, every=0.05)
        found = {}
        for job in jobs:
            found.setdefault(ledger.status(job), []).append(job.id)
        return found

    return wait


def ran(notes, word="quick"):
    """Count how often each job ran, by what they left behind."""
    counts = {}
    for line in notes(word):
        job_id = line.split()[1]
        counts[job_id] = counts.get(job_id, 0) + 1
    return counts


def most_in_hand(ledger):
    """Tell how many leases were held at a time, at the most."""
    held, most = set(), 0
    for move in ledger.moves():
        if move["move"] == "claim":
            held.add(move["execution"])
        elif move["execution"] in held and move["move"] not in {"renew", "enqueue"}:
            held.discard(move["execution"])
        most = max(most, len(held))
    return most


# -- the horse


@pytest.mark.parametrize("prefetch", [1, 16])
@pytest.mark.parametrize(("jobs_per_horse", "horses"), [(1, 60), (20, 3), (1_000, 1)])
def test_a_horse_runs_as_many_jobs_as_the_settings_say(
    start_worker, line, notes, ledger, all_over, jobs_per_horse, horses, prefetch
):
    """HOLDFAST_JOBS_PER_HORSE: the process is the same for so many in a row, then it is another. In their order."""
    jobs = line(before=30, after=30)
    assert start_worker(options=["--burst"], jobs_per_horse=jobs_per_horse, prefetch=prefetch).wait(30) == 0
    assert all_over(jobs) == {"finished": [job.id for job in jobs]}
    pids = notes.pids("quick")
    assert [line.split()[1] for line in notes("quick")] == [job.id for job in jobs]
    assert 1 + sum(one != other for one, other in pairwise(pids)) == len(set(pids)) == horses
    assert (most_in_hand(ledger) > 4) == (prefetch > 1 and jobs_per_horse > 1) or jobs_per_horse == 1
    assert {ledger.number(job, "hf_executions") for job in jobs} == {1}


@pytest.mark.parametrize(("prefetch", "most"), [(1, 1.05), (16, 0.5)])
def test_a_quick_job_costs_one_round_trip_at_the_most(start_worker, server, redis, ledger, prefetch, most):
    """Counted on the wire: what 300 more jobs cost more. Settled, claimed and handed over in one."""

    def requests_for(jobs):
        redis.flushall()
        queue = rq.Queue(connection=redis)
        queue.enqueue_many([rq.Queue.prepare_data("work.say", (number,)) for number in range(jobs)])
        heard = []
        with FaultProxy(("127.0.0.1", server.port)) as proxy:
            # A chore looks at what was enqueued: HMGETs in one pipeline.
            proxy.observer = lambda request: request.words[0] != b"HMGET" and heard.append(request.words[0])
            rare = {"lease_ms": 60_000, "renew_ms": 10_000, "reap_ms": 30_000, "promote_ms": 30_000}
            rare |= {"jobs_per_horse": 1_000, "prefetch": prefetch}
            assert start_worker(url=proxy.url, options=["--burst"], **rare).wait(60) == 0
        assert len(ledger.moves(word="complete")) == jobs
        return len(heard)

    few, many = requests_for(100), requests_for(400)
    print(f"{(many - few) / 300:.2f} round trips a job with prefetch {prefetch}")
    assert (many - few) / 300 <= most


# -- what befalls one


@pytest.mark.parametrize("prefetch", [1, 16])
@pytest.mark.parametrize("how", ["kill", "segfault", "leave"])
def test_a_job_that_kills_its_horse_is_the_one_that_is_charged(
    start_worker, redis, notes, ledger, all_over, how, prefetch
):
    """FM-034: one crash, of that one; who was in hand with it runs once, and is not charged."""
    queue = rq.Queue(connection=redis)
    quick = [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    bad = queue.enqueue("work.die_once", notes.path, how)
    quick += [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    start_worker(jobs_per_horse=1_000, prefetch=prefetch)
    assert list(all_over([*quick, bad])) == ["finished"]
    assert [move["job"] for move in ledger.moves(word="crash")] == [bad.id]
    assert [ledger.number(job, "hf_crashes") for job in (bad, *quick)] == [1] + [0] * 40
    assert sorted(ran(notes).items()) == sorted((job.id, 1) for job in quick)
    assert len(notes("began")) == 2


@pytest.mark.parametrize(
    ("what", "ends"),
    [("be stopped", "stopped"), ("have the horse killed", "failed"), ("kill", "finished")],
)
def test_who_waits_behind_a_job_whose_horse_is_killed_is_not_hurt(
    start_worker, line, notes, deed, ledger, all_over, what, ends
):
    """FM-050: by a person, by a command, or by the job: with others in hand for certain."""
    jobs = line(what)
    start_worker(**MANY)
    found = all_over(jobs)
    job_id, behind = deed()
    if ends != "finished":
        assert found.pop(ends) == [job_id]
    assert len(found.pop("finished")) == len(jobs) - (ends != "finished")
    assert found == {}
    assert ran(notes) | {job_id: 1} == {job.id: 1 for job in jobs}
    assert behind
    charged = {job.id: ledger.number(job, "hf_crashes") for job in jobs}
    assert charged == {job.id: int(job.id == job_id and what == "kill") for job in jobs}


def test_a_job_that_ignores_its_timeout_fails_alone(start_worker, redis, notes, ledger, all_over):
    """FM-038: C code that hears nothing. Its horse is killed; those behind it were taken back long before."""
    queue = rq.Queue(connection=redis)
    quick = [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    bad = queue.enqueue("work.hold_the_interpreter", notes.path, job_timeout=1)
    quick += [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    start_worker(**MANY)
    found = all_over([*quick, bad])
    assert found["failed"] == [bad.id]
    assert sorted(ran(notes).items()) == sorted((job.id, 1) for job in quick)
    assert {ledger.number(job, "hf_crashes") for job in quick} == {0}
    assert "past its timeout" in bad.latest_result().exc_string


def test_a_job_that_waits_in_hand_can_be_stopped_before_it_begins(start_worker, line, notes, deed, ledger, all_over):
    """FM-050: a person names a job that its worker has, and that has not begun: it never does."""
    jobs = line("stop another")
    start_worker(**MANY)
    found = all_over(jobs)
    _, behind = deed()
    assert found["stopped"] == [behind[-1]]
    assert len(found["finished"]) == len(jobs) - 1
    assert behind[-1] not in ran(notes)
    assert ledger.moves(word="crash") == []


# -- what befalls the worker


def test_whose_worker_died_with_them_are_tried_alone_and_nobody_is_charged(
    start_worker, line, notes, deed, ledger, all_over, wait_until
):
    """INV-09: the job killed its worker, all with it; each that was in its hands is next claimed alone."""
    jobs = line("kill the worker")
    first = start_worker(**MANY)
    wait_until(lambda: first.has_ended)
    _, behind = deed()
    assert behind
    second = start_worker(**MANY)
    assert list(all_over(jobs)) == ["finished"]
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
    start_worker, redis, line, notes, deed, ledger, wait_until
):
    """FM-036: in its order, at the front, before the one that runs is done; and nobody is charged."""
    jobs = line("send the worker home")
    worker = start_worker(**MANY)
    assert worker.wait(20) == 0
    job_id, behind = deed()
    assert behind
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
    assert ran(notes) | {job_id: 1} == {job.id: 1 for job in jobs}


def test_a_worker_that_slept_past_its_leases_does_not_begin_what_others_have_run(
    start_worker, redis, line, notes, deed, ledger, all_over, wait_until, is_alive
):
    """INV-04, FM-012: its machine stood still with several in hand. None of those behind runs a second time."""
    jobs = line("freeze")
    timing = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200}
    sleeper = start_worker(name="sleeper", **MANY, **timing)
    wait_until(lambda: notes("deed"))
    awake = start_worker(name="awake", **MANY, **timing)
    _, behind = deed()
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs), every=0.05)
    assert awake.family
    horse = sleeper.horse
    sleeper.thaw_all()
    wait_until(lambda: not is_alive(horse))
    wait_until(lambda: redis.hget(keys.worker("sleeper"), "state") == b"idle")
    assert {each: ran(notes)[each] for each in behind} == dict.fromkeys(behind, 1)
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    more = line(before=20, after=0)
    assert all_over(more) == {"finished": [job.id for job in more]}


def test_a_worker_whose_idle_horse_has_died_can_leave(
    start_worker, server, line, notes, all_over, wait_until, is_alive
):
    """LIV-04: it has nothing more to do, and while it asks for more the horse is killed. No endless loop."""
    claim = load(record=True)["claim"].sha.encode()
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = lambda request: DelayReply(700) if claim in request.words and notes("quick") else Pass()
        worker = start_worker(url=proxy.url, options=["--burst"], lease_ms=8_000, **MANY)
        all_over(line(before=1, after=0))
        horse = worker.horse
        assert horse
        os.kill(horse, signal.SIGKILL)
        wait_until(lambda: not is_alive(horse))
        assert not worker.has_ended
        assert worker.wait(4) == 0


# -- fairness


def test_nobody_waits_behind_a_slow_job_while_another_worker_is_idle(
    start_ready, line, notes, deed, ledger, wait_until
):
    """LIV-03: what a worker took in advance goes back to the line as soon as it turns out to have to wait."""
    idle = start_ready(name="idle", **MANY)
    idle.freeze_all()
    jobs = line("nap")
    start_ready(name="busy", **MANY)
    wait_until(lambda: notes("deed"))
    idle.thaw_all()
    job_id, behind = deed()
    began = time.monotonic()
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs if job.id != job_id), within=2)
    took_s = time.monotonic() - began
    print(f"{len(behind)} waited behind it; all others were done {1000 * took_s:.0f} ms after it began")
    assert (ledger.status(job_id), notes("done")) == ("started", [])
    assert took_s < 1
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    assert max(ran(notes).values()) == 1


# -- closed doors


def test_a_suspended_worker_ends_what_it_has_and_takes_no_more(
    start_worker, redis, line, notes, ledger, all_over, wait_until
):
    """`rq suspend`: nothing is left in hand, and `rq resume` goes on where it stopped."""
    jobs = line(before=400, after=0)
    worker = start_worker(**MANY)
    wait_until(lambda: len(notes("quick")) > 20)
    suspend(redis)
    wait_until(lambda: redis.hget(keys.worker(worker.name), "state") == b"suspended")
    assert redis.zcard(keys.leases("default")) == 0
    left = redis.llen(keys.queue("default"))
    assert left
    assert len(notes("quick")) + left == 400
    resume(redis)
    assert all_over(jobs) == {"finished": [job.id for job in jobs]}
    assert {ledger.number(job, "hf_executions") for job in jobs} == {1}


@pytest.mark.parametrize("prefetch", [1, 16])
def test_redis_goes_away_in_the_midst_and_comes_back(
    start_worker, server, line, notes, ledger, all_over, wait_until, prefetch
):
    """FM-010, FM-017: three seconds without it. Each job runs once, and is recorded once."""
    jobs = line(before=300, after=0)
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        start_worker(url=proxy.url, lease_ms=10_000, renew_ms=1_000, jobs_per_horse=1_000, prefetch=prefetch)
        wait_until(lambda: len(notes("quick")) > 20)
        server.pause()
        time.sleep(3)
        server.resume()
        assert all_over(jobs, within=20) == {"finished": [job.id for job in jobs]}
    assert ran(notes) == {job.id: 1 for job in jobs}
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    assert {len(ledger.moves(job, "complete")) for job in jobs[::10]} == {1}


# -- what jobs bring and take


def test_giants_pass_between_quick_ones(start_worker, redis, notes, all_over):
    """Five megabytes in and five out, more than a socket holds, with others before and behind in the same hands."""
    queue = rq.Queue(connection=redis)
    giant = os.urandom(5_000_000)
    jobs, giants = [], []
    for _ in range(4):
        jobs += [queue.enqueue("company.quick", notes.path) for _ in range(12)]
        giants.append(queue.enqueue("work.say", giant))
    assert start_worker(options=["--burst"], **MANY).wait(30) == 0
    assert list(all_over(jobs + giants)) == ["finished"]
    assert all(job.return_value(refresh=True) == giant for job in giants)


def test_callbacks_are_called_once_for_each(start_worker, redis, notes, all_over):
    """RQ's on_success and on_failure, with others in hand before and behind."""
    queue = rq.Queue(connection=redis)
    told = {"on_success": Callback("work.on_success"), "on_failure": Callback("work.on_failure")}
    good = [queue.enqueue("company.quick", notes.path) for _ in range(20)]
    for _ in range(10):
        good.append(queue.enqueue("work.noted_nap", notes.path, 0, **told))
        queue.enqueue("work.noted_boom", notes.path, **told)
        good.append(queue.enqueue("company.quick", notes.path))
    start_worker(options=["--burst"], **MANY).wait(30)
    assert list(all_over(good)) == ["finished"]
    assert [len(notes(word)) for word in ("success", "failure", "ended")] == [10, 10, 10]
