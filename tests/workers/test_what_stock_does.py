"""Stock RQ, alone, in the same harness: what the pages of failure modes say of it under `Without us`.

Not what we wish of it. One that fails says that RQ has changed, and that a page must.
"""

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import rq
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from rq.job import Job, Retry

from holdfast.chaos.proxy import DelayRequest, DropRequest, FaultProxy, Pass
from holdfast.chaos.server import PrivateServer
from holdfast.jobs.store import keys

pytestmark = [pytest.mark.processes, pytest.mark.slow]

STOCK = {"worker_class": "rq.Worker"}


@pytest.fixture
def queue(redis):
    return rq.Queue(connection=redis)


@pytest.fixture
def start_stock(start_worker, redis, wait_until):
    """Give a function that starts a stock worker, and returns when it is listed."""

    def start(**how):
        worker = start_worker(**STOCK, **how)
        wait_until(lambda: redis.hget(keys.worker(worker.name), "state") in {b"idle", b"busy"})
        return worker

    return start


def test_an_order_that_is_sent_again_is_a_second_job(queue, redis):
    """FM-005: an enqueue has no name by which it could be known."""
    for _ in range(2):
        queue.enqueue("work.say", "order 17")
    assert redis.llen(keys.queue("default")) == 2


def test_an_enqueue_whose_request_is_lost_raises_to_the_app(server):
    """FM-007: and the app cannot tell whether Redis has the job."""
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = lambda _: DropRequest()
        with pytest.raises(RedisConnectionError):
            rq.Queue(connection=Redis.from_url(proxy.url)).enqueue("work.say", 1)


def test_a_success_that_comes_late_is_written_over_a_cancel(start_worker, server, redis, queue, notes, wait_until):
    """FM-010: held up in the network while its sender died, it says of no attempt that it is its own."""
    settling = []

    def hold_the_settle(request):
        if notes("go") and request.words[0].upper() == b"MULTI":
            settling.append(request)
            return DelayRequest(2_000)
        return Pass()

    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = hold_the_settle
        worker = start_worker(url=proxy.url, **STOCK)
        job = queue.enqueue("work.held", notes.path)
        wait_until(lambda: notes("began"))
        notes.say_go()
        wait_until(lambda: settling)
        worker.kill_all()
        Job.fetch(job.id, redis).cancel()
        assert job.get_status(refresh=True) == "canceled"
        wait_until(lambda: job.get_status(refresh=True) == "finished", within=5)


def test_a_simple_worker_runs_its_job_where_it_would_beat(start_worker, queue, notes, wait_until):
    """FM-015: there is nobody else to do so; the usual worker has a horse."""
    simple = start_worker(worker_class="rq.SimpleWorker")
    queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    assert notes.pids("began") == [simple.pid]


HARMS = {
    "BUSY": "local e = redis.call('TIME')[1] + 3 repeat until tonumber(redis.call('TIME')[1]) >= e",
    "NOREPLICAS": None,
}


@pytest.mark.parametrize("harm", HARMS)
def test_an_answer_that_says_not_now_ends_the_worker(start_stock, server, redis, queue, notes, wait_until, harm):
    """FM-023, FM-025: it is no connection error, and the job in hand stays `started`."""
    worker = start_stock()
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    thread = threading.Thread(target=hold_by_a_script, args=(server, HARMS[harm]))
    if HARMS[harm]:
        redis.config_set("lua-time-limit", 50)
        thread.start()
        time.sleep(0.5)
    else:
        redis.config_set("min-replicas-to-write", 1)
    notes.say_go()
    wait_until(lambda: worker.has_ended, within=60)
    if HARMS[harm]:
        thread.join()
    else:
        redis.config_set("min-replicas-to-write", 0)
    assert job.get_status(refresh=True) == "started"


