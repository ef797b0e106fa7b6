"""A line for each move at debug: what was asked of which job, and the answer; and none at info."""

import logging

import pytest


@pytest.fixture
def lines(caplog):
    """Give a function that tells what was logged of moves."""
    caplog.set_level(logging.DEBUG, logger="rq.worker.moves")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "rq.worker.moves"]


def test_each_move_is_a_line(pool, lines):
    """An operator follows a job through the log of `rq worker --verbose`."""
    pool.enqueue()
    worker = pool.worker()
    lease = worker.hold()
    worker.renew(lease)
    worker.complete(lease, value="c2VjcmV0")
    whose = f"queue=default job_id=job-1 execution={lease.execution} fence={lease.fence}"
    assert lines()[0] == "enqueue queue_name=default job_id=job-1 -> queued job-1"
    assert lines()[1].startswith(f"claim  -> claimed default job-1 {lease.execution}")
    assert lines()[2].startswith(f"renew {whose} -> renewed")
    assert lines()[3] == f"complete {whose} -> completed"


def test_what_a_job_carries_is_not_in_the_log(pool, lines):
    """Neither its arguments nor its value: they may be secret, and large."""
    pool.enqueue(description="secret")
    worker = pool.worker()
    worker.complete(worker.hold(), value="c2VjcmV0")
    assert not [line for line in lines() if "A-1" in line or "ecret" in line or "c2VjcmV0" in line]


def test_at_info_there_is_none(pool, caplog):
    """Quiet at ten thousand jobs a second."""
    caplog.set_level(logging.INFO, logger="rq.worker.moves")
    pool.enqueue()
    assert not [record for record in caplog.records if record.name == "rq.worker.moves"]
