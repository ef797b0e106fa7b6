"""Redis is slow, dead, restarted, or cut off from one worker. Workers wait, come back by themselves, and do no harm."""

import signal
import time

import pytest
import rq

from holdfast.chaos.proxy import FaultProxy
from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

TIMING = {"lease_ms": 1_500, "renew_ms": 300, "margin_ms": 300, "reap_ms": 100}


@pytest.fixture
def enqueue(redis):
    """Give a function that puts a call in line by RQ's own queue."""
    return rq.Queue(connection=redis).enqueue


# -- a server that stands still


def test_a_stall_shorter_than_the_lease_costs_a_job_nothing(
    start_worker, start_ready, server, enqueue, notes, wait_until, ledger
):
    """INV-05, FM-043: a slow disk stops the server for a second; the job is finished once, by who began it."""
    for name in ("one", "two"):
        start_worker(name=name, lease_ms=3_000, renew_ms=300, margin_ms=300)
    job = enqueue("work.noted_nap", notes.path, 2)
    wait_until(lambda: notes("began"))
    server.pause()
    time.sleep(1)
    server.resume()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.moves(word="reclaim") == []
    assert (ledger.number(job, "hf_executions"), len(notes("began"))) == (1, 1)


def test_a_job_that_ends_while_redis_stands_still_is_settled_when_it_goes_on(
    start_worker, server, redis, enqueue, notes, wait_until, ledger
):
    """INV-10, FM-010: the settle may be applied late and be sent again; it counts once."""
    worker = start_worker(lease_ms=3_000, renew_ms=300, margin_ms=300)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    server.pause()
    notes.say_go()
    time.sleep(1)
    server.resume()
    wait_until(lambda: ledger.status(job) == "finished")
    assert len(ledger.moves(job, "complete")) == 1
    assert (len(job.results()), ledger.number(job, "hf_executions")) == (1, 1)
    behind = enqueue("work.say", 1)
    wait_until(lambda: ledger.status(behind) == "finished")
    assert redis.hget(keys.worker(worker.name), "successful_job_count") == b"2"


# -- a server that dies and comes back


@pytest.mark.parametrize("frozen", [False, True], ids=["dead", "frozen"])
def test_an_idle_worker_outlives_its_server_without_a_busy_loop(
    start_ready, server, redis, enqueue, wait_until, ledger, frozen
):
    """LIV-03: three seconds without a server cost little processor time and few words; then it works again."""
    worker = start_ready(**TIMING)
    (server.pause if frozen else server.kill)()
    wait_until(lambda: "Redis is away" in worker.log)
    before_s = worker.cpu_s
    time.sleep(3)
    used_s, said = worker.cpu_s - before_s, worker.log.count("\n")
    print(f"{1000 * used_s:.0f} ms of processor time in 3 s without Redis, {said} lines of log")
    assert used_s < 1
    assert said < 20
    (server.resume if frozen else server.restart)()
    before = redis.info("stats")["total_connections_received"]
    job = enqueue("work.say", 1)
    wait_until(lambda: ledger.status(job) == "finished")
    wait_until(lambda: "Redis is back" in worker.log)
    # Claimed with a stop-by moment of now, not of when the outage began, it is not given back and claimed again.
    assert ledger.number(job, "hf_executions") == 1
    assert redis.info("stats")["total_connections_received"] - before < 30


def test_a_job_whose_record_was_flushed_away_is_given_up_and_not_brought_back(
    start_worker, redis, enqueue, notes, wait_until, ledger, is_alive
):
    """FM-029, INV-02: FLUSHALL in the wrong terminal; its horse is stopped, and the worker takes what comes next."""
    start_worker(**TIMING)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    redis.flushall()
    wait_until(lambda: not is_alive(notes.pids("began")[0]))
    behind = enqueue("work.say", 1)
    wait_until(lambda: ledger.status(behind) == "finished")
    assert list(redis.scan_iter(f"*{job.id}*")) == []


def test_a_server_that_restarts_under_a_job_does_not_cost_the_job(
    start_worker, start_ready, server, redis, enqueue, notes, wait_until, ledger
):
    """FM-019, INV-06: an upgrade of Redis; the job goes on meanwhile and is finished once, by who began it."""
    start_worker(name="one", lease_ms=3_000, renew_ms=300, margin_ms=300)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    start_ready(name="two", lease_ms=3_000, renew_ms=300, margin_ms=300)
    server.kill()
    time.sleep(0.5)
    server.restart()
    wait_until(lambda: len(ledger.moves(job, "renew")) > 1)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_executions"), len(notes("began"))) == (1, 1)


def test_after_an_outage_longer_than_the_lease_nobody_is_charged(
    start_worker, start_ready, server, redis, enqueue, notes, wait_until, ledger, is_alive
):
    """INV-09, FM-019: the holder stopped in time, the reaper waited for holders first, and the job runs again."""
    timing = {"lease_ms": 4_000, "renew_ms": 300, "margin_ms": 2_000, "reap_ms": 100}
    for name in ("one", "two"):
        start_ready(name=name, **timing)
    job = enqueue("work.sleep_through", notes.path)
    wait_until(lambda: notes("began"))
    [horse] = notes.pids("began")
    server.kill()
    began = time.monotonic()
    wait_until(lambda: not is_alive(horse))
    print(f"the horse was stopped {1000 * (time.monotonic() - began):.0f} ms after the server's death")
    # The lease was renewed no longer ago than that when the server died, and ended no sooner than this.
    assert time.monotonic() - began < (timing["lease_ms"] - timing["renew_ms"]) / 1000
    time.sleep(began + timing["lease_ms"] / 1000 + 0.5 - time.monotonic())
    server.restart()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_crashes") == 0
    assert notes("wrote") == ["wrote finisher"]


