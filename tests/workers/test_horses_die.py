"""Real horses are killed and stopped in a flow of quick jobs: at a job, between two, and in the midst of a turn."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from holdfast.chaos.proxy import DelayReply, FaultProxy, Pass
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import load
from tests.workers.crowd import Crowd

pytestmark = pytest.mark.processes

#: Longer than anything here: what comes back does not come back because a lease ran out.
PATIENT = {"lease_ms": 20_000, "renew_ms": 2_000, "margin_ms": 2_000, "jobs_per_horse": 1_000}


@pytest.fixture
def crowd(redis, notes, ledger, wait_until):
    """Give a crowd of jobs."""
    return Crowd(redis, notes, ledger, wait_until)


def crashes(ledger, jobs):
    return {job.id: count for job in jobs if (count := ledger.number(job, "hf_crashes"))}


@pytest.mark.parametrize("prefetch", [1, 32])
def test_horses_are_killed_again_and_again(start_worker, redis, crowd, notes, ledger, prefetch):
    """FM-003: each job is done; each death costs the one that ran at the most, and runs no other a second time."""
    jobs = crowd.line(before=1_500, after=0)
    worker = start_worker(prefetch=prefetch, **PATIENT)
    killed, until = 0, time.monotonic() + 60
    while redis.llen(keys.queue("default")) and time.monotonic() < until:
        heard = len(notes("quick"))
        horse = worker.horse
        while len(notes("quick")) < heard + 25 and redis.llen(keys.queue("default")):
            time.sleep(0.001)
        if horse is not None and horse == worker.horse:
            with suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)
                killed += 1
    assert crowd.all_over(jobs, within=30) == {"finished": [job.id for job in jobs]}
    charged, again = crashes(ledger, jobs), {job_id for job_id, runs in crowd.ran().items() if runs > 1}
    print(f"{killed} horses were killed; {len(charged)} jobs were charged, {len(again)} ran twice")
    assert killed > 10
    assert again <= {*charged}
    assert sum(charged.values()) <= killed
    assert not ledger.moves(word="reclaim")
    assert all(len(ledger.moves(job_id, "complete")) == 1 for job_id in list(again)[:5])


@pytest.mark.parametrize("prefetch", [1, 32])
def test_a_horse_that_stands_still_for_a_while_goes_on_where_it_was(
    start_worker, crowd, notes, ledger, wait_until, prefetch
):
    """SIGSTOP in the flow, SIGCONT half a second later: what its parent took back meanwhile is not run by it."""
    jobs = crowd.line(before=1_500, after=0)
    worker = start_worker(prefetch=prefetch, **PATIENT | {"jobs_per_horse": 10_000})
    wait_until(lambda: len(notes("quick")) > 100)
    horse = worker.horse
    os.kill(horse, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(horse, signal.SIGCONT)
    assert crowd.all_over(jobs, within=30) == {"finished": [job.id for job in jobs]}
    assert crowd.ran() == {job.id: 1 for job in jobs}
    assert not crashes(ledger, jobs)


def test_a_horse_that_stands_still_for_good_between_two_jobs_is_replaced(
    start_worker, server, crowd, notes, ledger, wait_until, is_alive
):
    """Its turn is under way, and nothing runs: after 10 s it is killed, the turn finished, and what it took is run."""
    turn = load(record=True)["turn"].sha.encode()
    asked = threading.Event()

    def rule(request):
        if turn not in request.words or asked.is_set() or len(notes("quick")) < 20:
            return Pass()
        asked.set()
        return DelayReply(500)

    jobs = crowd.line(before=60, after=0)
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = rule
        worker = start_worker(url=proxy.url, **PATIENT | {"lease_ms": 12_500, "margin_ms": 2_500})
        assert asked.wait(10)
        horse = worker.horse
        os.kill(horse, signal.SIGSTOP)
        stopped = time.monotonic()
        assert crowd.all_over(jobs, within=30) == {"finished": [job.id for job in jobs]}
    assert not is_alive(horse)
    assert 9 < time.monotonic() - stopped < 20
    assert crowd.ran() == {job.id: 1 for job in jobs}
    assert not crashes(ledger, jobs)
    assert not ledger.moves(word="reclaim")
