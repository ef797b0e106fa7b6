"""started -> queued, scheduled, failed: leases are taken back from the dead, and only from them."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import NotDue, Pass, Waiting
from holdfast.jobs.store.upkeep import BATCH, Upkeep


def words(told):
    return [taken.word for taken in told.reclaimed]


def die(pool):
    """Let a worker take the job and be heard of no more until its lease is over."""
    pool.time_passes(60_000)
    pool.promote()
    lease = pool.worker("dead").hold()
    # Every second somebody looks: a pass that comes late finds an outage instead of a death.
    for _ in range(11):
        pool.time_passes(1_000)
        pool.reap()
    return lease


def test_a_dead_workers_job_comes_back(pool):
    """LIV-02, FM-001: with its crash counted, and nothing left of the lease."""
    pool.enqueue()
    lease = pool.worker("w1").hold()
    pool.time_passes(10_002)
    (taken,) = pool.reap().reclaimed
    assert (taken.word, taken.queue, taken.job_id, taken.worker) == ("reclaimed", "default", "job-1", "w1")
    assert (taken.execution, taken.fence) == (lease.execution, lease.fence)
    assert taken.late_ms == pytest.approx(2, abs=500)
    after = {"status": "queued", "place": "queue default", "hf_crashes": "1", "hf_last_crash": "lease expired"}
    assert pool.state("job-1", *after) == after
    assert not pool.redis.exists(keys.wip("default"), keys.execution("job-1", lease.execution))


def test_a_lease_is_not_taken_before_its_deadline(new_pool):
    """INV-05: not a millisecond early, counted from the last renewal."""
    with new_pool() as pool:
        pool.enqueue()
        worker = pool.worker()
        lease = worker.hold()
        pool.time_passes(7_000)
        worker.renew(lease)
        pool.time_passes(9_999)
        assert pool.reap() == Pass(())
        pool.time_passes(1)
        assert words(pool.reap()) == ["reclaimed"]


def test_the_reaper_takes_from_every_queue_even_one_that_rq_forgot(pool):
    """`rq empty` and a person with a keyboard remove names from RQ's list of queues."""
    pool.enqueue("job-1", "a")
    pool.enqueue("job-2", "b")
    for _ in range(2):
        pool.worker().hold("a", "b")
    pool.redis.delete(keys.queues())
    pool.time_passes(10_001)
    assert sorted(taken.queue for taken in pool.reap().reclaimed) == ["a", "b"]


def test_deaths_count_until_the_budget_is_used_up(pool):
    """FM-034: a job that takes its whole machine down is buried too."""
    pool.enqueue()
    for crashes, place in enumerate(
        ["queue default", "scheduled default", "scheduled default", "failed default"], start=1
    ):
        die(pool)
        after = {"hf_crashes": str(crashes), "place": place}
        assert pool.state("job-1", *after) == after
    assert pool.state("job-1", "hf_dead") == {"hf_dead": "crashes"}
    assert "lease ran out" in Job.fetch("job-1", connection=pool.redis).latest_result().exc_string


def test_a_job_that_may_run_once_is_buried_when_its_worker_dies(pool):
    """crashes=0: nobody knows whether it had begun."""
    pool.enqueue(crashes=0)
    pool.worker().hold()
    pool.time_passes(10_001)
    assert words(pool.reap()) == ["buried"]
    assert pool.state("job-1", "hf_dead") == {"hf_dead": "interrupted"}


@pytest.mark.parametrize(
    ("end", "place"),
    [
        pytest.param(lambda job: job.cancel(), "canceled default", id="canceled by a stock tool"),
        pytest.param(lambda job: job.delete(), "", id="deleted by a stock tool"),
    ],
)
def test_a_lease_on_a_job_that_a_person_ended_is_only_removed(pool, end, place):
    """FM-050, INV-06: it must not come back to life."""
    pool.enqueue()
    pool.worker().hold()
    end(Job.fetch("job-1", connection=pool.redis))
    pool.time_passes(10_001)
    assert words(pool.reap()) == ["removed"]
    assert pool.state("job-1", "place") == {"place": place}
    assert pool.reap() == Pass(())


