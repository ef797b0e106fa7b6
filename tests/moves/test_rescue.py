"""queued, scheduled, deferred, started -> where it belongs: what stock RQ lost between two commands is put back."""

import pytest
from rq.job import Dependency

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import NotDue, Rescued
from holdfast.jobs.store.upkeep import Upkeep
from tests.moves.pool import PATIENCE_MS

#: A name that is no UTF-8, as somebody's program wrote it.
NO_TEXT = b"caf\xe9"


def lose_from_line(pool):
    """Let a stock worker on two queues pop the id, and die."""
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.lpop(keys.queue("default"))


def lose_in_hand_over(pool):
    """Let a stock worker on one queue move the id to RQ's intermediate list, and die."""
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    pool.redis.lmove(keys.queue("default"), keys.intermediate("default"), "LEFT", "LEFT")
    pool.redis.set(keys.first_seen("default", "job-1"), 1)


def lose_from_scheduled(pool):
    """Somebody removed the entry with a keyboard."""
    pool.enqueue()
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=1_000)
    pool.redis.delete(keys.scheduled("default"))


def lose_from_deferred(pool):
    """Its parent has finished under a stock worker that was killed before it told the child."""
    parent = pool.stock_queue().enqueue("shop.fulfil", job_id="parent")
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1", depends_on=parent)
    pool.redis.delete(keys.queue("default"))
    pool.redis.hset(keys.job("parent"), "status", "finished")
    pool.redis.zadd(keys.finished("default"), {"parent": "+inf"})


def lose_from_hands(pool):
    """Its lease and its execution are gone, and its record says that it is worked on."""
    pool.enqueue()
    lease = pool.worker().hold()
    pool.redis.delete(keys.leases("default"), keys.wip("default"), keys.execution("job-1", lease.execution))


LOST = {
    "line": lose_from_line,
    "intermediate": lose_in_hand_over,
    "scheduled": lose_from_scheduled,
    "deferred": lose_from_deferred,
    "hands": lose_from_hands,
}


@pytest.mark.parametrize("place", LOST)
def test_a_job_that_is_in_no_place_is_put_back_at_the_second_look(pool, place):
    """INV-01: a minute later, and with a line in its journal."""
    LOST[place](pool)
    assert pool.rescue() == ()
    pool.time_passes(PATIENCE_MS - 1_000)
    assert pool.rescue() == ()
    pool.time_passes(2_000)
    assert pool.rescue() == (Rescued("job-1", "default", place),)
    assert f"rescue orphans {place}" in pool.journal()
    pool.time_passes(2_000)
    pool.promote()
    assert pool.places("job-1") == ["queue default"]
    assert pool.worker().hold().job_id == "job-1"
    assert not pool.redis.exists(keys.orphans(), keys.intermediate("default"), *pool.redis.keys("*first_seen*"))


@pytest.mark.parametrize("gone", ["mother", "father"])
def test_a_child_of_a_parent_that_is_gone_and_one_that_finished_is_put_back(pool, gone):
    """INV-01: whichever of the two Redis names first; what is kept for a while may go at any moment."""
    parents = [pool.stock_queue().enqueue("shop.fulfil", job_id=name) for name in ("mother", "father")]
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-1", depends_on=parents)
    pool.redis.delete(keys.queue("default"), *(keys.dependents(each.id) for each in parents))
    for each in parents:
        pool.redis.hset(keys.job(each.id), "status", "finished")
        pool.redis.zadd(keys.finished("default"), {each.id: "+inf"})
    pool.redis.delete(keys.job(gone))
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "deferred"),)


def test_an_earlier_end_that_a_stock_producer_left_on_the_list_is_not_the_jobs_place(pool):
    """Canceled, enqueued again by stock RQ, and lost from the line: it stands among the canceled still."""
    pool.enqueue()
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=1_000)
    Job.fetch("job-1", connection=pool.redis).cancel()
    lose_from_line(pool)
    assert pool.rescue_in_time() == (Rescued("job-1", "default", "line"),)


def test_a_job_that_was_lost_from_hands_is_charged_a_crash(pool):
    """INV-09: its body may have run."""
    lose_from_hands(pool)
    pool.rescue_in_time()
    assert pool.record()["hf_crashes"] == "1"


