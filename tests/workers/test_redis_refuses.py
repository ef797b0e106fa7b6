"""Redis answers, but not now: read-only after a failover, out of memory, busy, without replicas; or it mumbles."""

import random
import threading
import time
from contextlib import suppress
from itertools import count

import pytest
import rq
from redis.exceptions import RedisError

from holdfast.chaos.proxy import EatReply, FaultProxy, Pass
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

PATIENT = {"lease_ms": 4_000, "renew_ms": 300, "margin_ms": 300}
#: What an operator or a failover does to a server, and how it is undone.
FAULTS = {
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "no replicas": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
}


@pytest.fixture
def enqueue(redis):
    """Give a function that puts a call in line by RQ's own queue."""
    return rq.Queue(connection=redis).enqueue


@pytest.mark.parametrize("fault", FAULTS)
def test_a_job_that_ends_while_writes_are_refused_is_settled_when_they_are_not(
    start_worker, start_ready, redis, enqueue, notes, wait_until, ledger, fault
):
    """INV-06, FM-022, FM-024, FM-025: no attempt burned, nothing lost, and idle workers come back too."""
    harm, heal = FAULTS[fault]
    worker = start_worker(**PATIENT)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    idle = start_ready(name="idle", **PATIENT)
    redis.execute_command(*harm)
    notes.say_go()
    time.sleep(1.5)
    assert {worker.family[0], idle.family[0]} == {worker.pid, idle.pid}
    redis.execute_command(*heal)
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes"), len(notes("began"))) == (1, 0, 1)
    jobs = [enqueue("work.say", number) for number in range(4)]
    wait_until(lambda: all(ledger.status(each) == "finished" for each in jobs))


def test_a_full_redis_still_takes_the_end_of_a_job(start_worker, redis, enqueue, notes, wait_until, ledger):
    """FM-024: settles make room, and renewals need none; else a full Redis fills up with leases for ever."""
    start_worker(**PATIENT)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    redis.config_set("maxmemory", 1)
    renewed = len(ledger.moves(job, "renew"))
    wait_until(lambda: len(ledger.moves(job, "renew")) > renewed)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")


def test_an_idle_worker_takes_a_dead_ones_job_back_on_a_full_redis(
    start_worker, start_ready, redis, enqueue, notes, wait_until, ledger
):
    """LIV-01, FM-024: its own claims are refused, and a reclaim fits all the same."""
    worker = start_worker(**PATIENT)
    job = enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    start_ready(name="idle", **PATIENT)
    redis.config_set("maxmemory", 1)
    worker.kill()
    wait_until(lambda: ledger.moves(job, "reclaim"), within=20)
    assert ledger.status(job) == "queued"


def test_a_server_held_by_someones_script_costs_no_job(start_worker, server, enqueue, notes, wait_until, ledger, redis):
    """FM-023, FM-031: BUSY for a second; the worker asks again later, not at once and for ever."""
    worker = start_worker(**PATIENT)
    redis.config_set("lua-time-limit", 50)
    job = enqueue("work.noted_nap", notes.path, 1)
    wait_until(lambda: notes("began"))

    def hold():
        with server.client(socket_timeout=10) as client, suppress(RedisError):
            client.eval(
                "local t = redis.call('TIME') local e = t[1] * 1000 + t[2] / 1000 + 1500 "
                "repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > e",
                0,
            )

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_executions"), len(notes("began"))) == (1, 1)
    assert worker.log.count("Redis is away") <= 2


def test_forgotten_scripts_are_taught_again(start_worker, redis, enqueue, wait_until, ledger):
    """FM-030: SCRIPT FLUSH, again and again, in the middle of everything."""
    start_worker()
    jobs = [enqueue("work.say", number) for number in range(50)]

    def all_done():
        redis.script_flush()
        return all(ledger.status(job) == "finished" for job in jobs)

    wait_until(all_done)
    assert {ledger.number(job, "hf_executions") for job in jobs} == {1}


def test_connections_that_are_cut_all_the_time_cost_no_job(start_ready, redis, enqueue, wait_until, ledger):
    """INV-10, FM-008: a load balancer that drops connections; each operation is asked again under its own number."""
    for name in ("one", "two"):
        start_ready(name=name, **PATIENT)
    jobs = [enqueue("work.say", number) for number in range(60)]

    def all_done():
        redis.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.02)
        return all(ledger.status(job) == "finished" for job in jobs)

    wait_until(all_done, within=40)
    assert {ledger.number(job, "hf_executions") for job in jobs} == {1}
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}


def test_lost_replies_run_nothing_twice(start_worker, server, redis, enqueue, notes, wait_until, ledger):
    """INV-06, INV-10, FM-008, FM-009: done, but never told so; asked again, the first answer comes back."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)

    eaten, numbers = [], count(1)

    def eat_some(request):
        # Every seventh by number, so that some are eaten whatever the dice say.
        if request.words[0].upper() != b"EVALSHA" or (next(numbers) % 7 and dice.random() > 0.1):
            return Pass()
        eaten.append(request)
        return EatReply()

    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = eat_some
        worker = start_worker(url=proxy.url, **PATIENT)
        jobs = [enqueue("work.note", notes.path, f"job {number}") for number in range(60)]
        wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs), within=40)
        proxy.rule = lambda _: Pass()
    print(f"{len(eaten)} replies were lost")
    assert len(eaten) >= 60 // 7  # a plain job is one request
    assert notes() == [f"job {number}" for number in range(60)]
    assert redis.hget(keys.worker(worker.name), "successful_job_count") == b"60"
    assert "no longer ours" not in worker.log


def test_a_slow_link_is_no_dead_worker(start_worker, server, redis, enqueue, notes, wait_until, ledger):
    """INV-05, INV-09, FM-043: 150 ms each way, a lease of three seconds; renewals go before all else."""
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        start_worker(url=proxy.url, lease_ms=3_000, renew_ms=300, margin_ms=300, reap_ms=50)
        job = enqueue("work.held", notes.path)
        wait_until(lambda: notes("began"))
        proxy.latency_ms = 150
        start_worker(name="quick", lease_ms=3_000, renew_ms=300, margin_ms=300, reap_ms=50)
        time.sleep(4.5)
        notes.say_go()
        wait_until(lambda: ledger.status(job) == "finished")
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (1, 0)
