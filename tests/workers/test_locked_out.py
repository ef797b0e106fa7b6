"""A worker loses its user or its rights while it works: it waits, says whom to look at, and goes on once let in."""

import time

import pytest
import rq

from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

RIGHTS = ["~*", "&*", "+@all"]
TIMING = {"lease_ms": 2_500, "renew_ms": 300, "margin_ms": 300}


@pytest.fixture
def let_in(server, redis):
    """Give a function that makes the user that a worker connects as, with these rights besides."""

    def make(*words):
        redis.execute_command("ACL", "SETUSER", "wk", "reset", "on", ">secret", *RIGHTS, *words)
        return server.url.replace("redis://", "redis://wk:secret@")

    return make


def test_a_worker_whose_user_is_gone_waits_and_goes_on_when_it_is_back(
    start_worker, server, redis, let_in, notes, wait_until, ledger, is_alive
):
    """Credentials are rotated in two steps: as in any outage its job is let go at its lease's end, and none is lost."""
    worker = start_worker(url=let_in(), **TIMING)
    job = rq.Queue(connection=redis).enqueue("work.sleep_through", notes.path)
    wait_until(lambda: notes("began"))
    [horse] = notes.pids("began")
    began = time.monotonic()
    redis.execute_command("ACL", "DELUSER", "wk")
    wait_until(lambda: not is_alive(horse))
    assert time.monotonic() - began < TIMING["lease_ms"] / 1000 + 0.5
    assert not worker.has_ended
    let_in()
    wait_until(lambda: "Redis is back" in worker.log)
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_crashes") == 0
    told = [line for line in worker.log.splitlines() if "Look at the user and password of the address" in line]
    assert len(told) == 1, told
    assert f"Redis is away (redis://127.0.0.1:{server.port}/0: " in told[0]
    assert "secret" not in worker.log
    assert "Traceback" not in worker.log


@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param(["SETUSER", "wk", "-@all"], "docs/how-to/connections.md lists them", id="no-rights"),
        pytest.param(["DELUSER", "wk"], "Look at the user and password of the address", id="no-user"),
        pytest.param(
            ["SETUSER", "wk", "resetkeys", "~holdfast:*", "~rq:[^j]*"],
            "docs/how-to/connections.md lists them",
            id="no-records",
        ),
    ],
)
def test_an_idle_worker_that_is_locked_out_for_a_while_waits(
    start_ready, redis, let_in, wait_until, ledger, command, told
):
    """Also its chores, and its horse, which looks for a job by itself: all of it is told of once."""
    worker = start_ready(url=let_in(), **TIMING)
    enqueue = rq.Queue(connection=redis).enqueue
    first = enqueue("work.say", 1)
    wait_until(lambda: ledger.status(first) == "finished")
    redis.execute_command("ACL", *command)
    second = enqueue("work.say", 2)
    wait_until(lambda: told in worker.log)
    time.sleep(2)
    assert not worker.has_ended
    assert redis.lrange(keys.queue("default"), 0, -1) == [second.id.encode()]
    let_in()
    wait_until(lambda: ledger.status(second) == "finished")
    wait_until(lambda: "Redis is back" in worker.log)
    assert "Traceback" not in worker.log
    assert worker.log.count(told) == 1
    assert worker.log.count("Redis is back") == 1


def test_a_worker_that_may_not_read_jobs_ends_at_its_start_with_one_line(start_worker, redis, let_in):
    """A slip in a pattern: it used to take the whole line for jobs without records."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(url=let_in("resetkeys", "~holdfast:*", "~rq:[^j]*", "~rq:jobs:*"))
    assert worker.wait() == 1
    said = worker.log.strip()
    assert "\n" not in said, said
    assert "Its user lacks a right that a worker needs" in said
    assert redis.lrange(keys.queue("default"), 0, -1) == [job.id.encode()]


def test_a_worker_that_may_call_no_scripts_ends_at_its_start_with_one_line(start_worker, let_in):
    """It used to come as far as its first chore, and ended with a traceback."""
    worker = start_worker(url=let_in("-@scripting"))
    assert worker.wait() == 1
    said = worker.log.strip()
    assert "\n" not in said, said
    assert "no permissions to run the 'eval' command. Its user lacks a right that a worker needs" in said
