"""Redis threw away a key that was in use: what is left is put right or noted, and nothing half comes back."""

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.door import what_is_evicted
from holdfast.jobs.store.outcomes import Claimed, Empty, Lost, Pass

MOVES = {
    "renew": lambda worker, held: worker.renew(held),
    "annotate": lambda worker, held: worker.annotate(held, "meta", "half"),
    "complete": lambda worker, held: worker.complete(held),
    "postpone": lambda worker, held: worker.postpone(held),
    "bury": lambda worker, held: worker.bury(held),
    "give back": lambda worker, held: worker.give_back(held),
    "crash": lambda worker, held: worker.crash(held),
    "begin effect": lambda worker, held: worker.moves.begin_effect(held, "charge"),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_holder_whose_record_was_evicted_is_told_lost_and_brings_no_half_of_it_back(pool, move):
    """FM-026, FM-029, INV-02: its work is void, and of its lease nothing is left."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.redis.delete(keys.job("job-1"))
    assert MOVES[move](worker, held) == Lost()
    assert not pool.redis.exists(keys.job("job-1"))
    assert pool.places("job-1") == []


@pytest.mark.parametrize("dies", [False, True], ids=["its holder asks", "its holder is dead"])
def test_a_lease_whose_record_was_evicted_is_removed_and_not_run_again(pool, dies):
    """FM-026, INV-12: by its holder or by the reaper, which goes on to the next dead worker's job."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    worker = pool.worker()
    held = worker.hold()
    pool.worker("w2").hold()
    pool.redis.delete(keys.job("job-1"))
    if not dies:
        worker.renew(held)
    pool.time_passes(10_001)
    reaped = {row.job_id: row.word for row in pool.reap().reclaimed}
    assert reaped == ({"job-1": "removed"} if dies else {}) | {"job-2": "reclaimed"}
    assert (pool.places("job-1"), pool.line()) == ([], ["job-2"])


@pytest.mark.parametrize("move", MOVES)
def test_with_the_set_of_leases_evicted_no_holder_may_change_its_job(pool, move):
    """FM-026, INV-04: what is not seen to be held is not held. The job stays `started` and nowhere, as is said."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.redis.delete(keys.leases("default"))
    assert MOVES[move](worker, held) == Lost()
    pool.time_passes(10_001)
    assert pool.reap() == Pass(())
    assert pool.state("job-1", "status", "place") == {"status": "started", "place": ""}


def test_a_job_that_eviction_left_nowhere_runs_when_its_id_is_enqueued_again(pool):
    """FM-026: the way back for a producer who knows what it ordered."""
    pool.enqueue()
    pool.worker().hold()
    pool.redis.delete(keys.leases("default"))
    pool.enqueue()
    assert pool.worker("w2").hold().job_id == "job-1"
    assert pool.places("job-1") == ["leases default"]


def test_an_evicted_line_leaves_records_that_nobody_runs_until_they_are_enqueued_again(pool):
    """FM-026: no chore looks for jobs that are in no place yet; what was due later is not touched."""
    pool.enqueue("job-1")
    pool.redis.delete(keys.queue("default"))
    assert (pool.worker().claim(), pool.state("job-1", "status", "place")) == (
        Empty(),
        {"status": "queued", "place": ""},
    )
    pool.enqueue("job-1")
    assert pool.worker().hold().job_id == "job-1"


def test_a_settle_sent_twice_is_not_done_twice_although_its_answer_was_evicted(pool):
    """FM-026, INV-06: without the answer that was kept the second hears `lost`, and changes nothing."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.complete(held)
    pool.redis.delete(keys.replay(worker.instance))
    with pool.nothing_changes(worker):
        assert worker.complete(held, op=worker.op) == Lost()


def test_a_claim_sent_twice_takes_a_second_job_if_its_answer_was_evicted_and_the_first_is_reclaimed(pool):
    """FM-026, INV-01: nobody heard of the first, so its lease runs out."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    worker = pool.worker()
    worker.hold()
    pool.redis.delete(keys.replay(worker.instance))
    answer = worker.claim(op=worker.op)
    assert isinstance(answer, Claimed)
    assert answer.lease.job_id == "job-2"
    pool.time_passes(10_001)
    assert {row.job_id for row in pool.reap().reclaimed} == {"job-1", "job-2"}


def test_what_a_volatile_policy_may_delete_is_what_the_caution_says(pool):
    """What has an expiry: also what failed, and what waits with a `ttl=`."""
    said = what_is_evicted("volatile-lru", 1_000_000)
    assert "finished and failed jobs and keys given with key= go before their time" in said
    assert "Jobs that wait or run stay, but for those with a ttl=." in said
    worker = pool.worker()
    pool.enqueue("finished")
    worker.complete(worker.hold())
    pool.enqueue("failed")
    worker.bury(worker.hold())
    pool.enqueue("runs")
    worker.hold()
    pool.queue().enqueue("shop.fulfil", job_id="waits", key="invoice-7")
    pool.queue().enqueue("shop.fulfil", job_id="waits-with-a-ttl", ttl=600)
    jobs = ("finished", "failed", "runs", "waits", "waits-with-a-ttl")
    expire = {job_id for job_id in jobs if pool.redis.ttl(keys.job(job_id)) > 0}
    assert expire == {"finished", "failed", "waits-with-a-ttl"}
    assert pool.redis.ttl("holdfast:key:7:default:invoice-7") > 0
    assert pool.redis.ttl(keys.queue("default")) == pool.redis.ttl(keys.leases("default")) == -1