def test_holders_that_lived_through_an_outage_keep_their_jobs(
    start_worker, start_ready, server, redis, enqueue, notes, wait_until, ledger
):
    """INV-05, FM-019: leases ran out while no one could renew; the first reaper to look lets holders speak first."""
    patient = {"lease_ms": 4_000, "renew_ms": 300, "margin_ms": 300, "reap_ms": 100}
    holder = start_worker(name="holder", **patient)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    reaper = start_ready(name="reaper", **patient)
    holder.freeze_all()  # so that the reaper is there before it
    server.kill()
    server.restart()
    redis.zadd(keys.leases("default"), {f"{job.id}:{ledger.field(job, 'hf_lease')}": ledger.now_ms() - 1})
    wait_until(lambda: "holders have" in reaper.log)
    holder.thaw_all()
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.moves(job, "reclaim") == []
    assert ledger.number(job, "hf_executions") == 1


def test_what_a_producer_was_promised_survives_a_kill_of_the_server(
    start_worker, server, redis, notes, wait_until, ledger
):
    """INV-01, FM-019: enqueued, acknowledged, server killed: the page cache has it, and so has the fleet."""
    jobs = [Queue(connection=redis).enqueue("work.say", number) for number in range(20)]
    # On a disk that is busy the server acknowledges what it has not given to the page cache yet.
    wait_until(lambda: redis.info("persistence")["aof_buffer_length"] == 0)
    server.kill()
    server.restart()
    start_worker()
    wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))


def test_a_busy_worker_without_redis_leaves_once_its_grace_is_over(
    start_worker, server, enqueue, notes, wait_until, is_alive
):
    """LIV-04, FM-044: Redis and workers are redeployed together; nobody waits for a SIGKILL."""
    worker = start_worker(lease_ms=20_000, renew_ms=300, margin_ms=300, grace_ms=500)
    enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    server.kill()
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait(20) == 0
    print(f"left after {1000 * (time.monotonic() - began):.0f} ms")
    assert time.monotonic() - began < 10
    assert not is_alive(notes.pids("began")[0])


def test_an_idle_worker_without_redis_has_nothing_to_wait_for(start_ready, server, wait_until):
    """LIV-04: a grace is for a job; docker's patience is 10 s, and the default grace is longer."""
    worker = start_ready(lease_ms=3_000, renew_ms=300, margin_ms=300, grace_ms=20_000)
    server.kill()
    wait_until(lambda: "Redis is away" in worker.log)
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait(30) == 0
    print(f"left after {1000 * (time.monotonic() - began):.0f} ms")
    assert time.monotonic() - began < 10


# -- one worker cut off from a server that is well


def test_a_worker_cut_off_stops_its_job_before_another_may_begin_it(
    start_worker, start_ready, server, redis, enqueue, notes, wait_until, ledger, is_alive
):
    """INV-07, FM-042: stopped by its own clock; the other finishes; healed, nothing is done twice."""
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        cut_off = start_worker(name="cut-off", url=proxy.url, **TIMING)
        job = enqueue("work.sleep_through", notes.path)
        wait_until(lambda: notes("began"))
        start_ready(name="other", **TIMING)
        [horse] = notes.pids("began")
        proxy.black_hole = True
        cut = time.monotonic()
        wait_until(lambda: not is_alive(horse), every=0.001)
        print(f"the horse was stopped {1000 * (time.monotonic() - cut):.0f} ms after the cut")
        assert ledger.moves(job, "reclaim") == []
        wait_until(lambda: ledger.status(job) == "finished")
        proxy.black_hole = False
        behind = [enqueue("work.say", number) for number in range(10)]
        wait_until(lambda: all(ledger.status(each) == "finished" for each in behind))
        wait_until(lambda: "Redis is back" in cut_off.log)
        time.sleep(TIMING["lease_ms"] / 1000)
    assert len(ledger.moves(job, "complete")) == 1
    assert notes("wrote") == ["wrote finisher"]
    assert (ledger.number(job, "hf_executions"), ledger.status(job)) == (2, "finished")


def test_a_job_that_ends_in_a_partition_is_not_finished_twice(
    start_worker, start_ready, server, redis, enqueue, notes, wait_until, ledger
):
    """INV-04, INV-06, FM-010: its settle waits in the network, and comes out after the other's."""
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        start_worker(name="cut-off", url=proxy.url, **TIMING)
        job = enqueue("work.sleep_through", notes.path)
        wait_until(lambda: notes("began"))
        start_ready(name="other", **TIMING)
        proxy.black_hole = True
        notes.say_go()
        wait_until(lambda: ledger.status(job) == "finished")
        before = redis.hgetall(keys.job(job.id))
        proxy.black_hole = False
        time.sleep(2 * TIMING["lease_ms"] / 1000)
        assert redis.hgetall(keys.job(job.id)) == before
    assert len(ledger.moves(job, "complete")) == 1
    assert len(job.results()) == 1
