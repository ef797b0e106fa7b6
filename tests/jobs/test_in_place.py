"""An app's own tests, without a worker: is_async=False runs a job where it is enqueued, with its effects."""

from threading import Barrier, Thread

import pytest
import rq
from redis.exceptions import ResponseError

from holdfast.jobs import NotInAJob, Queue, effect, fence
from holdfast.jobs.errors import UnsupportedServer

CHARGES = []


def fulfil(order_id, *, fails=False):
    """Charge once, and give the receipt."""
    with effect("charge", on_doubt="fail") as charge:
        if charge.first:
            CHARGES.append(charge.key)
            charge.value = f"receipt of {order_id}"
        if fails:
            raise ConnectionError
    return charge.value, fence()


@pytest.fixture
def queue(fake):
    CHARGES.clear()
    return Queue(connection=fake, is_async=False)


def test_a_job_with_an_effect_is_run_in_place(queue):
    """As a user of RQ would test it."""
    job = queue.enqueue(fulfil, "A-1", job_id="A-1")
    assert job.get_status() == "finished", job.latest_result().exc_string
    receipt, token = job.return_value()
    assert receipt == "receipt of A-1"
    assert 1.7e15 < token < 2**53
    (key,) = CHARGES
    assert key.startswith("A-1:")
    assert key.endswith(".1:charge")


def test_each_job_in_place_is_the_first(queue):
    """Nothing is kept from one to the next, nor of one that failed."""
    assert queue.enqueue(fulfil, "A-1", job_id="A-1", fails=True).get_status() == "failed"
    assert queue.enqueue(fulfil, "A-1", job_id="A-1").get_status() == "finished"
    assert len(CHARGES) == 2


def test_two_threads_run_jobs_in_place_side_by_side(queue):
    """A threaded server under test."""
    both, seen = Barrier(2), []

    def enqueue(name):
        def job():
            with effect("charge") as charge:
                both.wait(5)
                seen.append((name, charge.key.partition(":")[0]))
                both.wait(5)

        queue.run_job(_prepared(queue, name, job))

    threads = [Thread(target=enqueue, args=(name,)) for name in ("A-1", "A-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [("A-1", "A-1"), ("A-2", "A-2")]


def _prepared(queue, name, function):
    job = queue.create_job("shop.fulfil", job_id=name)
    job.origin = queue.name
    job.perform = function
    return job


def test_afterwards_it_is_over(queue):
    """A direct call is not protected, and says how to test it."""
    queue.enqueue(fulfil, "A-1")
    with pytest.raises(NotInAJob, match=r"holdfast\.jobs\.Queue with is_async=False"):
        fulfil("A-1")


def test_rqs_own_queue_in_place_has_no_effects(fake):
    """It runs the function as any code does."""
    job = rq.Queue(connection=fake, is_async=False).enqueue(fulfil, "A-1")
    assert job.get_status() == "failed"
    assert "holdfast.jobs.Queue with is_async=False" in job.latest_result().exc_string


def test_a_fake_server_without_lua_is_told_what_it_needs(fake, monkeypatch):
    """It is installed without lupa, unless asked, and then knows no scripts."""

    def refuse(*_, **__):
        raise ResponseError("unknown command 'evalsha'")

    queue = Queue(connection=fake)
    monkeypatch.setattr(queue._way.entrance, "enqueue", refuse)
    with pytest.raises(UnsupportedServer, match=r"pip install 'fakeredis\[lua\]'"):
        queue.enqueue("shop.fulfil")
