"""The floor does what it stands for: each job is claimed under a lease, and settled once."""

import pytest

from benchmarks.adapters.floor import JOB, LEASE_MS, LEASES, QUEUE, TRADE


@pytest.fixture
def trade(redis):
    """Give a trip: what was done, and how many more are wanted."""
    script = redis.register_script(TRADE)

    def trip(want, *done):
        answer = script(keys=[QUEUE, LEASES], args=[LEASE_MS, want, JOB, *done])
        return dict(zip(answer[::2], answer[1::2], strict=True))

    for job in ("a", "b", "c"):
        redis.hset(JOB + job, mapping={"call": "noop", "status": "queued"})
        redis.rpush(QUEUE, job)
    return trip


def test_a_trip_claims_the_next_jobs_under_leases(trade, redis):
    """With what is to be called, and a deadline by the server's clock."""
    assert trade(2) == {b"a": b"noop", b"b": b"noop"}
    seconds, us = redis.time()
    deadlines = dict(redis.zrange(LEASES, 0, -1, withscores=True))
    assert set(deadlines) == {b"a", b"b"}
    assert all(0 < deadline - (seconds * 1000 + us / 1000) <= LEASE_MS for deadline in deadlines.values())
    assert redis.hget(JOB + "a", "status") == b"started"


def test_the_next_trip_settles_them_and_claims_more(trade, redis):
    """One trip for both."""
    trade(2)
    assert trade(2, "a", "b") == {b"c": b"noop"}
    assert redis.hget(JOB + "a", "status") == b"finished"
    assert redis.zrange(LEASES, 0, -1) == [b"c"]
    assert trade(2, "c") == {}


def test_what_nobody_holds_is_not_settled(trade, redis):
    """As a lease that ran out would be."""
    trade(1, "b")
    assert redis.hget(JOB + "b", "status") == b"queued"
