"""`holdfast status`: what is where, who lives, and what needs a person."""

import json
import re

import pytest
from redis.exceptions import OutOfMemoryError
from rq.worker import Worker as StockWorker

from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys, looks
from holdfast.recovery import keeper
from holdfast.recovery.reaper import Reaper


def look(holdfast):
    done = holdfast("status", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def register(pool, name, *, beat_s=0, queues="default", **more):
    """Put a worker into RQ's registry, as one of ours that last spoke so many seconds ago."""
    said = {"hostname": "box-7", "pid": 42, "state": "idle", "queues": queues, "version": "2.12.0"} | more
    said |= {"hf_instance": "a" * 16, "hf_beat": pool.redis.time()[0] - beat_s}
    pool.redis.hset(keys.worker(name), mapping=said)
    pool.redis.sadd(keys.workers(), keys.worker(name))


@pytest.fixture
def well(pool):
    """Give a fleet that needs nobody."""
    pool.redis.config_set("maxmemory-policy", "noeviction")
    register(pool, "w1")
    pool.reap(every_ms=1_000)
    pool.promote(every_ms=1_000)
    return pool


def test_each_job_is_counted_where_it_is(pool, holdfast):
    """One in each place, and none twice."""
    worker = pool.worker()
    pool.enqueue("finished")
    worker.complete(worker.hold())
    pool.enqueue("dead")
    worker.bury(worker.hold(), cause="rejected")
    pool.enqueue("stopped")
    worker.bury(worker.hold(), cause="stopped", status="stopped")
    pool.enqueue("late")
    worker.postpone(worker.hold(), delay_ms=60_000)
    pool.enqueue("held")
    held = worker.hold()
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on="held")
    pool.enqueue("canceled").cancel()
    pool.enqueue("waits")
    [queue] = look(holdfast)["queues"]
    counts = {
        "name": "default",
        "in_line": 1,
        "leased": 1,
        "overdue": 0,
        "scheduled": 1,
        "due": 0,
        "deferred": 1,
        "failed": 2,
        "canceled": 1,
        "finished": 1,
        "at_stock": 0,
        "causes": {"rejected": 1, "stopped": 1},
    }
    assert {name: queue[name] for name in counts} == counts
    assert queue["first_deadline_ms"] == held.deadline_ms


def test_the_head_line_names_the_server(pool, holdfast):
    """One shell looks at production, the other does not."""
    where = pool.redis.connection_pool.connection_kwargs["path"]
    assert holdfast("status").output.startswith(f"server: unix://{where}, ")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"role": "slave"}, "it is a replica (READONLY)"),
        ({"aof_last_write_status": "err"}, "its last write to the append-only file failed (MISCONF)"),
        ({"rdb_last_bgsave_status": "err"}, "its last save to disk failed (MISCONF"),
        ({"min_slaves_good_slaves": 0}, "it has no replica that keeps up (NOREPLICAS)"),
    ],
)
def test_a_server_that_refuses_writes_is_named_first(well, holdfast, monkeypatch, said, why):
    """Workers fall silent and chores late for that, and none of them is at fault."""
    register(well, "w2", beat_s=60)
    server = looks._server
    monkeypatch.setattr(looks, "_server", lambda info: server({**info, **said}))
    first, *others = look(holdfast)["needs_you"]
    assert first.startswith(f"the server refuses writes, and nobody claims or repairs: {why}")
    assert others


def test_what_is_overdue_and_due_is_told_apart(pool, holdfast):
    """A lease past its deadline is a silent worker; a job that is due waits for a promoter."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    worker = pool.worker()
    worker.hold()
    worker.postpone(worker.hold(), delay_ms=5_000)
    pool.time_passes(12_000)
    [queue] = look(holdfast)["queues"]
    assert (queue["leased"], queue["overdue"], queue["scheduled"], queue["due"]) == (1, 1, 1, 1)
    assert re.search(r"1 \(1 overdue, by up to 2\.\d s\)", holdfast("status").output)


def test_what_a_stock_worker_failed_or_holds_is_told_as_such(pool, holdfast):
    """It has no cause of ours, and no lease."""
    job = pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.lpop(keys.queue("default"))
    job.set_status("failed")
    job.failed_job_registry.add(job, ttl=600)
    pool.redis.zadd(keys.wip("default"), {"job-2:e1": pool.now_ms() / 1_000 + 60})
    [queue] = look(holdfast)["queues"]
    assert (queue["causes"], queue["at_stock"], queue["leased"]) == ({"stock RQ": 1}, 1, 0)


def test_a_queue_that_rq_forgot_is_shown_while_it_has_leases(pool, holdfast):
    """Somebody emptied RQ's set of queues; jobs are being worked on all the same."""
    pool.enqueue(queue="high")
    pool.worker().hold("high")
    pool.redis.delete(keys.queues())
    [queue] = look(holdfast)["queues"]
    assert (queue["name"], queue["leased"]) == ("high", 1)


