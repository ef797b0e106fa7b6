"""Several leases ended and several jobs taken in one trip: each as if it were the only one."""

import re

import pytest
from redis.exceptions import OutOfMemoryError
from rq import Repeat
from rq.job import Dependency, Job
from rq.suspension import suspend

from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.outcomes import Closed, Completed, Empty, Fenced, Lost, Renewed, Turned
from holdfast.jobs.store.work import Completion, Stint
from tests.moves.several import enqueue, ids, leases, take

DONE = Completed()


def without_moments(text):
    """Leave out of a record what no two jobs have in common: moments, fences and the names of attempts."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<moment>", text)
    return re.sub(r"[0-9a-f]{32}|\d{10,}", "<one>", text)


def seen_of(pool, job_id, who):
    record = {name: without_moments(text.replace(who, "WHO")) for name, text in pool.record(job_id).items()}
    return {name: text for name, text in record.items() if name not in {"data", "hf_op"}}


# -- as one by one -----------------------------------------------------------------------------------


def test_a_turn_ends_several_and_takes_several(pool):
    """INV-02, INV-06: two finished, three taken in the order of their line, the rest waits."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    enqueue(pool, "c", "d", "e", "f")
    turned = worker.turn(*held, want=3)
    assert (turned.said, ids(turned.next)) == ((DONE, DONE), ["c", "d", "e"])
    assert pool.line() == ["f"]
    assert {job_id: pool.places(job_id) for job_id in "abcde"} == {
        **{job_id: ["finished default"] for job_id in "ab"},
        **{key: ["leases default"] for key in "cde"},
    }
    assert not pool.redis.exists(*(keys.execution(lease.job_id, lease.execution) for lease in held))
    fences = [each.lease.fence for each in turned.next]
    assert len({*fences}) == 3
    assert all(isinstance(worker.renew(each.lease), Renewed) for each in turned.next)


def test_what_a_turn_leaves_is_what_single_moves_leave(pool):
    """Field by field: of those that ended, of those that were taken, and of the worker itself."""
    one, many = pool.worker("one"), pool.worker("many")
    enqueue(pool, "a1", "a2")
    for lease in (one.hold(), one.hold()):
        one.complete(lease, value="dg==")
    enqueue(pool, "a3")
    singly = one.hold()
    enqueue(pool, "b1", "b2")
    held = [many.hold(), many.hold()]
    enqueue(pool, "b3")
    turned = many.turn(*held, value="dg==")
    assert turned.next[0].lease.generation == singly.generation
    for other, own in (("a1", "b1"), ("a2", "b2"), ("a3", "b3")):
        assert seen_of(pool, own, "many") == seen_of(pool, other, "one")
        ttls = [pool.redis.ttl(key(job_id)) for key in (keys.job, keys.results) for job_id in (own, other)]
        assert ttls[0::2] == pytest.approx(ttls[1::2], abs=1)
        results = [pool.redis.xrange(keys.results(job_id)) for job_id in (own, other)]
        assert [set(fields) for _, fields in results[0]] == [set(fields) for _, fields in results[1]]
    counted = ["successful_job_count", "total_working_time", "state"]
    assert pool.redis.hmget(keys.worker("many"), counted) == pool.redis.hmget(keys.worker("one"), counted)


def rqs_part(record):
    return {name: value for name, value in record.items() if not name.startswith(b"hf_")}


def test_the_record_that_comes_with_a_lease_is_the_one_in_redis(pool):
    """A field that is missing there is missing in the job. What the claim has written of ours nobody reads there."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "b", "c", retry=None, meta={"k": 1}, crashes=2)
    for claimed in worker.turn(*held, want=2).next:
        handed, kept = claimed.record, pool.redis.hgetall(keys.job(claimed.lease.job_id))
        assert rqs_part(handed) == rqs_part(kept)
        assert handed[b"hf_crashes_max"] == kept[b"hf_crashes_max"] == b"2"


def test_a_turn_that_finds_nothing_leaves_its_worker_with_nothing(pool):
    """Stock tools see an idle worker; the ends are recorded all the same."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    assert worker.turn(*held, want=2).next == Empty()
    assert pool.redis.hget(keys.worker("w1"), "current_job") is None
    assert {tuple(pool.places(job_id)) for job_id in "ab"} == {("finished default",)}


@pytest.mark.parametrize("keeps", [True, False])
def test_values_are_kept_as_the_settings_have_it(pool, keeps):
    """HOLDFAST_KEEP_RESULTS: most of what a finished job takes of Redis."""
    other = type(pool)(pool.redis, pool.clock, settings=Settings(keep_results=keeps))
    worker = other.worker()
    held = take(pool, worker, "a")
    worker.turn(*held, value="dmFsdWU=")
    assert pool.redis.exists(keys.results("a")) == keeps
    assert pool.state("a", "status") == {"status": "finished"}