def hold_by_a_script(server, script):
    with server.client(socket_timeout=10) as client, suppress(RedisError):
        client.eval(script, 0)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_policy_that_evicts_jobs_is_not_asked_for(start_stock, redis, queue, wait_until, policy):
    """FM-026: the worker starts, and when the line is gone there is nothing to do."""
    redis.config_set("maxmemory-policy", policy)
    job = queue.enqueue("work.say", 1)
    redis.delete(keys.queue("default"))
    start_stock()
    other = queue.enqueue("work.say", 1)
    wait_until(lambda: other.get_status(refresh=True) == "finished")
    assert job.get_status(refresh=True) == "queued"


def test_an_id_whose_record_expired_is_passed_over_without_a_word(start_stock, redis, queue, wait_until):
    """FM-027: neither the log nor a key says that there was one."""
    lost = queue.enqueue("work.say", 1, ttl=1)
    wait_until(lambda: not redis.exists(keys.job(lost.id)))
    worker = start_stock()
    job = queue.enqueue("work.say", 1)
    wait_until(lambda: job.get_status(refresh=True) == "finished")
    assert lost.id not in worker.log
    assert redis.llen(keys.queue("default")) == 0


def test_scripts_that_were_forgotten_are_taught_again(start_stock, redis, queue, wait_until):
    """FM-030: by redis-py, for the few that RQ has."""
    start_stock()
    jobs = [queue.enqueue("work.say", number) for number in range(10)]

    def all_done():
        redis.script_flush()
        return all(job.get_status(refresh=True) == "finished" for job in jobs)

    wait_until(all_done)


def test_a_record_that_cannot_be_restored_ends_the_worker(start_stock, redis, queue, wait_until):
    """FM-033: and its job is no longer in line."""
    worker = start_stock()
    job = queue.create_job("work.say", (1,))
    job.save()
    redis.hset(keys.job(job.id), mapping={"status": "queued", "timeout": "soon", "created_at": "yesterday"})
    redis.rpush(keys.queue("default"), job.id)
    wait_until(lambda: worker.has_ended)
    assert redis.llen(keys.queue("default")) == 0


def test_a_call_that_cannot_be_unpickled_fails_its_job(start_stock, redis, queue, wait_until):
    """FM-033: as with us."""
    start_stock()
    job = queue.create_job("work.say", (1,))
    job.save()
    redis.hset(keys.job(job.id), mapping={"status": "queued", "data": b"no pickle"})
    redis.rpush(keys.queue("default"), job.id)
    wait_until(lambda: redis.hget(keys.job(job.id), "status") == b"failed")


def test_a_record_does_not_say_which_version_wrote_it(redis, queue):
    """FM-032: so no worker can know that a field means something else by now."""
    job = queue.enqueue("work.say", 1)
    assert not [field for field in redis.hgetall(keys.job(job.id)) if b"version" in field]


@pytest.mark.parametrize("retry", [None, Retry(max=3)], ids=["without Retry", "with Retry"])
def test_a_job_that_kills_its_horse_is_tried_again_at_once_or_never(start_stock, queue, notes, wait_until, retry):
    """FM-034: a death is a failure like any other, and uses up a retry."""
    start_stock()
    began = time.monotonic()
    job = queue.enqueue("work.die", "kill", notes.path, retry=retry)
    wait_until(lambda: job.get_status(refresh=True) == "failed")
    assert len(notes("began")) == (4 if retry else 1)
    assert time.monotonic() - began < 5


def test_what_failed_together_comes_back_together(start_stock, queue, redis, wait_until, tmp_path):
    """FM-036: a Retry's interval has no jitter, and what is due is put in line in one pass."""
    start_stock(options=["--with-scheduler"])
    files = [tmp_path / f"job {number}" for number in range(10)]
    jobs = [queue.enqueue("work.fail_at_first", str(file), 1, retry=Retry(max=1, interval=60)) for file in files]
    scheduled = keys.scheduled("default")
    wait_until(lambda: redis.zcard(scheduled) == len(jobs))
    began = [float(file.read_text().split()[1]) for file in files]
    waits = [redis.zscore(scheduled, job.id) - moment for job, moment in zip(jobs, began, strict=True)]
    assert max(waits) - min(waits) < 4
    redis.zadd(scheduled, dict.fromkeys((job.id for job in jobs), time.time()))
    wait_until(lambda: all(job.get_status(refresh=True) == "finished" for job in jobs))
    in_line = [job.enqueued_at.timestamp() for job in jobs]
    assert max(in_line) - min(in_line) < 1


