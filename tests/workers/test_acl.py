"""The rights that docs/how-to/connections.md gives a worker are enough for all it does, and none is too much."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import rq
from rq.command import send_stop_job_command
from rq.job import Callback

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

PAGE = Path(__file__).parents[2] / "docs/how-to/connections.md"
PASSWORD = "p@ss:w/rd?#%"
IN_A_URL = "p%40ss%3Aw%2Frd%3F%23%25"


def rights():
    """Give the rights that the page says, in its order."""
    line = re.search(r"^ACL SETUSER worker on >\S+ ((?:.+\\\n)*.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert line, "the page has no ACL SETUSER line"
    return line[1].replace("\\\n", " ").split()


@pytest.fixture
def login(server, redis):
    """Give a function that makes a user with these rights and gives the URL to connect as it."""

    def make(words):
        redis.execute_command("ACL", "SETUSER", "worker", "reset", "on", f">{PASSWORD}", *words)
        redis.execute_command("ACL", "LOG", "RESET")
        return server.url.replace("redis://", f"redis://worker:{IN_A_URL}@")

    return make


@pytest.fixture
def refused(redis):
    """Give a function that tells what the server has refused."""

    def read():
        return sorted({f"{entry['reason']} {entry['object']}" for entry in redis.acl_log()})

    return read


def test_a_worker_with_the_rights_of_the_page_is_refused_nothing(
    start_ready, server, redis, login, refused, notes, wait_until, ledger
):
    """Every kind of job and end, two deaths, a command from outside, a password that a URL must quote."""
    url = login(rights())
    worker = start_ready(url=url, orphans_ms=100, orphaned_ms=200)
    with server.client() as admin:
        queue = rq.Queue(connection=admin)
        first = queue.enqueue("work.say", 1, repeat=rq.Repeat(times=1, interval=1))
        jobs = [
            first,
            queue.enqueue("work.say", 2, depends_on=first, result_ttl=0),
            queue.enqueue("work.die_once", notes.path, "kill"),
            queue.enqueue("work.fail_at_first", notes.path, 1, retry=rq.Retry(max=2, interval=1)),
            queue.enqueue("work.noted_boom", notes.path, on_failure=Callback("work.on_failure")),
            queue.enqueue_in(timedelta(seconds=1), "work.progress", notes.path),
        ]
        notes.say_go()
        wait_until(lambda: all(ledger.status(job) in {"finished", "failed", None} for job in jobs), within=20)
        lost = queue.enqueue("work.say", 3)
        redis.lrem(keys.queue("default"), 0, lost.id)
        Path(notes.path).unlink()
        held = queue.enqueue("work.held", notes.path, "first", on_stopped=Callback("work.on_stopped"))
        wait_until(lambda: notes("first"))
        send_stop_job_command(admin, held.id)
        wait_until(lambda: notes("stopped"))
        dead = queue.enqueue("work.held", notes.path, "second")
        wait_until(lambda: notes("second"))
        worker.kill_all()
        start_ready(url=url, name="another")
        wait_until(lambda: len(notes("second")) == 2)
        notes.say_go()
        wait_until(lambda: ledger.status(dead) == "finished")
    assert refused() == []


def test_an_app_with_the_same_rights_can_put_in_line(server, redis, login, refused):
    """Who enqueues needs no more than who runs."""
    with redis.from_url(login(rights())) as client:
        queue = Queue(connection=client)
        queue.enqueue("work.say", 1, key="once")
        queue.enqueue("work.say", 2, depends_on=queue.enqueue_in(timedelta(hours=1), "work.say"))
        rq.Queue(connection=client).enqueue("work.say", 3)
        assert len(queue) == 2
    assert refused() == []


@pytest.mark.parametrize("word", [word for word in rights() if not word.startswith("-")])
def test_a_worker_that_lacks_one_of_them_is_refused_something(start_worker, redis, login, refused, notes, word):
    """So that the line does not grow: whoever takes a word away sees it in ACL LOG."""
    worker = start_worker(url=login([other for other in rights() if other != word]), options=["--max-idle-time", "1"])
    rq.Queue(connection=redis).enqueue("work.die_once", notes.path, "kill")
    worker.wait(20)
    assert refused()
