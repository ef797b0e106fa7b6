"""queued -> started: one worker takes the next job that may be taken, and what stands in the way is put right."""

import pytest
from rq.suspension import resume, suspend

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Again, Buried, Claimed, Closed, Empty, Lost

#: An id that is no UTF-8.
NO_TEXT = b"caf\xe9"
LEASED = {"status": "started", "place": "leases default"}


def push(pool, job_id="job-1"):
    """Put an id in line as a stock tool or a hand may: whatever state the job is in."""
    pool.redis.rpush(keys.queue("default"), job_id)


def test_a_claimed_job_is_under_a_lease(pool):
    """The lease lasts from the claim by the server's clock, and stock tools see a running job."""
    pool.enqueue(job_timeout=60)
    held = pool.worker("w1").hold()
    after = LEASED | {"deadline_ms": pool.settings.lease_ms, "worker_name": "w1", "hf_fence": str(held.fence)}
    assert pool.state("job-1", *after) == after
    assert pool.redis.smembers(keys.leased()) == {b"default"}

    job = Job.fetch("job-1", connection=pool.redis)
    (execution,) = job.get_executions()
    assert (execution.id, job.get_status(), job.worker_name) == (held.execution, "started", "w1")
    assert pool.redis.hget(keys.worker("w1"), "current_job") == b"job-1"


@pytest.mark.parametrize(("timeout", "patience_s"), [(60, 3_660), (-1, float("inf"))])
def test_stock_tools_think_a_job_dead_only_an_hour_past_its_timeout(pool, timeout, patience_s):
    """FM-053: they judge by the wip score, and only the reaper by the lease."""
    pool.enqueue(job_timeout=timeout)
    held = pool.worker().hold()
    score = pool.redis.zscore(keys.wip("default"), f"job-1:{held.execution}")
    assert score - pool.now_ms() / 1_000 == pytest.approx(patience_s, abs=2)


@pytest.mark.parametrize("timeout", ["nan", "inf", "1e999", "99999999999999999999"])
def test_a_timeout_that_no_number_of_cs_holds_does_not_make_a_job_look_dead(pool, timeout):
    """Spelled as a moment that is long past, whoever looks with `rq info` would fail the job at work."""
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), "timeout", timeout)
    held = pool.worker().hold()
    assert pool.redis.zscore(keys.wip("default"), f"job-1:{held.execution}") == float("inf")
    assert pool.redis.zscore(keys.executions("job-1"), held.execution) == float("inf")


def hold_no_text(pool, worker):
    """Let a worker take a job whose id is no text, as somebody's program put it in line: a fake cannot keep it."""
    pool.enqueue()
    pool.redis.rename(keys.job("job-1"), keys.job("").encode() + NO_TEXT)
    pool.redis.lset(keys.queue("default"), 0, NO_TEXT)
    lease = worker.hold()
    assert lease.job_id == NO_TEXT
    return lease


def status_of_no_text(pool):
    return pool.redis.hget(keys.job("").encode() + NO_TEXT, "status")


@pytest.mark.parametrize(
    ("end", "status", "place"),
    [
        (lambda worker, held: worker.complete(held), b"finished", keys.finished("default")),
        (lambda worker, held: worker.turn(held), b"finished", keys.finished("default")),
        (lambda worker, held: worker.bury(held), b"failed", keys.failed("default")),
        (lambda worker, held: worker.postpone(held, delay_ms=1_000), b"scheduled", keys.scheduled("default")),
        (lambda worker, held: worker.give_back(held), b"queued", None),
    ],
    ids=["complete", "turn", "bury", "postpone", "give back"],
)
def test_a_job_whose_id_is_no_text_is_taken_and_settled_as_any_other(real_pool, end, status, place):
    """INV-12, FM-033: whoever took it would end, and whoever reclaimed it after that."""
    worker = real_pool.worker()
    lease = hold_no_text(real_pool, worker)
    assert worker.renew(lease).deadline_ms
    end(worker, lease)
    assert status_of_no_text(real_pool) == status
    assert place is None or real_pool.redis.zscore(place, NO_TEXT) is not None
    assert not real_pool.redis.exists(keys.leases("default"))