def test_two_sightings_count_only_of_a_job_to_which_nothing_has_happened_in_between(pool):
    """A job that is popped, run, retried and popped again was never lost."""
    lose_from_line(pool)
    pool.rescue()
    pool.time_passes(PATIENCE_MS)
    pool.redis.hset(keys.job("job-1"), "enqueued_at", "2026-11-21T12:00:00.000000Z")
    assert pool.rescue() == ()
    pool.time_passes(PATIENCE_MS)
    assert pool.rescue() == (Rescued("job-1", "default", "line"),)


def test_one_that_came_back_by_itself_is_forgotten(pool):
    """A person put it in line."""
    lose_from_line(pool)
    pool.rescue()
    pool.redis.rpush(keys.queue("default"), "job-1")
    pool.time_passes(PATIENCE_MS)
    assert pool.rescue() == ()
    assert not pool.redis.exists(keys.orphans())
    assert pool.line() == ["job-1"]


def test_what_was_never_in_line_is_not_missed_there(pool):
    """RQ's create_job() gives `queued` at once, and an app may save one to have it approved first."""
    pool.stock_queue().create_job("shop.fulfil", job_id="job-1").save()
    assert pool.rescue_in_time() == ()
    assert pool.line() == []


def in_line(pool):
    pool.enqueue()


def leased(pool):
    pool.enqueue()
    pool.worker().hold()


def due_tomorrow(pool):
    pool.enqueue()
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=86_400_000)


def waiting_for_another(pool):
    parent = pool.enqueue("parent")
    pool.enqueue(depends_on=parent)


def waiting_for_one_that_was_deleted(pool):
    parent = pool.enqueue("parent")
    pool.enqueue(depends_on=parent)
    parent.delete()


def waiting_for_one_that_failed(pool):
    parent = pool.enqueue("parent")
    pool.enqueue(depends_on=Dependency(parent))
    worker = pool.worker()
    worker.bury(worker.hold())


def half_made(pool):
    pool.redis.hset(keys.job("job-1"), mapping={"data": b"x", "origin": "default"})


@pytest.mark.parametrize(
    "bring_about",
    [
        in_line,
        leased,
        due_tomorrow,
        waiting_for_another,
        waiting_for_one_that_was_deleted,
        waiting_for_one_that_failed,
        half_made,
    ],
)
def test_what_is_in_its_place_is_left_there(pool, bring_about):
    """However often one looks."""
    bring_about(pool)
    pool.rescue()
    pool.time_passes(PATIENCE_MS)
    with pool.nothing_changes():
        assert pool.rescue() == ()


def test_jobs_older_than_the_head_of_the_line_are_looked_for_in_it(pool):
    """Put in front of them was a younger one: they are suspects, and found where they belong."""
    for number in range(3):
        pool.enqueue(f"job-{number}")
        pool.time_passes(10)
    pool.enqueue("hasty", at_front=True)
    pool.rescue()
    assert not pool.redis.exists(keys.orphans())


def test_the_fleet_takes_turns(pool):
    """A thousand workers ask, one looks."""
    upkeep = Upkeep(pool.scripts, pool.clock, pool.settings)
    assert upkeep.rescue(every_ms=2_000) == ()
    assert isinstance(upkeep.rescue(every_ms=2_000), NotDue)


def test_names_that_are_no_text_do_not_hide_a_lost_job(pool):
    """FM-033: a key that is no job's, a queue of such a name, and a job in it; each worker would end at each look."""
    lose_from_line(pool)
    pool.redis.hset(keys.job("").encode() + NO_TEXT, "note", "no job")
    pool.redis.sadd(keys.queues(), keys.queue("").encode() + NO_TEXT)
    for status in ("queued", "scheduled"):
        pool.redis.hset(keys.job(status), mapping={"data": b"x", "status": status, "origin": NO_TEXT})
    pool.redis.rpush(keys.queue("").encode() + NO_TEXT, b"\xe9")
    assert pool.rescue() == ()
    pool.time_passes(PATIENCE_MS)
    assert Rescued("job-1", "default", "line") in pool.rescue()