def test_a_job_that_was_enqueued_again_meanwhile_runs_once_more(pool):
    """FM-050, FM-053: by us or by a stock producer; its line has it once."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    for _ in range(2):
        pool.worker().hold()
    pool.enqueue("job-1")
    pool.stock_queue().enqueue("shop.fulfil", job_id="job-2")
    pool.time_passes(10_001)
    pool.reap()
    assert (pool.places("job-1"), pool.places("job-2")) == (["queue default"], ["queue default"])


def test_a_pass_takes_a_bounded_batch(pool):
    """FM-035: after the death of a fleet, no script holds the server long."""
    for number in range(BATCH + 5):
        pool.enqueue(f"job-{number}")
        pool.worker().hold()
    pool.time_passes(10_001)
    assert [len(pool.reap().reclaimed) for _ in range(3)] == [BATCH, 5, 0]


def test_the_fleet_reaps_once_an_interval(pool):
    """A thousand workers ask; one of them does it, the others learn how long to wait."""
    assert pool.reap(every_ms=1_000) == Pass(())
    told = pool.reap(every_ms=1_000)
    assert isinstance(told, NotDue)
    assert 0 < told.ms <= 1_000
    pool.time_passes(1_001)
    assert pool.reap(every_ms=1_000) == Pass(())


def test_a_turn_that_lies_further_ahead_than_its_interval_keeps_nobody_waiting(pool):
    """FM-018, LIV-02: the server's clock went back by an hour, and no chore is to wait for it to catch up."""
    pool.reap(every_ms=1_000)
    pool.time_passes(-3_600_000)
    assert pool.reap(every_ms=1_000) == Pass(())
    assert isinstance(pool.reap(every_ms=1_000), NotDue)


def test_who_goes_on_keeps_the_turn(pool):
    """FM-035: batch by batch, for longer than an interval; the others are told to wait, and do not join in."""
    pool.reap(every_ms=1_000)
    for _ in range(3):
        pool.time_passes(800)
        assert pool.reap(every_ms=1_000, goes_on=True) == Pass(())
        assert isinstance(pool.reap(every_ms=1_000), NotDue)
    pool.time_passes(1_001)
    assert pool.reap(every_ms=1_000) == Pass(())


def test_who_looks_for_orphans_keeps_the_turn_too(pool):
    """FM-035: a page of suspects is looked at some at a time."""
    upkeep = Upkeep(pool.scripts, pool.clock, pool.settings)
    upkeep.rescue(every_ms=2_000)
    pool.time_passes(1_500)
    assert upkeep.rescue(every_ms=2_000, goes_on=True) == ()
    pool.time_passes(1_500)
    assert isinstance(upkeep.rescue(every_ms=2_000), NotDue)


def test_after_a_late_pass_holders_get_a_heartbeat_first(pool):
    """FM-019, FM-017: nobody could renew while the server was away; whoever lives does so now."""
    pool.reap()
    pool.enqueue("alive")
    pool.enqueue("dead")
    worker = pool.worker()
    alive, _ = worker.hold(), pool.worker().hold()
    pool.time_passes(30_000)
    told = pool.reap()
    assert isinstance(told, Waiting)
    assert told.ms == pool.settings.holder_grace_ms
    worker.renew(alive)
    pool.time_passes(told.ms + 1)
    assert [taken.job_id for taken in pool.reap().reclaimed] == ["dead"]


def test_a_restarted_server_gives_holders_a_heartbeat_too(real_pool):
    """FM-019: its run id has changed, however quick it was."""
    pool = real_pool
    pool.enqueue()
    pool.reap()
    pool.worker().hold()
    pool.time_passes(2_000)
    pool.reap()
    pool.redis.hset(keys.reaper(), "server_run", "the one before")
    assert isinstance(pool.reap(), Waiting)
    assert isinstance(pool.reap(), Waiting)
    pool.time_passes(pool.settings.holder_grace_ms + 1)
    assert pool.reap() == Pass(())


@pytest.mark.parametrize("later_ms", [0, 20_000])
def test_a_servers_clock_that_went_back_prolongs_no_heartbeat(pool, later_ms):
    """FM-018, LIV-02: in a grace, or after it: the next is as long as any, and then the dead are taken from."""
    pool.reap()
    pool.time_passes(30_000)
    assert isinstance(pool.reap(), Waiting)
    for _ in range(later_ms // 1_000):
        pool.time_passes(1_000)
        pool.reap()
    pool.time_passes(-3_600_000)
    told = pool.reap()
    assert isinstance(told, Waiting)
    assert told.ms <= pool.settings.holder_grace_ms
    pool.time_passes(told.ms + 1)
    assert pool.reap() == Pass(())
    pool.enqueue()
    die(pool)
    assert pool.state("job-1", "hf_crashes", "place") == {"hf_crashes": "1", "place": "queue default"}


def outage(pool):
    """Let nobody reach the server for half a minute, and then give the holders their heartbeat."""
    pool.time_passes(30_000)
    assert isinstance(pool.reap(), Waiting)
    pool.time_passes(pool.settings.holder_grace_ms + 1)
    return words(pool.reap())


def test_an_outage_is_nobodys_crash_once(pool):
    """INV-09: it costs nothing; but a job that causes the outages must not go on for ever."""
    pool.reap()
    pool.enqueue()
    crashes = []
    for _ in range(3):
        pool.worker().hold()
        assert outage(pool) == ["reclaimed"]
        crashes.append(pool.record().get("hf_crashes"))
    assert crashes == ["0", "1", "2"]


def test_who_dies_after_the_outage_is_charged(pool):
    """Only leases that ran out in it are forgiven."""
    pool.reap()
    outage(pool)
    pool.enqueue()
    die(pool)
    assert pool.state("job-1", "hf_crashes") == {"hf_crashes": "1"}
