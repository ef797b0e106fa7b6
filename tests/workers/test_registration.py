"""A worker's entry in RQ's registry, and those that the dead have left there."""

import logging

import pytest

from holdfast.jobs.errors import NameTaken
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys, leavers
from holdfast.workers.worker import Worker


@pytest.fixture
def worker(redis):
    """Give a worker of ours that has not begun."""
    return Worker(["default"], connection=redis, name="w")


@pytest.fixture
def leave_dead(redis):
    """Give a function that lists so many workers who were killed long ago."""

    def leave(count, name="dead"):
        for number in range(count):
            for key in (keys.workers(), keys.workers_of("default")):
                redis.sadd(key, keys.worker(f"{name}-{number}"))
        redis.sadd(keys.queues(), keys.queue("default"))

    return leave


def test_a_worker_that_begins_takes_the_dead_out_of_rqs_lists(worker, redis, leave_dead):
    """Autoscaled workers have a new name each; those that were killed would be listed, and asked for, for ever."""
    leave_dead(1_200)
    worker.register_birth()
    assert redis.smembers(keys.workers()) == redis.smembers(keys.workers_of("default")) == {b"rq:worker:w"}


def test_a_worker_that_lives_takes_out_who_dies_later_a_step_at_each_beat(worker, redis, leave_dead, monkeypatch):
    """However many they are, no beat takes long: there may be a lease to renew."""
    monkeypatch.setattr(leavers, "_PAGE", 10)
    worker.register_birth()
    leave_dead(300, "later")
    now_ms, beats = 1_000_000, 0
    worker._registration.beat(now_ms)
    redis.delete(keys.turn("leavers"))
    now_ms += leavers.EVERY_MS
    while redis.scard(keys.workers_of("default")) > 1:
        left = redis.scard(keys.workers())
        now_ms = worker._registration.beat(now_ms)
        assert redis.scard(keys.workers()) > left - 150
        beats += 1
        assert beats < 1_000
    assert beats > 10


def test_lists_that_the_server_gives_no_right_to_end_no_worker(worker, redis, leave_dead, monkeypatch, caplog):
    """It is said, and the worker goes on."""
    leave_dead(1)
    redis.set(keys.turn("leavers"), "no number")
    with caplog.at_level(logging.WARNING, "rq.worker"):
        worker.register_birth()
    assert redis.smembers(keys.workers()) >= {b"rq:worker:w"}
    assert "stay in RQ's lists for now" in caplog.text


def test_who_spoke_a_moment_ago_elsewhere_keeps_its_name_however_short_the_lease(redis):
    """The second before this one may be a millisecond ago; its entry was deleted, and two workers had one name."""
    settings = Settings(lease_ms=950, renew_ms=300, margin_ms=100)
    worker = Worker(["default"], connection=redis, name="w", settings=settings)
    micros = 1_000_000
    while micros > 100_000:  # else it may well be silent for longer than that
        now_s, micros = redis.time()
    redis.hset(worker.key, mapping={"hostname": "elsewhere", "pid": 1, "hf_beat": now_s - 1})
    with pytest.raises(NameTaken):
        worker.register_birth()


def test_the_name_of_who_has_been_silent_elsewhere_for_a_lease_is_free(worker, redis):
    """FM-047: and for the second in which it spoke, whose end we do not know."""
    redis.hset(worker.key, mapping={"hostname": "elsewhere", "pid": 1, "hf_beat": redis.time()[0] - 12})
    worker.register_birth()
    assert redis.hget(worker.key, "hostname") != b"elsewhere"
