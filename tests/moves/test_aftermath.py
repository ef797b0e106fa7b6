"""What is left to tell of a job that was buried without a horse to speak for it is handed out, with patience."""

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Aftermath, Buried, Claimed, Empty, Lost

#: A callback may take a minute unless the job says otherwise; then as long again thrice.
_PATIENCE_MS = 240_000


def bury_by_crash(pool, worker):
    lease = worker.hold()
    assert worker.crash(lease) == Buried()
    return lease


def bury_by_reclaim(pool, worker):
    lease = worker.hold()
    for _ in range(11):
        pool.time_passes(1_000)
        pool.reap()
    return lease


def bury_by_give_back(pool, worker):
    lease = worker.hold()
    assert worker.give_back(lease, begun=True) == Buried()
    return lease


@pytest.mark.parametrize("bury", [bury_by_crash, bury_by_reclaim, bury_by_give_back])
def test_whoever_claims_next_is_given_what_is_left_to_tell(pool, bury):
    """Before any job in line, and once."""
    pool.enqueue(crashes=0)
    lease = bury(pool, pool.worker("dead"))
    pool.enqueue("job-2")
    worker = pool.worker("w2")
    left = worker.claim()
    assert isinstance(left, Aftermath)
    assert (left.queue, left.job_id, left.status) == ("default", "job-1", "failed")
    assert left.entry == f"1 failed job-1:{lease.execution}"
    assert left.record[b"status"] == b"failed"
    assert isinstance(worker.claim(), Claimed)
    assert worker.moves.end_aftermath(left)
    assert not pool.redis.exists(keys.aftermath("default"))


def test_what_a_horse_says_itself_leaves_nothing_to_tell(pool):
    """It has called what the job wants called, before it settled."""
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())
    assert not pool.redis.exists(keys.aftermath("default"))


def test_a_teller_that_died_is_followed_by_another_and_by_no_more_than_three(pool):
    """Its own small budget: a callback that kills its process must not do so for ever."""
    pool.enqueue(crashes=0)
    bury_by_crash(pool, pool.worker("dead"))
    for tries in (1, 2, 3):
        assert pool.worker().claim().entry.startswith(f"{tries} failed job-1:")
        assert pool.worker().claim() == Empty()
        pool.time_passes(_PATIENCE_MS)
    assert pool.worker().claim() == Empty()
    assert not pool.redis.exists(keys.aftermath("default"))
    assert pool.journal()[-1].endswith("given up")


def test_a_slow_teller_cannot_end_what_another_tells_by_now(pool):
    """It slept for longer than its patience: the entry has another name."""
    pool.enqueue(crashes=0)
    bury_by_crash(pool, pool.worker("dead"))
    slow, quick = pool.worker("slow"), pool.worker("quick")
    first = slow.claim()
    pool.time_passes(_PATIENCE_MS)
    second = quick.claim()
    assert not slow.moves.end_aftermath(first)
    assert pool.redis.zcard(keys.aftermath("default")) == 1
    assert quick.moves.end_aftermath(second)


def test_a_claim_sent_again_gives_the_same_to_tell_while_it_is_ours(pool):
    """INV-10: the reply was lost. Once it is told, or somebody else's, there is nothing to give."""
    pool.enqueue(crashes=0)
    bury_by_crash(pool, pool.worker("dead"))
    worker = pool.worker()
    left = worker.claim()
    assert worker.claim(op=worker.op) == left
    worker.moves.end_aftermath(left)
    assert worker.claim(op=worker.op) == Lost()


def test_of_a_job_that_is_gone_nothing_is_told(pool):
    """A person deleted it meanwhile."""
    pool.enqueue(crashes=0)
    bury_by_crash(pool, pool.worker("dead"))
    pool.redis.delete(keys.job("job-1"))
    assert pool.worker().claim() == Empty()
    assert not pool.redis.exists(keys.aftermath("default"))


def test_a_job_enqueued_again_while_it_ran_for_the_last_time_is_told_of_and_runs(pool):
    """FM-050: the new generation stands in line; the old one's end is told all the same."""
    pool.enqueue(crashes=0)
    worker = pool.worker()
    lease = worker.hold()
    pool.enqueue(crashes=0)
    assert worker.give_back(lease, begun=True) == Buried()
    assert isinstance(worker.claim(), Aftermath)
    assert isinstance(worker.claim(), Claimed)


def test_a_worker_with_jobs_in_hand_takes_no_more_until_the_dead_are_spoken_for(pool):
    """Under load the hands of a worker that takes several jobs at a time are never empty: nobody would be told."""
    for number in (1, 2, 3, 4):
        pool.enqueue(f"job-{number}", crashes=0 if number == 2 else None)
    worker = pool.worker("w2")
    held = worker.hold()
    bury_by_crash(pool, pool.worker("dead"))
    assert (worker.turn(besides=1, want=4).next, pool.line()) == (Empty(), ["job-3", "job-4"])
    left = worker.turn(held).next
    assert (type(left), left.job_id, pool.line()) == (Aftermath, "job-2", ["job-3", "job-4"])
    assert worker.moves.end_aftermath(left)
    assert isinstance(worker.turn(besides=1, want=4).next[0], Claimed)


@pytest.mark.parametrize("kept_s", [1, 599])
def test_what_a_job_that_is_soon_forgotten_leaves_to_tell_is_told(pool, kept_s):
    """`failure_ttl`: its record is needed once more, by a fleet that has other work just then."""
    pool.enqueue(crashes=0, failure_ttl=kept_s)
    bury_by_crash(pool, pool.worker("dead"))
    assert pool.redis.ttl(keys.job("job-1")) == 600
    listed_s = pool.redis.zscore(keys.failed("default"), "job-1") - pool.now_ms() / 1000
    assert listed_s == pytest.approx(600, abs=1.1), "listed among the failed for as long as there is a record"
    assert isinstance(pool.worker("w2").claim(), Aftermath)


def test_an_orphan_that_is_buried_is_listed_among_the_dead(pool):
    """Also where neither RQ nor we know its queue any more: a person who lists them looks in those that are known."""
    pool.enqueue(crashes=0)
    lease = pool.worker().hold()
    pool.redis.delete(keys.leases("default"), keys.wip("default"), keys.execution("job-1", lease.execution))
    pool.redis.delete(keys.queues.spelling, keys.leased.spelling)
    pool.rescue_in_time()
    assert pool.places("job-1") == ["failed default"]
    assert pool.redis.smembers(keys.leased.spelling) == {b"default"}
