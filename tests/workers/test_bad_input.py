"""Whatever a worker is given that it cannot use, it says so in one line: what was seen, of what, and what to do."""

import os
import pickle
import signal
import socket
import socketserver
import threading
import time
import zlib

import pytest
import rq

from holdfast.chaos.proxy import EatReply, FaultProxy, Pass
from holdfast.chaos.server import PrivateServer
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

MB = 1_000_000


def refuses(worker, *words):
    """Wait for the end of a worker that could not begin, and look at what it said."""
    assert worker.wait(30) == 1
    assert len(worker.log.strip().splitlines()) == 1, worker.log
    for word in words:
        assert word in worker.log


class Puppet(socketserver.StreamRequestHandler):
    """Answers each request with what its server was made to say, and hangs up if that is nothing."""

    def handle(self):
        while line := self.rfile.readline():
            count = int(line[1:]) if line.startswith(b"*") else 0
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(count)]
            answer = self.server.says(words)
            if answer is None:
                return
            self.wfile.write(answer)


@pytest.fixture
def puppet():
    """Give a function that starts a server of few words, and gives its port."""
    running = []

    def start(says):
        served = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Puppet)
        served.daemon_threads, served.block_on_close, served.says = True, False, says
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((served, thread))
        return served.server_address[1]

    yield start
    for served, thread in running:
        served.shutdown()
        served.server_close()
        thread.join()


def old_redis(words):
    """Speak as a Redis 5 does: no HELLO, and INFO with its version."""
    if words[0].upper() == b"HELLO":
        return b"-ERR unknown command `HELLO`\r\n"
    if words[0].upper() == b"INFO":
        info = b"# Server\r\nredis_version:5.0.7\r\nredis_mode:standalone\r\n"
        return b"$%d\r\n%s\r\n" % (len(info), info)
    return b"+OK\r\n"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        pytest.param(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Redis", id="a web server"),
        pytest.param(lambda _: None, "It hung up", id="hangs up"),
        pytest.param(old_redis, "this Redis is 5.0.7; Holdfast needs 6.2 or newer", id="too old"),
    ],
)
def test_a_server_that_is_none_for_us_is_named_with_what_to_do(start_worker, puppet, says, words):
    """RQ asks it first, and would end with its traceback; the password of the address is not told."""
    port = puppet(says)
    worker = start_worker(url=f"redis://app:secret@127.0.0.1:{port}/2")
    refuses(worker, words)
    assert "secret" not in worker.log


def test_a_server_that_is_not_there_is_named_by_its_address(start_worker):
    """Refused, or a name that nobody has: what a typing error looks like."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        port = closed.getsockname()[1]
        workers = [start_worker(url=f"redis://127.0.0.1:{port}"), start_worker(url="redis://nobody.invalid")]
        refuses(workers[0], f"redis://127.0.0.1:{port}/0: ", "Connection refused", "give another address")
        refuses(workers[1], "redis://nobody.invalid:6379/0: ", "give another address")


def test_a_wrong_password_and_a_wrong_scheme_are_told_from_an_outage(start_worker, redis, server):
    """Waiting would never end."""
    redis.config_set("requirepass", "right")
    refuses(start_worker(url=server.url.replace("//", "//:wrong@")), "Look at the user and password")
    refuses(start_worker(url="http://127.0.0.1"), "Redis URL must specify", "Look at -u and RQ_REDIS_URL")


def test_a_cluster_is_refused_at_the_door(start_worker):
    """FM-054: RQ's own first question to it ends with a traceback about a slot."""
    with PrivateServer(arguments=("--cluster-enabled", "yes")) as cluster:
        refuses(start_worker(url=cluster.url), "cluster mode", "Use a primary with replicas")


