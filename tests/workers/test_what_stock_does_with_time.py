"""Stock RQ's idea of moments, zones and rules: what the pages of failure modes say of it under `Without us`."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import rq
from rq.cron import CronJob

from holdfast.jobs.store import keys


@pytest.fixture
def in_berlin(monkeypatch):
    """Let this machine's local time be Berlin's."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
def test_a_naive_moment_in_winter_is_taken_for_an_hour_earlier(redis):
    """FM-040: it looks whether the zone ever has summer time, not whether it has it on that day."""
    job = rq.Queue(connection=redis).enqueue_at(datetime(2027, 1, 15, 12, 0), "work.say", 1)  # noqa: DTZ001 - as apps write it
    meant = datetime(2027, 1, 15, 11, 0, tzinfo=UTC)
    assert redis.zscore(keys.scheduled("default"), job.id) - meant.timestamp() == -3_600


@pytest.mark.usefixtures("in_berlin")
def test_a_cron_rule_is_read_in_utc():
    """FM-040: whatever the machine's zone; its nights do not move with people's."""
    rule = CronJob(queue_name="default", func=len, cron="30 2 * * *")
    moment = rule.next_enqueue_time
    assert (moment.tzinfo.utcoffset(moment), moment.hour, moment.minute) == (timedelta(0), 2, 30)


def test_a_cron_rule_that_was_missed_is_not_made_up_for():
    """FM-041: the next time is reckoned from the start of its process."""
    rule = CronJob(queue_name="default", func=len, cron="* * * * *")
    assert rule.next_enqueue_time > datetime.now(UTC)