def test_a_job_whose_id_is_no_text_comes_back_from_the_dead(real_pool):
    """LIV-02, FM-033."""
    hold_no_text(real_pool, real_pool.worker())
    real_pool.time_passes(10_002)
    (taken,) = real_pool.reap().reclaimed
    assert (taken.word, taken.job_id, status_of_no_text(real_pool)) == ("reclaimed", NO_TEXT, b"queued")
    assert real_pool.worker("w2").hold().job_id == NO_TEXT


def test_a_claim_sent_again_gives_the_same_job_whose_id_is_no_text(real_pool):
    """FM-009: the answer that the server keeps has the name as it came."""
    worker = real_pool.worker()
    lease = hold_no_text(real_pool, worker)
    assert worker.claim(op=worker.op).lease == lease


def test_what_is_left_to_tell_of_a_job_whose_id_is_no_text_is_told(real_pool):
    """FM-033: and is over then."""
    worker = real_pool.worker()
    lease = hold_no_text(real_pool, worker)
    real_pool.redis.hset(keys.job("").encode() + NO_TEXT, "hf_crashes_max", 0)
    assert worker.crash(lease) == Buried()
    left = worker.claim()
    assert (left.job_id, left.status) == (NO_TEXT, "failed")
    assert worker.moves.end_aftermath(left)
    assert worker.claim() == Empty()


def test_queues_are_looked_at_in_the_order_in_which_they_are_named(pool):
    """A worker of `high default` takes the high ones first."""
    pool.enqueue("plain", "default")
    pool.enqueue("urgent", "high")
    assert [pool.worker().hold("high", "default").job_id for _ in range(2)] == ["urgent", "plain"]


def test_an_empty_line_is_empty(pool):
    """There is nothing to hold, and the bell is silent."""
    pool.enqueue()
    pool.worker().hold()
    assert pool.worker().claim() == Empty()
    assert not pool.redis.exists(keys.bell("default"))


def test_a_claim_that_leaves_jobs_behind_rings_for_the_next_worker(pool):
    """The one token may have been taken by this worker."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    pool.redis.delete(keys.bell("default"))
    pool.worker().hold()
    assert pool.redis.llen(keys.bell("default")) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda redis: redis.delete(keys.job("job-1")), id="no record: its ttl ran out in line"),
        pytest.param(lambda redis: redis.hdel(keys.job("job-1"), "data"), id="a record that says no work"),
        pytest.param(
            lambda redis: redis.delete(keys.job("job-1")) and redis.set(keys.job("job-1"), "x"),
            id="something that is no record",
        ),
    ],
)
def test_a_ghost_in_line_is_noted_and_passed_over(pool, spoil):
    """FM-027, INV-12: an entry without a job stops nobody."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    spoil(pool.redis)
    assert pool.worker().hold().job_id == "job-2"
    assert pool.places("job-1") == []
    (ghost,) = pool.redis.lrange(keys.ghosts(), 0, -1)
    assert ghost.endswith(b" default job-1")


def test_those_claimed_beside_what_is_no_record_are_in_hand(pool):
    """FM-027: an error in the middle of a script would leave them in no place."""
    for job_id in ("a", "b", "c"):
        pool.enqueue(job_id)
    pool.redis.delete(keys.job("b"))
    pool.redis.set(keys.job("b"), "x")
    worker = pool.worker()
    taken = worker.moves.claim(1, ["default"], seen_fence=0, want=3)
    assert [claimed.lease.job_id for claimed in taken] == ["a", "c"]
    assert (pool.places("a"), pool.places("c")) == (["leases default"], ["leases default"])


def test_a_line_full_of_dirt_takes_some_claims_to_clear(pool):
    """No script runs long: each passes over a hundred, and rings the bell for what is left."""
    pool.redis.rpush(keys.queue("default"), *[f"ghost-{n}" for n in range(150)])
    pool.enqueue()
    worker = pool.worker()
    assert worker.claim() == Again()
    assert pool.redis.llen(keys.bell("default")) == 1
    assert worker.hold().job_id == "job-1"


def postpone(pool, worker):
    worker.postpone(worker.hold(), delay_ms=5_000)


def push_as_a_stock_scheduler_does(pool, worker):
    postpone(pool, worker)
    pool.redis.zrem(keys.scheduled("default"), "job-1")
    pool.redis.hset(keys.job("job-1"), "status", "queued")


