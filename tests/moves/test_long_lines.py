"""An id that is enqueued again while it waits in a long line: one place, and nobody looks through all of the line."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys

LONG = 20_000
NEAR_AN_END = 5_000


def stand_among(pool, before, behind):
    """Put job-1 in a line with as many others before and behind it."""
    line = keys.queue("default")
    pool.redis.rpush(line, *(f"before-{number}" for number in range(before)))
    for other in (f"before-{NEAR_AN_END}", "behind-0"):
        pool.redis.hset(keys.job(other), "enqueued_at", "2026-01-01T00:00:00.000000Z")
    pool.enqueue(ttl=500)
    pool.redis.rpush(line, *(f"behind-{number}" for number in range(behind)))


def places_in(pool):
    """Give where job-1 stands, counted from the head, and how long the line is."""
    line = [each.decode() for each in pool.redis.lrange(keys.queue("default"), 0, -1)]
    return [at for at, job_id in enumerate(line) if job_id == "job-1"], len(line)


@pytest.mark.parametrize(
    ("before", "behind", "goes_to"),
    [
        (3, 4, 7),
        (LONG - 2, 1, LONG - 1),
        (NEAR_AN_END - 1, LONG, NEAR_AN_END - 1 + LONG),
        (LONG, NEAR_AN_END - 1, LONG + NEAR_AN_END - 1),
        (LONG, NEAR_AN_END, LONG),
        (NEAR_AN_END + 1, LONG, NEAR_AN_END + 1),
    ],
)
def test_who_waits_in_the_middle_of_a_long_line_keeps_its_place(pool, before, behind, goes_to):
    """Elsewhere it goes to the end; its newer arguments, and the time that it may wait, count in either case."""
    stand_among(pool, before, behind)
    pool.redis.expire(keys.job("job-1"), 20)
    again = pool.queue().enqueue("shop.fulfil", "again", job_id="job-1", ttl=500)
    assert places_in(pool) == ([goes_to], before + 1 + behind)
    assert (Job.fetch(again.id, connection=pool.redis).args, pool.redis.ttl(keys.job("job-1"))) == (("again",), 500)


@pytest.mark.parametrize("how", ["at the front", "in another queue", "of which nobody knows", "that a worker took"])
def test_who_cannot_keep_its_place_leaves_it(pool, how):
    """A stock worker takes out of line and writes it down a moment later."""
    stand_among(pool, LONG, LONG)
    match how:
        case "at the front":
            pool.enqueue(at_front=True)
        case "in another queue":
            pool.queue("other").enqueue("shop.fulfil", job_id="job-1")
        case "of which nobody knows":
            pool.redis.delete(keys.job(f"before-{NEAR_AN_END}"))
            pool.enqueue()
        case "that a worker took":
            pool.redis.hset(keys.job(f"before-{NEAR_AN_END}"), "enqueued_at", "2099-01-01T00:00:00.000000Z")
            pool.redis.lrem(keys.queue("default"), 1, "job-1")
            pool.enqueue()
    places, length = places_in(pool)
    assert places == {"at the front": [0], "in another queue": []}.get(how, [2 * LONG])
    assert length == 2 * LONG + len(places)


def test_since_when_it_waits_is_since_it_has_its_place(pool):
    """It is compared with others, to know who is before whom."""
    stand_among(pool, LONG, LONG)
    pool.redis.hset(keys.job("job-1"), "enqueued_at", "2026-02-01T00:00:00.000000Z")
    pool.enqueue()
    assert pool.record()["enqueued_at"] == "2026-02-01T00:00:00.000000Z"


def test_who_goes_to_the_front_of_a_long_line_puts_nobody_behind_it_in_question(pool):
    """The orphans chore would look for each of them through all of the line."""
    early = "2026-01-01T00:00:00.000000Z"
    waiting = [f"waits-{number}" for number in range(NEAR_AN_END + 10)]
    pool.redis.rpush(keys.queue("default"), *waiting)
    for job_id in waiting[-20:]:
        pool.redis.hset(keys.job(job_id), mapping={"status": "queued", "origin": "default", "enqueued_at": early})
    pool.enqueue(at_front=True)
    assert pool.suspects() == []
    pool.redis.ltrim(keys.queue("default"), 0, 100)
    assert sorted(pool.suspects()) == sorted(waiting[-20:]), "where the line is short they are looked for"
