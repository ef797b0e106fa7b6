"""RQ's lists of workers and groups lose who is gone: a page at a time, once for the fleet, and nobody else."""

import pytest
import rq
from rq.group import Group
from rq.worker_registration import clean_worker_registry

from holdfast.jobs.store import keys, leavers

#: A name that is no UTF-8, as somebody's program wrote it.
NO_TEXT = b"caf\xe9"


def list_worker(redis, name, *queues, lives):
    """List a worker where RQ does; its record has expired unless it lives."""
    if lives:
        redis.hset(keys.worker(name), "state", "idle")
    for key in (keys.workers(), *map(keys.workers_of, queues)):
        redis.sadd(key, keys.worker(name))
    redis.sadd(keys.queues(), *map(keys.queue, queues))


def take_out_all(redis):
    """Give how many steps it took."""
    return len(list(leavers.take_out(redis)))


def test_the_dead_leave_every_list_and_the_living_stay(either):
    """A kill -9 leaves a name in each; RQ's own function, which stock workers call, then has nothing left to do."""
    list_worker(either, "alive", "a", "b", lives=True)
    list_worker(either, "dead", "a", "b", lives=False)
    take_out_all(either)
    for key in (keys.workers(), keys.workers_of("a"), keys.workers_of("b")):
        assert either.smembers(key) == {b"rq:worker:alive"}
    clean_worker_registry(rq.Queue("a", connection=either))
    assert either.smembers(keys.workers_of("a")) == {b"rq:worker:alive"}


def test_groups_forget_expired_jobs_and_empty_groups_are_forgotten(either):
    """As RQ's own maintenance has it."""
    queue = rq.Queue(connection=either)
    names = [f"g{number}" for number in range(50)]
    for name in names:
        jobs = [rq.Queue.prepare_data("shop.fulfil", job_id=f"{name}-{which}") for which in ("kept", "expired")]
        Group.create(either, name).enqueue_many(queue, jobs)
        either.delete(keys.job(f"{name}-expired"), *([keys.job(f"{name}-kept")] if name == "g7" else []))
    take_out_all(either)
    assert either.smembers(keys.group("g1")) == {b"g1-kept"}
    assert {name.decode() for name in either.smembers(keys.groups())} == set(names) - {"g7"}


def test_thousands_go_page_by_page(redis):
    """No step looks at more than a page, so that neither the server nor a lease waits for it."""
    names = [keys.worker(str(number)) for number in range(3_000)]
    redis.sadd(keys.workers(), *names)
    redis.sadd(keys.groups(), "big")
    redis.sadd(keys.group("big"), *range(3_000))
    most = [0, 0]
    for _ in leavers.take_out(redis):
        left = [redis.scard(keys.workers()), redis.scard(keys.group("big"))]
        if most != [0, 0]:
            assert all(before - now <= 2 * leavers._PAGE for before, now in zip(most, left, strict=True))
        most = left
    assert most == [0, 0]
    assert not redis.exists(keys.groups())


def test_the_fleet_does_it_once_in_ten_minutes(redis):
    """A thousand workers ask, one looks; a turn further off than that is one of a clock that went back."""
    list_worker(redis, "dead", "a", lives=False)
    take_out_all(redis)
    list_worker(redis, "dead", "a", lives=False)
    assert take_out_all(redis) == 0
    redis.incrby(keys.turn("leavers"), 1_000)
    take_out_all(redis)
    assert not redis.exists(keys.workers())


@pytest.mark.parametrize("step", range(8))
def test_a_worker_that_takes_its_old_name_meanwhile_stays_listed(redis, step):
    """It entered between the question and the removal; nothing would list it again."""
    list_worker(redis, "again", "a", lives=False)
    for number, _ in enumerate(leavers.take_out(redis)):
        if number == step:
            list_worker(redis, "again", "a", lives=True)
    assert redis.smembers(keys.workers()) == redis.smembers(keys.workers_of("a")) == {b"rq:worker:again"}


@pytest.mark.parametrize("key", [keys.workers(), keys.workers_of("a"), keys.groups(), keys.group("g")])
def test_a_list_that_is_none_keeps_nobody_else_in_his(either, key):
    """FM-033: somebody wrote a text there; nor does a name that is no text."""
    list_worker(either, "dead", "a", "b", lives=False)
    either.sadd(keys.groups(), "g", NO_TEXT)
    either.sadd(keys.group("h"), "gone")
    either.sadd(keys.workers_of("b"), NO_TEXT)
    either.delete(key)
    either.set(key, "x")
    take_out_all(either)
    assert not either.exists(keys.workers_of("b"))
    assert either.exists(key)
    assert either.type(keys.groups()) == b"string" or either.smembers(keys.groups()) <= {b"g"}
