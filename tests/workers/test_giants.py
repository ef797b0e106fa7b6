"""A file in an argument, a data frame as a result: one job is too big, and the others must not pay for it."""

import os
import socket
import socketserver
import threading
import time
from datetime import timedelta

import pytest
import rq
from redis.exceptions import ResponseError

from holdfast.jobs import Queue
from holdfast.jobs.errors import TooBig
from holdfast.jobs.store.sizes import check_size

pytestmark = pytest.mark.processes

MB = 1_000_000


@pytest.mark.parametrize("queue_class", [rq.Queue, Queue], ids=["stock", "ours"])
def test_a_giant_argument_is_carried_and_the_jobs_around_it_flow(start_ready, redis, wait_until, ledger, queue_class):
    """FM-037, INV-12: 40 MB to a worker with a lease of two seconds; no lease is lost on the way, and none behind."""
    start_ready(name="one")
    start_ready(name="two")
    queue = queue_class(connection=redis)
    giant = queue.enqueue("builtins.len", os.urandom(40 * MB))
    small = [queue.enqueue("work.say", number) for number in range(20)]
    wait_until(lambda: all(ledger.status(job) == "finished" for job in (giant, *small)))
    assert giant.return_value(refresh=True) == 40 * MB
    assert {ledger.number(job, "hf_executions") for job in (giant, *small)} == {1}


def test_a_giant_result_is_kept_whole(start_worker, redis, wait_until, ledger):
    """FM-037: 20 MB; there is no limit of ours, and renewals do not wait for it."""
    start_worker()
    job = rq.Queue(connection=redis).enqueue("builtins.bytes", 20 * MB)
    wait_until(lambda: ledger.status(job) == "finished")
    assert job.return_value(refresh=True) == bytes(20 * MB)
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (1, 0)


@pytest.fixture
def strict_redis(redis):
    """Let Redis refuse what is longer than 1 MB, in place of 512 MB, as it does: by hanging up."""
    redis.config_set("proto-max-bulk-len", 1024 * 1024)
    return redis


@pytest.mark.parametrize("how", ["enqueue", "after another", "in a while", "many"])
def test_an_argument_that_redis_does_not_take_is_an_error_of_its_enqueue(strict_redis, how):
    """FM-037, INV-10: whoever enqueues it hears at once how big it is and may be, and nothing of it is written."""
    queue, giant = Queue(connection=strict_redis), os.urandom(2 * MB)
    first = queue.enqueue("builtins.len", b"small")
    before = sorted(strict_redis.keys("*"))
    ways = {
        "enqueue": lambda: queue.enqueue("builtins.len", giant),
        "after another": lambda: queue.enqueue("builtins.len", giant, depends_on=first),
        "in a while": lambda: queue.enqueue_in(timedelta(hours=1), "builtins.len", giant),
        "many": lambda: queue.enqueue_many([Queue.prepare_data("builtins.len", (data,)) for data in (b"", giant)]),
    }
    with pytest.raises(TooBig, match=r"the call of job .* has 2000\d{3} bytes, and this Redis takes 1048576") as told:
        ways[how]()
    assert isinstance(told.value, ValueError)
    assert sorted(strict_redis.keys("*")) == before


def test_a_result_that_redis_does_not_take_is_a_failure_that_says_so(start_worker, strict_redis, wait_until, ledger):
    """FM-037, LIV-01: Redis would hang up on it, which looks like an outage; it is run once, also with retries."""
    start_worker()
    queue = rq.Queue(connection=strict_redis)
    job = queue.enqueue("builtins.bytes", 2 * MB, job_timeout=-1, retry=rq.Retry(max=3))
    behind = queue.enqueue("work.say", 1)
    wait_until(lambda: ledger.status(behind) == "finished", within=30)
    assert ledger.status(job) == "failed"
    assert f"TooBig: the result of job {job.id} has 2666" in ledger.field(job, "hf_error")
    assert "this Redis takes 1048576 in one value" in ledger.field(job, "hf_error")
    assert (ledger.number(job, "hf_executions"), ledger.number(job, "hf_crashes")) == (1, 0)


def test_a_server_that_forbids_config_has_the_limit_that_all_have(redis, monkeypatch):
    """FM-037: 512 MB, unless somebody says otherwise; a value below 1 MB is sent without a question."""
    asked = []

    def forbidden(name):
        asked.append(name)
        raise ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(redis, "config_get", forbidden)
    check_size(redis, "it", bytes(1024 * 1024))
    assert asked == []
    check_size(redis, "it", bytes(2 * MB))
    assert asked == ["proto-max-bulk-len"]


class Relay(socketserver.BaseRequestHandler):
    """Takes requests to the server at once, and brings replies steadily, and slowly."""

    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.target)) as there:
            threading.Thread(target=self._carry, args=(self.request, there, 0), daemon=True).start()
            self._carry(there, self.request, 0.02)

    def _carry(self, source, sink, pause_s):
        step = self.server.step
        try:
            while data := source.recv(step):
                sink.sendall(data)
                time.sleep(pause_s if len(data) == step else 0)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # one of both is gone, and so is the road


@pytest.fixture
def slow_road(server):
    """Give a port from which 4 MB a second come at most."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads, relay.block_on_close = True, False
        relay.target, relay.step = server.port, 4 * MB // 50
        thread = threading.Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        yield relay.server_address[1]
        relay.shutdown()
        thread.join()


def test_a_record_that_travels_for_longer_than_its_lease_is_run_all_the_same(
    start_ready, slow_road, redis, wait_until, ledger
):
    """FM-037, LIV-01: it takes 3 s on its way, the lease is 2 s; nobody else is there to take it meanwhile."""
    worker = start_ready(url=f"redis://127.0.0.1:{slow_road}", lease_ms=2_000, renew_ms=400, margin_ms=400)
    job = rq.Queue(connection=redis).enqueue("builtins.len", os.urandom(12 * MB))
    wait_until(lambda: ledger.status(job) == "finished", within=60)
    assert ledger.number(job, "hf_crashes") == 0
    # Where the road, which is a thread of this process, stood still for longer than an answer may, that is an outage.
    assert ledger.number(job, "hf_executions") == 1 or "Redis is away" in worker.log