def test_queues_are_looked_through_in_their_order_until_there_are_enough(pool):
    """The urgent ones first; jobs of several queues may be taken in one trip."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "low-1", "low-2", queue="low")
    enqueue(pool, "high-1", queue="high")
    assert ids(worker.turn(*held, want=2, queues=("high", "low")).next) == ["high-1", "low-1"]


def test_an_id_that_stands_in_line_twice_is_taken_once_and_runs_again_after_that(pool):
    """INV-04: as where it is taken alone. What the turn does to the first is seen before the second is looked at."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "b", "c")
    pool.redis.rpush(keys.queue("default"), "b")
    turned = worker.turn(*held, want=3)
    assert (ids(turned.next), pool.line()) == (["b", "c"], [])
    worker.complete(turned.next[0].lease)
    assert pool.line() == ["b"]


def test_a_job_in_another_line_than_its_own_belongs_there_once_it_is_taken(pool):
    """A stock tool pushed its id: what ends it looks for it, and lists it, where it ran."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "b")
    pool.redis.lmove(keys.queue("default"), keys.queue("low"))
    (claimed,) = worker.turn(*held, want=2, queues=("low",)).next
    assert (pool.record("b")["origin"], claimed.record[b"origin"]) == ("low", b"low")


# -- what goes on as something else ----------------------------------------------------------------------


def test_who_waited_for_a_job_may_be_taken_by_the_turn_that_ends_it(pool):
    """INV-01: in the same script, so that no crash can leave a child waiting for ever."""
    worker = pool.worker()
    held = take(pool, worker, "parent", "other")
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on=Dependency(["parent", "other"]))
    turned = worker.turn(*held, want=4)
    assert ids(turned.next) == ["child"]


def test_a_job_that_repeats_or_was_enqueued_again_goes_on_as_a_new_generation(pool):
    """INV-06: one that repeats at once may be the very one that its turn takes."""
    worker = pool.worker()
    enqueue(pool, "repeats", repeat=Repeat(times=1))
    enqueue(pool, "again", "plain")
    first = leases(worker.claim_some(3))
    enqueue(pool, "again")
    done = [Completion(first[0], Stint(10, 12), "", 500, repeat_ms=0)]
    done += [Completion(lease, Stint(10, 12), "", 500) for lease in first[1:]]
    worker.op += 1
    turned = worker.moves.turn(worker.op, done, ("default",), seen_fence=worker.seen_fence, want=3)
    assert turned.said == (DONE, DONE, DONE)
    assert ids(turned.next) == ["repeats", "again"]
    assert [each.lease.generation for each in turned.next] == ["2", "2"]


# -- the refused among the good ------------------------------------------------------------------------------


def test_the_refused_ones_of_a_turn_cost_the_others_nothing(pool):
    """INV-04: one reclaimed, one reclaimed and in other hands; what was good is finished, what was not is void."""
    worker, other = pool.worker(), pool.worker("other")
    held = take(pool, worker, "good-1", "lost", "fenced", "good-2")
    for moment, lease in enumerate((held[1], held[2]), 1):
        pool.redis.zadd(keys.leases("default"), {f"{lease.job_id}:{lease.execution}": moment})
    pool.reap()
    assert pool.line() == ["lost", "fenced"]
    enqueue(pool, "next")
    pool.redis.lrem(keys.queue("default"), 1, "lost")
    newer = other.hold()
    said = worker.turn(*held, value="dg==").said
    assert said == (DONE, Lost(), Fenced(newer.fence), DONE)
    assert pool.redis.hget(keys.worker("w1"), "successful_job_count") == b"2"
    assert not pool.redis.exists(keys.results("lost"), keys.results("fenced"))
    assert isinstance(other.renew(newer), Renewed)


# -- again ------------------------------------------------------------------------------------------------


def test_a_turn_sent_twice_is_answered_twice_and_done_once(pool):
    """FM-008, INV-06: the same words, the same jobs under the same leases, and nothing changes."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    enqueue(pool, "c", "d", "e")
    first = worker.turn(*held, want=2)
    with pool.nothing_changes():
        assert worker.turn(*held, want=2, op=worker.op - 1) == first


def test_a_turn_sent_again_gives_only_what_still_stands(pool):
    """FM-008, FM-012: one of its jobs was reclaimed meanwhile; the words about the ends stay what they were."""
    worker, other = pool.worker(), pool.worker("other")
    held = take(pool, worker, "a")
    enqueue(pool, "c", "d", "e")
    first = worker.turn(*held, want=3)
    gone = first.next[1].lease
    pool.redis.zadd(keys.leases("default"), {f"d:{gone.execution}": 1})
    pool.reap()
    assert other.hold().job_id == "d"
    again = worker.turn(*held, want=3, op=worker.op - 2)
    assert (again.said, again.next) == (first.said, (first.next[0], first.next[2]))