@pytest.mark.parametrize("status", ["queued", "scheduled", "started"])
def test_a_lost_job_whose_id_is_no_text_is_put_back(pool, status):
    """INV-01, FM-033: under the same id."""
    lose_from_line(pool)
    pool.redis.rename(keys.job("job-1"), keys.job("").encode() + NO_TEXT)
    said = {"status": status, "enqueued_at": "2026-01-01T12:00:00.000000Z"}
    pool.redis.hset(keys.job("").encode() + NO_TEXT, mapping=said)
    pool.enqueue("job-2")
    assert pool.rescue() == ()
    pool.time_passes(PATIENCE_MS)
    (rescued,) = pool.rescue()
    assert (rescued.job_id, rescued.queue) == (NO_TEXT, "default")
    pool.time_passes(2_000)
    pool.promote()
    assert NO_TEXT in pool.redis.lrange(keys.queue("default"), 0, -1)


def test_a_page_follows_on_the_last(redis, real_pool, monkeypatch):
    """Whoever looks next goes on where the fleet has come; in the end every record was looked at."""
    monkeypatch.setattr("holdfast.jobs.store.census.PAGE", 10)
    for number in range(200):
        real_pool.stock_queue().enqueue("shop.fulfil", job_id=f"job-{number}")
    redis.delete(keys.queue("default"))
    seen = set()
    for _ in range(200):
        seen |= set(Upkeep(real_pool.scripts, real_pool.clock, real_pool.settings).suspects())
        if int(redis.get(keys.sweep())) == 0:
            break
    assert len(seen) == 200


def passes_until(pool, is_done, *, most):
    """Look until it is done, and give how often."""
    for number in range(1, most + 1):
        pool.rescue()
        if is_done():
            return number
    raise AssertionError(f"not in {most} looks")


def test_a_line_that_was_deleted_comes_back_at_the_pace_of_the_pages(real_pool):
    """FM-026: thousands lost at once are noted by as many looks as there are pages, and put back by as many again."""
    for number in range(300):
        real_pool.stock_queue().enqueue("shop.fulfil", job_id=f"job-{number}")
    real_pool.redis.delete(keys.queue("default"))
    passes_until(real_pool, lambda: real_pool.redis.hlen(keys.orphans()) == 300, most=2)
    real_pool.time_passes(PATIENCE_MS)
    passes_until(real_pool, lambda: real_pool.redis.llen(keys.queue("default")) == 300, most=2)
    assert not real_pool.redis.exists(keys.orphans())


def test_where_a_line_is_long_a_pass_looks_for_few_and_forgets_none(pool, monkeypatch):
    """To look for one walks the whole line: the oldest come first, and who is noted already makes way for others."""
    monkeypatch.setattr("holdfast.jobs.store.census._STEPS", 6)
    for number in range(6):
        pool.enqueue(f"lost-{number}")
        pool.time_passes(10)
    pool.redis.delete(keys.queue("default"))
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    pool.enqueue("job-3")
    pool.rescue()
    assert set(pool.redis.hkeys(keys.orphans())) == {b"lost-0", b"lost-1"}
    passes_until(pool, lambda: pool.redis.hlen(keys.orphans()) == 6, most=2)
    pool.time_passes(PATIENCE_MS)
    passes_until(pool, lambda: pool.redis.llen(keys.queue("default")) == 9, most=6)


def test_notes_of_deleted_jobs_go_however_many_there_are(real_pool, redis, monkeypatch):
    """A look at the notes goes on where the last one ended."""
    monkeypatch.setattr("holdfast.jobs.store.census.PAGE", 100)
    deleted = [f"deleted-{number}" for number in range(20)]
    fresh = f"{real_pool.now_ms()} queued"
    redis.hset(keys.orphans(), mapping=dict.fromkeys((f"fresh-{number}" for number in range(2_000)), fresh))
    redis.hset(keys.orphans(), mapping=dict.fromkeys(deleted, "1 queued"))
    passes_until(real_pool, lambda: not any(redis.hmget(keys.orphans(), deleted)), most=60)


def test_a_clock_that_went_back_keeps_no_lost_job_waiting(pool):
    """FM-032: its note is of tomorrow; it counts from now."""
    lose_from_line(pool)
    pool.rescue()
    since, state = pool.redis.hget(keys.orphans(), "job-1").split(b" ", 1)
    pool.redis.hset(keys.orphans(), "job-1", b"%d %s" % (int(since) + 86_400_000, state))
    assert pool.rescue() == ()
    pool.time_passes(PATIENCE_MS)
    assert pool.rescue() == (Rescued("job-1", "default", "line"),)