def test_workers_say_who_they_are(well, holdfast):
    """Ours by the server's clock, stock ones by their own word; one whose entry is gone is not shown."""
    stock = StockWorker(["low"], name="s1", connection=well.redis)
    stock.register_birth()
    well.redis.sadd(keys.workers(), keys.worker("long-gone"))
    ours, theirs = sorted(look(holdfast)["workers"], key=lambda worker: not worker["is_ours"])
    assert (ours["name"], ours["host"], ours["pid"], ours["queues"]) == ("w1", "box-7", 42, ["default"])
    assert 0 <= ours["silent_ms"] < 5_000
    assert (theirs["name"], theirs["is_ours"], theirs["queues"]) == ("s1", False, ["low"])
    assert "stock RQ" in holdfast("status").output


def test_a_fleet_that_is_well_needs_nobody(well, holdfast):
    """No line begins with an exclamation mark, and a program can ask for that."""
    assert look(holdfast)["needs_you"] == []
    shown = holdfast("status").output
    assert "! " not in shown
    assert "reaper: passed " in shown
    assert "suspended: no" in shown


def test_a_chore_that_there_is_is_shown(well, holdfast, monkeypatch):
    """Whoever adds one adds it once: it was run by all, and nobody was told whether it was done."""

    class Sweeper(Reaper):
        name = "sweeper"

    monkeypatch.setattr(keeper, "CHORES", (*keeper.CHORES, (Sweeper, lambda _: 7_000)))
    assert [chore["name"] for chore in look(holdfast)["chores"]] == ["reaper", "promoter", "orphans", "sweeper"]
    assert "sweeper: never passed" in holdfast("status").output


@pytest.mark.parametrize(
    ("trouble", "need"),
    [
        (lambda pool: pool.redis.set(keys.suspended(), 1), "the fleet is suspended"),
        (lambda pool: pool.redis.delete(keys.reaper(), keys.turn("reaper")), "the reaper never passed"),
        (lambda pool: pool.time_passes(60_000), "the reaper passed 1 min ago: nobody repairs"),
        (
            lambda pool: pool.enqueue(queue="low"),
            "1 job is in line in low, and no living worker listens there. Start one: `rq worker -w holdfast.workers.W",
        ),
        (
            lambda pool: pool.redis.hset(keys.worker("w1"), "hf_false_starts", 6),
            "worker w1: 6 horses in a row ended before they began a job",
        ),
        (lambda pool: register(pool, "w2", beat_s=61), "worker w2 on box-7 is silent for 1 min"),
    ],
)
def test_what_needs_a_person_is_said(well, holdfast, trouble, need):
    """With what to do; the exit code stays 0, for this is a look and no check."""
    trouble(well)
    needs = look(holdfast)["needs_you"]
    well.redis.config_set("maxmemory-policy", "noeviction")
    assert any(need in each for each in needs), needs


@pytest.fixture
def give_memory(redis):
    """Give a function that lets the server take so many bytes more than it has."""
    yield lambda more: redis.config_set("maxmemory", redis.info("memory")["used_memory"] + more)
    redis.config_set("maxmemory", 0)


def fill(redis):
    for number in range(10_000):
        redis.set(f"much-{number}", b"x" * 1_000)