def test_a_retry_with_an_interval_waits_for_ever_where_no_scheduler_runs(start_stock, queue, notes, wait_until):
    """FM-036: `rq worker` alone does not put it in line."""
    start_stock()
    job = queue.enqueue("work.fail_at_first", notes.path, 1, retry=Retry(max=1, interval=1))
    wait_until(lambda: job.get_status(refresh=True) == "scheduled")
    time.sleep(4)
    assert job.get_status(refresh=True) == "scheduled"


def test_a_slow_link_does_not_disturb_it(start_worker, server, queue, wait_until):
    """FM-043: 50 ms each way; a heartbeat has half a minute."""
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.latency_ms = 50
        start_worker(url=proxy.url, **STOCK)
        job = queue.enqueue("work.nap", 1)
        wait_until(lambda: job.get_status(refresh=True) == "finished", within=30)


def test_a_worker_told_to_stop_waits_for_its_job_and_told_twice_kills_it(start_stock, queue, notes, wait_until):
    """FM-044: however long it takes; the second time the job is left `started`, for somebody's maintenance to find."""
    worker = start_stock()
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    worker.send(signal.SIGTERM)
    time.sleep(3)
    assert not worker.has_ended
    worker.send(signal.SIGTERM)
    wait_until(lambda: worker.has_ended, within=30)
    assert job.get_status(refresh=True) == "started"


def test_a_horse_is_forked_beside_a_thread(start_stock, start_ready, wait_until):
    """FM-045: one that listens for commands; ours has none."""
    stock, ours = start_stock(), start_ready(name="ours")
    stock_has, ours_has = (len(list(Path(f"/proc/{worker.pid}/task").iterdir())) for worker in (stock, ours))
    assert (stock_has, ours_has) == (2, 1)


def test_a_horse_that_uses_its_parents_client_gets_its_own_answers(start_stock, queue, wait_until):
    """FM-046: redis-py notices the new pid, and connects anew."""
    start_stock()
    job = queue.enqueue("work.talk_to_redis", 500)
    wait_until(lambda: job.get_status(refresh=True) == "finished")


def test_the_name_of_a_dead_worker_is_refused(start_stock, start_worker, redis):
    """FM-047: until its entry expires, minutes later."""
    start_stock(name="ada").kill_all()
    again = start_worker(name="ada", **STOCK)
    assert again.wait() != 0
    assert "There exists an active worker named 'ada' already" in again.log
    assert redis.ttl(keys.worker("ada")) > 400


def test_the_outcome_of_a_job_that_was_canceled_while_it_ran_is_written_all_the_same(
    start_stock, redis, queue, notes, wait_until
):
    """FM-050: it says `finished`, and stands in the registry of canceled jobs."""
    start_stock()
    job = queue.enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    Job.fetch(job.id, redis).cancel()
    notes.say_go()
    wait_until(lambda: job.get_status(refresh=True) == "finished")
    assert job.latest_result().return_value == "began"


def test_nothing_asks_redis_for_the_time(start_stock, redis, queue, wait_until):
    """FM-017, FM-018: a wrong clock of Redis shows in expiries only."""
    start_stock(options=["--with-scheduler"])
    job = queue.enqueue("work.say", 1)
    wait_until(lambda: job.get_status(refresh=True) == "finished")
    assert "cmdstat_time" not in redis.info("commandstats")


def test_a_cluster_refuses_an_enqueue_in_the_middle(wait_until):
    """FM-054: its transaction spans keys of several slots, and nobody says so before."""
    with PrivateServer(arguments=("--cluster-enabled", "yes")) as cluster, cluster.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        wait_until(lambda: "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO")))
        with pytest.raises(RedisError, match="same slot"):
            rq.Queue(connection=client).enqueue("work.say", 1)
