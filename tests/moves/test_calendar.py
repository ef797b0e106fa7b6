"""A moment that people name by their clocks is one moment, whatever the clocks do that night."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Promoted

BERLIN = ZoneInfo("Europe/Berlin")
#: What people there write, and when that is. At two the clocks go to three in March, at three to two in October.
MOMENTS = [
    pytest.param("2027-01-15T12:00", 0, "2027-01-15T11:00Z", id="in winter"),
    pytest.param("2027-07-15T12:00", 0, "2027-07-15T10:00Z", id="in summer"),
    pytest.param("2027-03-28T01:59", 0, "2027-03-28T00:59Z", id="before the gap"),
    pytest.param("2027-03-28T02:30", 0, "2027-03-28T01:30Z", id="in the gap"),
    pytest.param("2027-03-28T03:00", 0, "2027-03-28T01:00Z", id="after the gap"),
    pytest.param("2027-10-31T02:30", 0, "2027-10-31T00:30Z", id="the first time"),
    pytest.param("2027-10-31T02:30", 1, "2027-10-31T01:30Z", id="the second time"),
    pytest.param("2028-02-29T12:00", 0, "2028-02-29T11:00Z", id="a leap day"),
]


@pytest.fixture
def in_berlin(monkeypatch):
    """Let this machine's local time be Berlin's."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def due_s(pool, job_id="job-1"):
    return pool.redis.zscore(keys.scheduled("default"), job_id)


@pytest.mark.parametrize(("said", "fold", "meant"), MOMENTS)
def test_a_moment_in_a_zone_is_due_at_its_one_instant(pool, said, fold, meant):
    """FM-040, INV-12: the zone only says which instant is meant; from then on there is one clock, Redis' own."""
    pool.queue().enqueue_at(
        datetime.fromisoformat(said).replace(fold=fold, tzinfo=BERLIN), "shop.fulfil", job_id="job-1"
    )
    assert due_s(pool) == datetime.fromisoformat(meant).timestamp()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(("said", "fold", "meant"), MOMENTS)
def test_a_naive_moment_is_due_when_this_machines_clock_will_show_it(pool, said, fold, meant):
    """FM-040, INV-12: by the zone's rule for that day, not for today."""
    pool.queue().enqueue_at(datetime.fromisoformat(said).replace(fold=fold), "shop.fulfil", job_id="job-1")
    assert due_s(pool) == datetime.fromisoformat(meant).timestamp()


def test_an_hour_from_now_is_an_hour_whatever_the_clocks_do_meanwhile(new_pool):
    """FM-040, INV-12: from half past one in the night of the gap, one hour later it is half past three."""
    with new_pool() as pool:
        begin = datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN)
        pool.clock.sleep(begin.timestamp() - pool.clock.wall_s())
        pool.queue().enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="job-1")
        pool.clock.sleep(3_600 - 0.001)
        assert pool.promote() == Promoted(0, 0)
        pool.clock.sleep(0.001)
        assert pool.promote() == Promoted(1, 1)
        there = datetime.fromtimestamp(pool.now_ms() / 1_000, tz=BERLIN)
        assert (there.hour, there.minute) == (3, 30)


def test_a_night_whose_hour_comes_twice_has_one_job_under_the_key_of_its_date(pool):
    """FM-040, INV-11: what a producer's own nightly trigger needs, as there are no cron entries of ours."""
    for fold in (0, 1):
        moment = datetime(2027, 10, 31, 2, 30, fold=fold, tzinfo=BERLIN)
        pool.queue().enqueue("shop.fulfil", key=f"nightly {moment.date()}")
    assert len(pool.line()) == 1