def test_a_turn_sent_again_after_all_it_gave_is_gone_gives_nothing(pool):
    """FM-012: Lost, and the words about the ends."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "c", "d")
    worker.turn(*held, want=2)
    pool.time_passes(10_001)
    pool.reap()
    again = worker.turn(*held, want=2, op=worker.op - 1)
    assert (again.said, again.next) == ((DONE,), Lost())


@pytest.mark.parametrize("gone", ["c", "e"])
def test_what_a_second_answer_gave_is_heard_of_whatever_the_first_had_besides(pool, gone):
    """FM-008, INV-04: a person cancels one that was given, and the turn is sent again; what it then gives may end."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    enqueue(pool, "c", "d", "e", "f")
    seen_fence = worker.seen_fence
    worker.turn(*held, want=3)
    worker.seen_fence = seen_fence
    Job.fetch(gone, connection=pool.redis).cancel()
    heard = worker.turn(*held, want=3, op=worker.op - 2).next
    assert ids(heard) == [job_id for job_id in "cde" if job_id != gone]
    turned = worker.turn(*leases(heard)[:1], want=1)
    assert (turned.said, ids(turned.next)) == ((DONE,), ["f"])
    assert isinstance(worker.renew(heard[1].lease), Renewed)


def test_a_worker_that_has_a_job_again_keeps_it_as_its_own_when_an_old_end_of_it_is_refused(pool):
    """What stock tools show of a worker is what it does."""
    worker = pool.worker()
    held = take(pool, worker, "a")
    pool.time_passes(10_001)
    pool.reap()
    again = worker.hold()
    turned = worker.turn(*held, want=1)
    assert (again.job_id, turned.said, turned.next) == ("a", (Fenced(again.fence),), Empty())
    assert pool.redis.hget(keys.worker("w1"), "current_job") == b"a"


@pytest.mark.parametrize("asks_by", ["claim", "turn"])
def test_what_a_turn_gave_and_nobody_heard_goes_back_in_its_order(pool, asks_by):
    """FM-008: the answer was lost and its worker gave up on it. At the front, no attempt burned, nobody charged."""
    worker = pool.worker()
    held = take(pool, worker, "a", "kept")
    enqueue(pool, "c", "d", "e", "f")
    seen_fence = worker.seen_fence
    unheard = worker.turn(held[0], want=3)
    worker.seen_fence = seen_fence
    suspend(pool.redis)  # so that it can be seen where they went
    if asks_by == "claim":
        assert worker.claim_some(2) == Closed("suspended")
    else:
        turned = worker.turn(held[1], want=2)
        assert (turned.said, turned.next) == ((DONE,), Closed("suspended"))
    assert pool.line() == ["c", "d", "e", "f"]
    assert {pool.record(job_id).get("hf_crashes", "0") for job_id in "cde"} == {"0"}
    assert {type(worker.renew(each.lease)) for each in unheard.next} == {Lost}


def test_a_turn_that_arrives_after_its_worker_has_moved_on_is_refused(pool):
    """FM-009: late on a slow line. It ends nothing and takes nothing."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    enqueue(pool, "c")
    worker.op += 5
    worker.complete(held[0])
    with pool.nothing_changes():
        assert worker.turn(*held, op=worker.op - 1) == Turned((Closed("late"),) * len(held), Closed("late"))


# -- closed doors -------------------------------------------------------------------------------------------


def test_while_the_pool_is_suspended_a_turn_ends_and_takes_nothing(pool):
    """`rq suspend` closes the door for claims, not for what is done."""
    worker = pool.worker()
    held = take(pool, worker, "a", "b")
    enqueue(pool, "c")
    suspend(pool.redis)
    turned = worker.turn(*held, want=2)
    assert (turned.said, turned.next, pool.line()) == ((DONE, DONE), Closed("suspended"), ["c"])
    assert pool.redis.hget(keys.worker("w1"), "current_job") is None


def test_on_a_full_server_a_turn_ends_and_takes_nothing(real_pool, redis):
    """FM-024: what is done makes room; nothing is begun that could not be ended. Sent again it says the same."""
    worker = real_pool.worker()
    held = take(real_pool, worker, "a", "b")
    enqueue(real_pool, "c")
    redis.config_set("maxmemory", 1)
    try:
        turned = worker.turn(*held, want=2)
        assert (turned.said, turned.next) == ((DONE, DONE), Closed("full"))
        assert worker.turn(*held, want=2, op=worker.op - 1) == turned
        with pytest.raises(OutOfMemoryError):
            worker.claim()
    finally:
        redis.config_set("maxmemory", 0)
    assert real_pool.line() == ["c"]
    assert worker.hold().job_id == "c"