def test_a_server_that_evicts_keys_in_use_is_refused(start_worker, redis, ledger):
    """FM-026: it would lose lines and leases without a word. Without a limit it evicts nothing, and is let in."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    redis.config_set("maxmemory-policy", "allkeys-lru")
    redis.config_set("maxmemory", "100mb")
    refuses(start_worker(), "maxmemory 104857600 and maxmemory-policy allkeys-lru", "to noeviction")
    assert ledger.status(job) == "queued"
    redis.config_set("maxmemory", "0")
    assert start_worker(options=["--burst"]).wait(30) == 0
    assert ledger.status(job) == "finished"


def test_a_server_that_evicts_what_has_an_expiry_is_warned_of_once(start_worker, redis):
    """FM-026: what waits or runs carries none."""
    redis.config_set("maxmemory-policy", "volatile-lru")
    redis.config_set("maxmemory", "100mb")
    worker = start_worker(options=["--burst"])
    assert worker.wait(30) == 0
    assert worker.log.count("maxmemory-policy volatile-lru") == 1


NOT_NOW = {
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "no replicas": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
}


@pytest.mark.parametrize("fault", NOT_NOW)
def test_a_worker_that_starts_while_redis_says_not_now_waits_and_begins(start_worker, redis, wait_until, ledger, fault):
    """FM-023 to FM-025: a deploy in the wrong minute leaves a fleet, not a crash loop."""
    harm, heal = NOT_NOW[fault]
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    redis.execute_command(*harm)
    worker = start_worker()
    wait_until(lambda: "Redis is away" in worker.log, within=30)
    time.sleep(0.5)
    assert not worker.has_ended
    redis.execute_command(*heal)
    wait_until(lambda: ledger.status(job) == "finished", within=30)
    assert worker.log.count("Redis is away") == 1


@pytest.mark.parametrize("words", ["LOADING Redis is loading", "MASTERDOWN Link is down", "OOM not with that memory"])
def test_a_worker_that_is_asked_to_stop_while_redis_loads_stops(start_worker, puppet, wait_until, words):
    """FM-023, FM-024: RQ's own first question would end it with an error; as process 1 it would not hear SIGTERM."""
    asked = []

    def says(request):
        asked.append(request[0].upper())
        if asked[-1] == b"INFO":
            info = b"redis_version:7.0.15\r\nloading:1\r\n"
            return b"$%d\r\n%s\r\n" % (len(info), info)
        if asked[-1] == b"EXISTS":  # without memory, Redis 7.0 refuses it in a transaction, as RQ asks it
            return b":0\r\n" if words.startswith("OOM") and asked[-2] != b"MULTI" else f"-{words}\r\n".encode()
        return b"-EXECABORT because of previous errors\r\n" if asked[-1] == b"EXEC" else b"+OK\r\n"

    worker = start_worker(url=f"redis://127.0.0.1:{puppet(says)}?protocol=2")
    wait_until(lambda: "Redis is away" in worker.log or worker.has_ended, within=30)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_worker_that_cannot_register_yet_heeds_a_signal(start_worker, redis, wait_until):
    """FM-025: it has promised nothing to anybody, so it goes at once, and leaves no entry."""
    redis.config_set("min-replicas-to-write", 1)
    worker = start_worker()
    wait_until(lambda: "Redis is away" in worker.log, within=30)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert redis.exists(keys.worker(worker.name)) == 0


def test_a_birth_whose_answer_was_lost_does_not_refuse_its_own_name(start_worker, server, redis, wait_until, ledger):
    """FM-008, FM-047: it was done and is done again; nobody is told of a dead worker that never was."""
    eaten = []

    def eat_the_first(request):
        if request.words[0].upper() != b"EXEC" or len(eaten) > 2:
            return Pass()
        eaten.append(request)
        # The first is our look, the second RQ's own question, on the user's connection; the third is the birth.
        return EatReply() if len(eaten) > 2 else Pass()

    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        proxy.rule = eat_the_first
        worker = start_worker(url=proxy.url, lease_ms=4_000)
        wait_until(lambda: ledger.status(job) == "finished", within=30)
        assert [found.name for found in rq.Worker.all(redis)] == [worker.name]
        worker.kill_all()
    assert len(eaten) == 3
    assert worker.log.count("Redis is away") == 1
    assert "is dead" not in worker.log


GARBLED = {
    "no module": ({"data": zlib.compress(pickle.dumps(("no.module", None, (), {})))}, "calls no.module"),
    "no function": ({"data": zlib.compress(pickle.dumps(("work.gone", None, (), {})))}, "calls work.gone"),
    "no pickle": ({"data": b"garbled"}, "(7 bytes, first b'garbled') cannot be read with DefaultSerializer"),
    "another serializer": ({"data": zlib.compress(b'["work.say", null, [], {}]')}, "the serializer (-S)"),
    "a number of seconds that is none": ({"timeout": "soon"}, "soon"),
}


def test_jobs_that_cannot_be_called_fail_with_a_reason_and_the_others_flow(start_worker, redis, ledger):
    """INV-01, INV-12: one attempt each, no crash, kept among the failed with what to do."""
    queue = rq.Queue(connection=redis)
    bad = {}
    for name, (fields, _) in GARBLED.items():
        bad[name] = queue.enqueue("work.say", 1)
        redis.hset(keys.job(bad[name].id), mapping=fields)
    good = queue.enqueue("work.say", 1)
    worker = start_worker(options=["--burst"])
    assert worker.wait(60) == 0
    assert ledger.status(good) == "finished"
    assert set(queue.failed_job_registry.get_job_ids()) == {job.id for job in bad.values()}
    for name, job in bad.items():
        assert (ledger.number(job, "hf_failures"), ledger.number(job, "hf_crashes")) == (1, 0), name
        if name != "a number of seconds that is none":
            assert GARBLED[name][1] in ledger.field(job, "hf_error"), name


