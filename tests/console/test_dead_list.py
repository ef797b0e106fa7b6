"""`holdfast dead list` shows the last to end first, counts what is there, and leaves out what is dead no longer."""

from datetime import UTC, datetime

import pytest

from holdfast.jobs.store import failed as failed_module
from holdfast.jobs.store import keys


def bury(pool, job_id, queue="default"):
    pool.enqueue(job_id, queue)
    worker = pool.worker()
    worker.bury(worker.hold(queue))


def ids_of(done):
    assert done.exit_code == 0, done.output
    return [line.split()[0] for line in done.output.splitlines() if line.startswith("job-")]


def ends(pool, job_id, minute):
    pool.redis.hset(keys.job(job_id), "ended_at", f"2026-01-02T03:{minute:02}:05.000000Z")


def test_those_that_are_kept_for_ever_do_not_hide_the_newer_ones(pool, holdfast):
    """failure_ttl=-1: RQ's registry is in the order in which jobs are forgotten."""
    for number in range(4):
        bury(pool, f"job-{number}")
        ends(pool, f"job-{number}", number)
    pool.redis.zadd(keys.failed("default"), {"job-0": "inf", "job-1": "inf"})
    assert ids_of(holdfast("dead", "list", "--limit", 2)) == ["job-3", "job-2"]


def test_where_not_all_are_looked_at_the_list_says_so(pool, holdfast, monkeypatch):
    """It would take minutes among a million."""
    monkeypatch.setattr(failed_module, "LOOKED_AT", 3)
    for number in range(5):
        bury(pool, f"job-{number}")
    said = holdfast("dead", "list", "--limit", 2).output
    assert "default: 3 more of 5; --limit shows them. These are the last of the 3 that are kept longest." in said


def test_more_than_may_be_asked_for_is_not_advised(pool, holdfast):
    """--limit takes 10000."""
    bury(pool, "job-1")
    pool.redis.zadd(keys.failed("default"), {f"gone-{number}": 9e12 for number in range(10_001)})
    assert "more of 10002; --limit shows 10000 at the most." in holdfast("dead", "list").output


def test_what_rq_has_to_forget_is_not_counted(pool, holdfast):
    """As `holdfast status` counts: RQ's registries keep what is over until somebody cleans them."""
    bury(pool, "job-1")
    pool.redis.zadd(keys.failed("default"), {f"over-{number}": 1 for number in range(50)})
    assert "more of" not in holdfast("dead", "list").output


@pytest.mark.parametrize("where", ["line", "finished", "started"])
def test_what_stock_rq_was_given_again_is_dead_no_longer(pool, holdfast, where):
    """It failed in one queue, and was enqueued in another: RQ leaves its id among the failed of the first."""
    bury(pool, "job-1")
    bury(pool, "job-2")
    job = pool.stock_queue().fetch_job("job-1")
    pool.stock_queue("low").enqueue_job(job)
    if where == "finished":
        pool.redis.lpop(keys.queue("low"))
        pool.redis.hset(keys.job("job-1"), "status", "finished")
    if where == "started":
        pool.worker().hold("low")
    assert pool.redis.zscore(keys.failed("default"), "job-1")
    assert ids_of(holdfast("dead", "list")) == ["job-2"]


def test_a_status_that_an_app_saved_over_does_not_hide_the_dead(pool, holdfast):
    """It stands nowhere else."""
    bury(pool, "job-1")
    pool.redis.hset(keys.job("job-1"), "status", "started")
    assert ids_of(holdfast("dead", "list")) == ["job-1"]


def test_how_long_ago_goes_by_the_servers_clock(pool, holdfast, monkeypatch):
    """The operator's laptop is a day off."""
    bury(pool, "job-1")
    ended_s = pool.redis.time()[0] - 5 * 60
    ended = datetime.fromtimestamp(ended_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    pool.redis.hset(keys.job("job-1"), "ended_at", ended)
    monkeypatch.setattr("holdfast.jobs.clock.SystemClock.wall_s", lambda _: ended_s + 86_400.0)
    assert "5 min ago" in holdfast("dead", "list").output
