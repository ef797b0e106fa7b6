"""Who may be taken with others, and who was with others when its worker died: nobody is charged for a neighbour."""

from dataclasses import replace

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Aftermath, Again, Empty
from tests.moves.several import enqueue, ids, leases, take


@pytest.mark.parametrize("besides", [0, 1])
def test_a_job_that_may_run_at_most_once_is_not_taken_in_company(pool, besides):
    """INV-09: it is not to wait in hands that may die. It keeps its place, and who is behind it waits behind it."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    if not besides:
        enqueue(pool, "first")
    enqueue(pool, "once", crashes=0)
    enqueue(pool, "behind")
    turned = worker.turn(*held, want=4, besides=besides)
    assert ids(turned.next) == (Empty() if besides else ["first"])
    assert pool.line() == ["once", "behind"]
    alone = worker.turn(*([] if besides else leases(turned.next)), want=4)
    assert ids(alone.next) == ["once"]
    assert "hf_company" not in pool.record("once")


def test_a_lonely_job_does_not_hide_that_a_script_has_stopped_looking(pool):
    """LIV-01: behind the dirt of the first line there is more, and its worker is to ask again at once."""
    pool.redis.rpush(keys.queue("dirty"), *(f"ghost-{number}" for number in range(150)))
    enqueue(pool, "once", crashes=0)
    assert pool.worker().turn(want=4, queues=("dirty", "default"), besides=1).next == Again()
    assert pool.line() == ["once"]


def test_the_budget_of_the_fleet_counts_where_a_job_names_none(pool):
    """HOLDFAST_CRASHES=0: everything may run at most once, so everything is taken alone."""
    other = type(pool)(pool.redis, pool.clock, settings=replace(pool.settings, crashes=0))
    worker = other.worker()
    enqueue(pool, "a", "b")
    assert ids(worker.claim_some(4)) == ["a"]


def test_whose_worker_died_with_several_in_hand_is_tried_alone_and_nobody_is_charged(pool):
    """INV-09: nobody knows which of them it was. Alone, a crash counts again; an end with success clears its name."""
    worker, other = pool.worker(), pool.worker("other")
    take(pool, worker, "a", "b", "c")
    assert {pool.record(job_id).get("hf_company") for job_id in "abc"} == {"1"}
    pool.time_passes(10_001)
    pool.reap()
    assert pool.line() == ["a", "b", "c"]
    charged = {job_id: pool.state(job_id, "hf_crashes", "hf_suspect") for job_id in "abc"}
    assert charged == {key: {"hf_crashes": "0", "hf_suspect": "1"} for key in "abc"}
    enqueue(pool, "d", "e")

    [alone] = other.claim_some(4)
    assert (alone.lease.job_id, "hf_company" in pool.record("a")) == ("a", False)
    other.crash(alone.lease)
    assert pool.state("a", "hf_crashes", "hf_suspect") == {"hf_crashes": "1", "hf_suspect": "1"}
    [alone] = other.claim_some(4)
    assert ids(turned := other.turn(alone.lease, want=4).next) == ["c"]
    assert "hf_suspect" not in pool.record("b")
    assert ids(other.turn(*leases(turned), want=4).next) == ["d", "e"]
    assert pool.state("c", "status", "hf_crashes") == {"status": "finished", "hf_crashes": "0"}


def test_a_suspect_whose_worker_dies_with_it_alone_is_charged(pool):
    """INV-09: a job that takes its worker down must not do so for ever: once in company, then by its budget."""
    enqueue(pool, "poison")
    pool.worker("w0").claim_some(4)
    for crashes in ("0", "1", "2"):
        for _ in range(4):
            pool.time_passes(3_000)
            pool.reap()
        pool.time_passes(2_000)
        pool.promote()
        assert pool.state("poison", "hf_crashes") == {"hf_crashes": crashes}
        assert ids(pool.worker(f"w{crashes}").claim_some(4)) == ["poison"]


def test_one_that_is_taken_singly_by_a_worker_with_others_in_hand_is_in_company(pool):
    """INV-09: what counts is with how many it died, not by how many it was asked for."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    enqueue(pool, "c")
    assert ids(worker.turn(held[0], want=1, besides=1).next) == ["c"]
    assert pool.record("c")["hf_company"] == "1"


def test_a_dead_job_is_spoken_for_by_a_worker_with_empty_hands_only(pool):
    """FM-049: what is left to tell of the dead may take long, and must not hold up what is in hand: that ends first."""
    worker = pool.worker()
    enqueue(pool, "dead", crashes=0)
    worker.crash(worker.hold())
    enqueue(pool, "a", "b")
    assert isinstance(worker.turn(want=1, besides=1).next, Empty)
    assert isinstance(worker.turn(want=1).next, Aftermath)
    assert ids(worker.turn(want=1, besides=1).next) == ["a"]
