"""An enqueue whose reply was lost may arrive once more when newer ones of its id have been and gone."""

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.entrance import Placement
from holdfast.jobs.store.outcomes import Queued


def put(pool, op):
    return pool.entrance.enqueue(
        Placement(queue="default", job_id="job-1", op=op, asked_s=pool.clock.wall_s(), key_horizon_ms=60_000),
        ["data", "work", "created_at", f"made by {op}", "origin", "default"],
    )


@pytest.mark.parametrize("before", ["in line", "finished", "not kept", "worked on"])
def test_an_enqueue_that_newer_ones_have_overtaken_does_not_take_their_place(pool, before):
    """FM-010: it was done and its reply was lost; a second sending of it arrives after newer enqueues of the id."""
    put(pool, "a1")
    worker = pool.worker()
    lease = worker.hold() if before != "in line" else None
    if before in {"finished", "not kept"}:
        worker.complete(lease, result_ttl=500 if before == "finished" else 0)
    for newer in range(6):
        put(pool, f"b{newer}")
    with pool.nothing_changes():
        assert put(pool, "a1") == Queued("job-1")
        assert put(pool, "b0") == Queued("job-1")


@pytest.mark.parametrize("move", ["complete", "turn", "bury"])
@pytest.mark.parametrize(("kept_s", "is_known"), [(1, True), (59, True), (60, False)])
def test_an_enqueue_is_known_by_its_name_although_its_job_was_kept_for_a_moment_only(pool, move, kept_s, is_known):
    """FM-008: its reply was lost, the job has run, and `result_ttl` or `failure_ttl` is over: it does not run again."""
    put(pool, "a1")
    pool.redis.hset(keys.job("job-1"), "failure_ttl", kept_s)
    worker = pool.worker()
    held = worker.hold()
    pool.enqueue("another")
    getattr(worker, move)(held, **({} if move == "bury" else {"result_ttl": kept_s}))
    assert pool.redis.ttl(keys.job("job-1")) == kept_s
    assert pool.redis.exists(keys.tombstone("job-1")) == is_known
    if is_known:
        pool.redis.delete(keys.job("job-1"))
        line = pool.line()
        assert (put(pool, "a1"), pool.line()) == (Queued("job-1"), line)


def test_an_id_does_not_gather_the_names_of_all_its_enqueues(pool):
    """A nightly job keeps its id for years."""
    for number in range(30):
        put(pool, f"{number:016x}")
    assert len(pool.redis.hget(keys.job("job-1"), "hf_op").split()) == 2 * 8