def test_a_server_without_memory_is_named_before_the_workers_that_fall_silent_for_it(well, holdfast, give_memory):
    """They wait for it: who looks at them first looks in vain."""
    register(well, "w2", beat_s=60)
    give_memory(500_000)
    with pytest.raises(OutOfMemoryError):
        fill(well.redis)
    first, *others = look(holdfast)["needs_you"]
    assert "the server's memory is full, " in first
    assert "it takes in no job and gives none out. Raise its maxmemory" in first
    assert any("w2" in each for each in others)


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        ("allkeys-lru", "it deletes whatever it likes, queues, jobs and leases too"),
        ("volatile-ttl", "finished and failed jobs and keys given with key= go before their time. Jobs that wait"),
    ],
)
def test_what_a_server_would_delete_is_said_if_it_ever_would(well, holdfast, give_memory, policy, what):
    """FM-026: in the words of a worker that starts. Without a limit a policy is a word."""
    well.redis.config_set("maxmemory-policy", policy)
    try:
        assert look(holdfast)["needs_you"] == []
        give_memory(100_000_000)
        (need,) = look(holdfast)["needs_you"]
    finally:
        well.redis.config_set("maxmemory-policy", "noeviction")
    assert f"maxmemory-policy {policy}: once it is full" in need
    assert what in need


def test_a_server_with_memory_left_needs_nobody(well, holdfast, give_memory):
    """A limit alone is no trouble."""
    give_memory(100_000_000)
    assert look(holdfast)["needs_you"] == []


def test_a_line_that_only_a_dead_worker_listens_to_is_said(well, holdfast):
    """Its entry stays for minutes after a kill."""
    register(well, "w2", beat_s=60, queues="low")
    well.enqueue(queue="low")
    assert any("1 job is in line in low" in each for each in look(holdfast)["needs_you"])


def test_a_million_dead_are_not_read(pool, holdfast, monkeypatch):
    """The last hundred are, and the look says so."""
    pool.stock_queue().enqueue("shop.pack")
    forgotten_s = pool.now_ms() / 1_000 + 600
    pool.redis.zadd(keys.failed("default"), {f"job-{n}": forgotten_s + n for n in range(5_000)})
    for number in range(4_800, 5_000):
        pool.redis.hset(keys.job(f"job-{number}"), mapping={"status": "failed", "hf_dead": "crashes"})
    calls = pool.redis.info("commandstats")["cmdstat_hmget"]["calls"] if pool.reap() else 0
    [queue] = look(holdfast)["queues"]
    assert (queue["failed"], queue["causes"], queue["causes_read"]) == (5_000, {"crashes": 100}, 100)
    assert pool.redis.info("commandstats")["cmdstat_hmget"]["calls"] - calls < 200
    assert "5000 (crashes 100; of 100)" in holdfast("status").output


def test_a_server_that_is_not_there_is_said_in_a_line(holdfast, server):
    """No traceback at 3 a.m."""
    from click.testing import CliRunner  # noqa: PLC0415 - another address than the fixture's

    from holdfast.console.cli import main  # noqa: PLC0415

    done = CliRunner().invoke(main, ["status", "--redis-url", "unix:///nowhere/at/all.sock"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "Traceback" not in done.output


def test_settings_that_are_wrong_are_said_in_a_line(holdfast, monkeypatch):
    """The command reads what a worker reads."""
    monkeypatch.setenv("HOLDFAST_LEASE_MS", str(Settings().renew_ms))
    done = holdfast("status")
    assert done.exit_code == 1
    assert "HOLDFAST_LEASE_MS (lease_ms) is 3000: it must exceed" in done.output


def test_names_that_are_no_text_hide_no_others(well, holdfast):
    """FM-033: one queue, one worker or one cause that is no UTF-8, as somebody's program wrote it."""
    name = b"caf\xe9"
    well.enqueue()
    well.redis.sadd(keys.queues(), keys.queue("").encode() + name)
    well.redis.sadd(keys.leased(), name)
    well.redis.sadd(keys.workers(), keys.worker("").encode() + name)
    well.redis.hset(keys.worker("w1"), "hostname", name)
    well.redis.hset(keys.job("dead"), mapping={"status": "failed", "hf_dead": name})
    well.redis.zadd(keys.failed("default"), {"dead": "+inf"})
    seen = look(holdfast)
    assert {r"caf\xe9", "default"} <= {queue["name"] for queue in seen["queues"]}
    assert [worker["host"] for worker in seen["workers"]] == [r"caf\xe9"]
    done = holdfast("dead", "list")
    assert done.exit_code == 0, done.output
    assert r"caf\xe9" in done.output
