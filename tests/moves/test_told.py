"""What a move leaves to be read: a line in its job's journal and, where moves are recorded, one in their stream."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.people import People, Wish
from holdfast.jobs.store.scripts import Scripts

#: How an execution is named in a journal, maybe with its fence.
EXECUTION = re.compile(r" [0-9a-f]{32}( \d{16})?")


@pytest.fixture
def told(pool):
    """Give a pool that records its moves, and two workers of it."""
    settings, scripts = replace(pool.settings, record_moves=True), Scripts(pool.redis, record=True)
    told = type(pool)(pool.redis, pool.clock, settings=settings, scripts=scripts)
    return told, told.worker("w1"), told.worker("w2")


def recorded(pool):
    """Give the stream, as `move job to who`."""
    entries = [entry for _, entry in pool.redis.xrange(keys.moves())]
    return [" ".join(entry[name].decode() for name in (b"move", b"job", b"to", b"who")) for entry in entries]


def held(pool, worker, **options):
    pool.enqueue(**options)
    return worker.hold()


def complete(pool, worker, _):
    worker.complete(held(pool, worker))


def turn(pool, worker, _):
    lease = held(pool, worker)
    pool.enqueue("job-2")
    worker.turn(lease)


def turn_with_others(pool, worker, _):
    lease = held(pool, worker)
    pool.enqueue("job-2")
    worker.turn(lease, worker.hold())


def complete_and_begin_again(pool, worker, _):
    lease = held(pool, worker)
    pool.enqueue()
    worker.complete(lease)


def release(pool, worker, _):
    pool.enqueue("parent")
    pool.enqueue(depends_on="parent")
    worker.complete(worker.hold())


def postpone(pool, worker, _):
    worker.postpone(held(pool, worker))


def promote(pool, worker, _):
    worker.postpone(held(pool, worker), delay_ms=1_000)
    pool.time_passes(1_001)
    pool.promote()


def bury(pool, worker, _):
    worker.bury(held(pool, worker), status="stopped")


def give_back(pool, worker, _):
    worker.give_back(held(pool, worker))


def give_back_what_is_wanted_later(pool, worker, _):
    lease = held(pool, worker)
    pool.queue().enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="job-1")
    worker.give_back(lease)


def give_back_what_may_run_once(pool, worker, _):
    worker.give_back(held(pool, worker, crashes=0), begun=True)


def give_back_unheard(pool, worker, _):
    pool.enqueue()
    worker.hold_unheard()
    worker.turn(want=0)


def crash(pool, worker, _):
    worker.crash(held(pool, worker))
    worker.crash(worker.hold())


def crash_and_begin_again(pool, worker, _):
    lease = held(pool, worker)
    pool.enqueue()
    worker.crash(lease)


def crash_for_good(pool, worker, other):
    worker.crash(held(pool, worker, crashes=0))
    other.claim()


def reclaim(pool, worker, _):
    held(pool, worker)
    pool.time_passes(10_001)
    pool.reap()


def lose(pool, worker, _):
    lease = held(pool, worker)
    pool.redis.delete(keys.job("job-1"))
    worker.renew(lease)


def renew(pool, worker, _):
    worker.renew(held(pool, worker))


def effects(pool, worker, _):
    lease = held(pool, worker)
    worker.moves.begin_effect(lease, "charge")
    worker.moves.commit_effect(lease, "charge", b"paid")
    worker.moves.withdraw_effect(lease, "mail")


def rescue(pool, *_):
    pool.enqueue()
    pool.redis.delete(keys.queue("default"))
    pool.rescue_in_time()


def people(pool, worker, _):
    worker.bury(held(pool, worker))
    People(pool.scripts).requeue([Wish(job_id="job-1", op="a1")], asked_s=1)
    worker.bury(worker.hold())
    People(pool.scripts).drop([Wish(job_id="job-1", op="a2")])


def enqueue_many(pool, *_):
    pool.queue().enqueue_many([pool.queue().prepare_data("shop.fulfil", job_id=name) for name in ("job-1", "job-2")])


def pass_over(pool, worker, _):
    pool.redis.rpush(keys.queue("default"), "job-1")
    worker.claim()


#: What is done, and how the journal and the stream end after it.
STORIES = {
    complete: (
        ["enqueue default queued", "claim w1", "complete w1"],
        ["enqueue job-1 queued producer", "claim job-1 started w1", "complete job-1 finished w1"],
    ),
    turn: (
        ["claim w1", "complete w1"],
        ["enqueue job-2 queued producer", "complete job-1 finished w1", "claim job-2 started w1"],
    ),
    turn_with_others: (["claim w1", "complete w1"], ["complete job-1 finished w1", "complete job-2 finished w1"]),
    complete_and_begin_again: (
        ["enqueue default again", "complete w1"],
        ["enqueue job-1 again producer", "complete job-1 queued w1"],
    ),
    release: (["released parent"], ["released job-1 queued parent", "complete parent finished w1"]),
    postpone: (["claim w1", "postpone w1 +0ms"], ["claim job-1 started w1", "postpone job-1 queued w1"]),
    promote: (
        ["postpone w1 +1000ms", "promote default"],
        ["postpone job-1 scheduled w1", "promote job-1 queued promoter"],
    ),
    bury: (["claim w1", "bury w1 failures"], ["claim job-1 started w1", "bury job-1 stopped w1"]),
    give_back: (["claim w1", "give_back w1"], ["claim job-1 started w1", "give_back job-1 queued w1"]),
    give_back_what_is_wanted_later: (
        ["enqueue default again", "give_back w1"],
        ["enqueue job-1 again producer", "give_back job-1 scheduled w1"],
    ),
    give_back_what_may_run_once: (
        ["claim w1", "give_back w1"],
        ["claim job-1 started w1", "give_back job-1 failed w1"],
    ),
    give_back_unheard: (["claim w1", "give_back w1 unheard"], ["claim job-1 started w1", "give_back job-1 queued w1"]),
    crash: (
        ["crash w1 signal 9", "claim w1", "crash w1 signal 9"],
        ["crash job-1 queued w1", "claim job-1 started w1", "crash job-1 scheduled w1"],
    ),
    crash_and_begin_again: (
        ["enqueue default again", "crash w1 signal 9"],
        ["enqueue job-1 again producer", "crash job-1 queued w1"],
    ),
    crash_for_good: (["claim w1", "crash w1 signal 9"], ["crash job-1 failed w1", "aftermath job-1 failed w2"]),
    reclaim: (["claim w1", "reclaim w1 lease expired"], ["claim job-1 started w1", "reclaim job-1 queued w1"]),
    lose: ([], ["claim job-1 started w1", "lost job-1  "]),
    renew: (["claim w1"], ["claim job-1 started w1", "renew job-1 started w1"]),
    effects: (
        ["claim w1"],
        ["begin_effect job-1 charge ", "commit_effect job-1 charge ", "withdraw_effect job-1 mail "],
    ),
    rescue: (["enqueue default queued", "rescue orphans line"], ["rescue job-1 queued line"]),
    people: (
        [],
        [
            "bury job-1 failed w1",
            "requeue job-1 queued person",
            "claim job-1 started w1",
            "bury job-1 failed w1",
            "drop job-1 none person",
        ],
    ),
    enqueue_many: (["enqueue default queued"], ["enqueue job-1 queued producer", "enqueue job-2 queued producer"]),
    pass_over: ([], ["ghost job-1 none w1"]),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_move_is_told(told, story):
    """INV-02: whoever asks where a job has been; and the checker, which judges a run by its moves."""
    story(*told)
    (pool, *_), (journal, stream) = told, STORIES[story]
    assert [EXECUTION.sub("", line) for line in pool.journal()][-len(journal) :] == journal
    assert recorded(pool)[-len(stream) :] == stream