def end(move, **options):
    return lambda pool, worker: getattr(worker, move)(worker.hold(), **options)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            push_as_a_stock_scheduler_does,
            {"status": "scheduled", "place": "scheduled default", "due_ms": 5_000},
            id="a retry that a stock scheduler pushed early goes back",
        ),
        pytest.param(
            postpone,
            {"status": "scheduled", "place": "scheduled default", "due_ms": 5_000},
            id="a scheduled job stays where it is",
        ),
        pytest.param(
            end("complete"),
            {"status": "finished", "place": "finished default"},
            id="a finished job stays finished",
        ),
        pytest.param(end("bury"), {"status": "failed", "place": "failed default"}, id="a failed job stays failed"),
        pytest.param(
            end("bury", status="stopped"),
            {"status": "stopped", "place": "failed default"},
            id="a stopped job stays stopped",
        ),
        pytest.param(
            lambda pool, worker: Job.fetch("job-1", connection=pool.redis).cancel(),
            {"status": "canceled", "place": "canceled default"},
            id="a canceled job stays canceled",
        ),
        pytest.param(
            lambda pool, worker: worker.hold(),
            LEASED | {"hf_again": "1"},
            id="a leased job is not run beside itself, but once more afterwards",
        ),
    ],
)
def test_what_may_not_be_taken_is_put_where_it_belongs(pool, before, after):
    """INV-02, INV-06, INV-12: an entry in line is only a claim about a job; its record says what it is."""
    worker = pool.worker()
    pool.enqueue()
    before(pool, worker)
    push(pool)
    assert pool.worker().claim() == Empty()
    assert pool.state("job-1", *after) == after


def test_a_canceled_job_is_not_brought_back_by_an_entry_in_line(pool):
    """FM-050, INV-06: a person ended it while it ran, and the lease is still there."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    Job.fetch("job-1", connection=pool.redis).cancel()
    push(pool)
    assert pool.worker().claim() == Empty()
    assert worker.complete(held) == Lost()
    after = {"status": "canceled", "place": "canceled default"}
    assert pool.state("job-1", *after) == after


def test_a_job_that_is_due_is_taken_from_the_line_wherever_else_it_is(pool):
    """A stock scheduler pushed it in time, and its status was not yet written."""
    pool.enqueue()
    worker = pool.worker()
    postpone(pool, worker)
    push(pool)
    pool.time_passes(5_000)
    worker.hold()
    assert pool.state("job-1", *LEASED) == LEASED


def test_a_started_job_in_line_that_nobody_runs_is_taken(pool):
    """Its stock worker died: someone put it back in line, and its status was left."""
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), "status", "started")
    pool.worker().hold()
    assert pool.state("job-1", *LEASED) == LEASED


def test_a_job_that_a_stock_worker_runs_is_left_to_it(pool):
    """FM-053: side by side with stock workers, each leaves the other's live executions alone."""
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), "status", "started")
    pool.redis.zadd(keys.executions("job-1"), {"theirs": 1})
    pool.redis.zadd(keys.wip("default"), {"job-1:theirs": pool.now_ms() / 1_000 + 60})
    assert pool.worker().claim() == Empty()


def test_nobody_claims_while_the_pool_is_suspended(pool):
    """`rq suspend` closes the door; what is in line stays there."""
    pool.enqueue()
    worker = pool.worker()
    suspend(pool.redis)
    assert worker.claim() == Closed("suspended")
    assert pool.line() == ["job-1"]
    resume(pool.redis)
    assert isinstance(worker.claim(), Claimed)


def test_the_ttl_of_a_queued_job_ends_when_it_is_claimed(pool):
    """FM-027: a record that expires under its holder would lose the job."""
    pool.enqueue(ttl=30)
    pool.worker().hold()
    assert pool.state("job-1", "ttl_s") == {"ttl_s": None}


def test_what_a_stock_producer_writes_over_an_id_that_was_kept_for_a_while_does_not_expire_at_work(pool):
    """INV-01: a plain save leaves the time to live of the record before it, and names none itself."""
    pool.stock_queue().enqueue("shop.pack", job_id="job-1")
    pool.redis.expire(keys.job("job-1"), 500)
    pool.worker().hold()
    assert pool.state("job-1", "ttl_s") == {"ttl_s": None}


def test_one_idle_worker_listens_at_each_queue(pool):
    """Else each plain enqueue would wake the whole fleet."""
    first, second = pool.worker("w1"), pool.worker("w2")
    assert first.claim("default").listens_at == ("default",)
    assert second.claim("default", "other").listens_at == ("other",)
    assert first.claim("default").listens_at == ("default",)