def test_an_id_that_is_no_text_ends_no_worker(start_worker, redis, notes, wait_until):
    """INV-12, LIV-03, FM-033: a key that is no job's, one in line that runs, and one that RQ cannot look up."""
    queue = rq.Queue(connection=redis)
    called = {b"runs \xe9": ("work.note", notes.path, "ran"), b"fails \xe9": ("work.look_up",)}
    redis.hset(keys.job("").encode() + b"caf\xe9", "note", "no job, in no line")
    for job_id, call in called.items():
        job = queue.enqueue(*call)
        redis.rename(keys.job(job.id), keys.job("").encode() + job_id)
        redis.lset(keys.queue("default"), -1, job_id)
    worker = start_worker(orphans_ms=100)
    queue.enqueue("work.note", notes.path, "behind")

    def seen(job_id):
        return redis.hmget(keys.job("").encode() + job_id, "status", "hf_failures", "hf_crashes")

    wait_until(lambda: notes("behind") and seen(b"fails \xe9")[0] == b"failed")
    assert seen(b"runs \xe9") == [b"finished", None, None]
    assert seen(b"fails \xe9") == [b"failed", b"1", None]
    assert b"surrogates not allowed" in redis.hget(keys.job("").encode() + b"fails \xe9", "hf_error")
    assert notes("ran") == ["ran"]
    looked = int(redis.get(keys.turn("orphans")))
    wait_until(lambda: int(redis.get(keys.turn("orphans"))) > looked)
    assert not worker.has_ended
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert "Traceback" not in worker.log.replace("exception raised while executing (work.look_up)\nTraceback", "")


def test_a_record_that_rq_cannot_read_is_the_failure_of_its_job_and_no_crash(start_worker, redis, notes, ledger):
    """INV-09, FM-033: a date as another language writes it, for a horse that knows the function."""
    queue, options = rq.Queue(connection=redis), [{}, {"result_ttl": -1}, {"repeat": rq.Repeat(times=2)}]
    queue.enqueue("work.note", notes.path, "first")
    jobs = [queue.enqueue("work.note", notes.path, f"ran {told}", **told) for told in options]
    for job in jobs:
        redis.hset(keys.job(job.id), "created_at", "2026-01-01T00:00:00+00:00")
    assert start_worker(options=["--burst"]).wait() == 0
    assert [ledger.status(job) for job in jobs] == ["finished", "finished", "failed"]
    assert len(notes("ran")) == 2
    assert "does not match format" in ledger.field(jobs[2], "hf_error")
    assert (ledger.number(jobs[2], "hf_failures"), ledger.number(jobs[2], "hf_crashes")) == (1, 0)


def test_a_date_that_is_no_text_is_no_crash(start_worker, redis, ledger):
    """INV-09, FM-033: whether it is looked at or not."""
    jobs = [rq.Queue(connection=redis).enqueue("work.say", number) for number in range(2)]
    for job in jobs:
        redis.hset(keys.job(job.id), "created_at", b"caf\xe9")
    assert start_worker(options=["--burst"]).wait(60) == 0
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    assert {ledger.status(job) for job in jobs} <= {"finished", "failed"}


def test_an_argument_of_a_hundred_megabytes_is_run_like_any_other(start_worker, redis, ledger):
    """FM-037: on a server with ordinary settings, and a job behind it."""
    queue = rq.Queue(connection=redis)
    giant, behind = queue.enqueue("builtins.len", os.urandom(100 * MB)), queue.enqueue("work.say", 1)
    began = time.monotonic()
    assert start_worker(options=["--burst"], lease_ms=10_000, renew_ms=3_000).wait(120) == 0
    print(f"{time.monotonic() - began:.1f} s with its start")
    assert (giant.return_value(refresh=True), ledger.status(behind)) == (100 * MB, "finished")
    assert (ledger.number(giant, "hf_executions"), ledger.number(giant, "hf_crashes")) == (1, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"lease_ms": 900, "renew_ms": 300},
            "HOLDFAST_LEASE_MS (lease_ms) is 900: it must exceed 3 x HOLDFAST_RENEW_MS",
        ),
        ({"lease_ms": 2_000, "margin_ms": 1_700}, "HOLDFAST_MARGIN_MS (margin_ms) is 1700: it must be below"),
        ({"jobs_per_horse": 0}, "HOLDFAST_JOBS_PER_HORSE (jobs_per_horse) is 0: it must be at least 1"),
        ({"laese_ms": 5_000}, "unknown setting HOLDFAST_LAESE_MS"),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(start_worker, settings, words):
    """Both are named with what was seen, and no traceback hides them."""
    refuses(start_worker(**settings), words)


def test_an_option_of_rqs_that_contradicts_a_setting_is_one_line(start_worker):
    """RQ's tools would take the worker for dead between two of its heartbeats."""
    worker = start_worker(options=["--worker-ttl", "-60"], renew_ms=300)
    refuses(worker, "HOLDFAST_RENEW_MS (renew_ms) is 300: it must be below RQ's --worker-ttl (-60 s) + 60 s")
