"""Connections that an app keeps for its next enqueue: used by one at a time, and never after they have gone bad."""

import os
import threading

import pytest
import redis.exceptions as errors
from redis import ConnectionPool, Redis

from holdfast.jobs import Queue
from holdfast.jobs.store.connections import Line, SpareLines
from holdfast.jobs.store.scripts import Scripts
from tests.jobs.test_queue import Counted

#: Of a lease that nobody has.
RENEWAL = dict.fromkeys(("worker_name", "queue", "job_id", "execution", "fence", "extend_ms", "epoch", "worked_s"), "1")


@pytest.fixture
def client(server, redis):
    """Give a client of an app, which counts."""
    del redis
    Counted.opened = Counted.sent = 0
    path = server.url.removeprefix("unix://")
    return Redis(connection_pool=ConnectionPool(connection_class=Counted, path=path))


@pytest.fixture
def queue(client):
    """Give a queue that has enqueued, and forget the count."""
    queue = Queue(connection=client)
    queue.enqueue("shop.fulfil")
    Counted.opened = Counted.sent = 0
    return queue


def test_a_line_that_the_server_has_closed_is_not_tried(queue, redis):
    """An app that enqueues once an hour to a server that closes what is idle: no failed try, and no pause after it."""
    redis.client_kill_filter(_type="normal", skipme=True)
    queue.enqueue("shop.fulfil")
    assert (Counted.opened, Counted.sent, len(queue)) == (1, 1, 2)


def test_after_a_failover_every_line_is_made_anew(queue):
    """FM-022: the old master refuses writes on connections that look healthy."""
    queue._way.courier.take_note(errors.ReadOnlyError("You can't write against a read only replica."))
    queue.enqueue("shop.fulfil")
    assert Counted.opened == 1


def test_a_child_has_lines_of_its_own(queue):
    """Two processes on one socket would read each other's replies."""
    if (pid := os.fork()) == 0:
        code = 1
        try:
            queue.enqueue("shop.fulfil")
            code = 0 if Counted.opened == 1 else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    queue.enqueue("shop.fulfil")
    assert (Counted.opened, len(queue)) == (0, 3)


def test_threads_do_not_share_a_line(queue):
    """Each has one to itself for as long as it waits for a reply, and what was needed at once is kept for later."""
    together, jobs = threading.Barrier(8), []

    def enqueue():
        together.wait()
        jobs.extend(queue.enqueue("shop.fulfil") for _ in range(50))

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(queue.job_ids[1:]) == sorted(job.id for job in jobs)
    assert Counted.opened <= len(threads) - 1 + len(["the one that tells what is in line"])


def test_no_more_are_kept_than_was_said(client):
    """An app of many threads does not hold as many connections for ever."""
    spare = SpareLines(client, most=1)
    lines = [spare.take() for _ in range(3)]
    for line in lines:
        line.send("PING")
        line.read()
        spare.put_back(line)
    assert [spare.take() is line for line in lines] == [True, False, False]


def test_a_line_with_a_reply_on_its_way_is_not_kept(client, redis, monkeypatch):
    """INV-10: a job's time may be up while an enqueue is under way; its reply is not that of the next."""

    def time_is_up(*_, **__):
        raise KeyboardInterrupt

    scripts = Scripts(client, spare=SpareLines(client, most=1))
    assert scripts.call("drop", op="1", job_id="A-1") == [b"none"]
    redis.client_pause(200)
    with monkeypatch.context() as patched:
        patched.setattr(Line, "read", time_is_up)
        with pytest.raises(KeyboardInterrupt):
            scripts.call("drop", op="2", job_id="A-1")
    assert scripts.call("drop", op="3", job_id="A-1") == [b"none"]
    assert Counted.opened == 2


def test_the_answer_to_one_trip_is_never_that_to_another(client):
    """INV-10: what is on its way when something else is asked is given up, and asked again by whoever wants to know."""
    scripts = Scripts(client, line=Line(client))
    first, second = scripts.trip("drop", op="1", job_id="A-1"), scripts.trip("renew", **RENEWAL)
    assert (first.answer(), second.answer()) == ([b"none"], [b"lost"])
    first.send()
    assert second.answer() == [b"lost"]
    assert first.answer() == [b"none"]
    assert Counted.opened == 2
