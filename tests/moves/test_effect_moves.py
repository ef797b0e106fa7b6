"""none -> intent -> done: what an attempt meant to do, and did, is told to the next."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.keys import effect_field
from holdfast.jobs.store.moves import Stint
from holdfast.jobs.store.outcomes import Done, Doubtful, First, Kept, Resolved, Withdrawn
from holdfast.jobs.store.people import People, Wish

PAID = b"paid\x00 \xff\n done 1 \r\n"


@pytest.fixture
def holder(pool):
    """Give the moves of a worker and its lease on a job."""
    pool.enqueue()
    worker = pool.worker()
    return worker.moves, worker.hold()


@pytest.fixture
def succeed(pool, holder):
    """Give a function that lets the holder die and gives the moves and the lease of the next."""

    def take_over():
        pool.time_passes(70_001)
        pool.reap()
        pool.time_passes(4_000)
        pool.reap()
        worker = pool.worker("heir")
        return worker.moves, worker.hold()

    return take_over


@pytest.fixture
def resolve(pool):
    """Give a function that settles a doubt by a person's word, and gives the answer."""

    def ask(job_id="job-1", name="charge", *, op="a1", **found):
        return People(pool.scripts).resolve_effect(Wish(job_id=job_id, op=op), name, **found)

    return ask


def test_the_first_attempt_is_first(pool, holder):
    """None -> intent, with its fence."""
    moves, held = holder
    assert moves.begin_effect(held, "charge") == First()
    assert pool.record()[effect_field("charge")] == f"intent {held.fence} "


def test_an_intent_sent_twice_is_first_twice(pool, holder):
    """FM-008: the same execution asks again because the reply was lost."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    with pool.nothing_changes():
        assert moves.begin_effect(held, "charge") == First()


@pytest.mark.parametrize("value", [b"", PAID, b"x" * 100_000], ids=["empty", "binary", "long"])
def test_what_took_place_is_told_to_the_next_attempt(pool, holder, succeed, value):
    """Intent -> done: whatever bytes the serializer made of its value."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    assert moves.commit_effect(held, "charge", value) == Done(value)
    moves, held = succeed()
    with pool.nothing_changes():
        assert moves.begin_effect(held, "charge") == Done(value)


def test_a_commit_sent_twice_is_done_once(pool, holder):
    """FM-008: the record is the same."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.commit_effect(held, "charge", PAID)
    with pool.nothing_changes():
        assert moves.commit_effect(held, "charge", PAID) == Done(PAID)


def test_an_attempt_that_died_in_between_leaves_doubt(pool, holder, succeed):
    """INV-07: the next one is told whose intent it was, and may not act."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves, newer = succeed()
    with pool.nothing_changes():
        assert moves.begin_effect(newer, "charge") == Doubtful(held.fence)


def test_a_doubt_that_was_settled_makes_the_asker_first(pool, holder, succeed):
    """It asked the outside, or twice does no harm: from here on the intent is its own."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves, newer = succeed()
    assert moves.begin_effect(newer, "charge", take_over=True) == First()
    assert moves.begin_effect(newer, "charge") == First()
    assert moves.commit_effect(newer, "charge", PAID) == Done(PAID)


def test_what_is_done_cannot_be_taken_over(pool, holder, succeed):
    """INV-07: a take-over settles doubt, and there is none."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.commit_effect(held, "charge", PAID)
    moves, newer = succeed()
    assert moves.begin_effect(newer, "charge", take_over=True) == Done(PAID)


def test_an_intent_that_was_withdrawn_makes_the_next_attempt_first(pool, holder, succeed):
    """Intent -> none: it is known not to have taken place."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    assert moves.withdraw_effect(held, "charge") == Withdrawn()
    assert effect_field("charge") not in pool.record()
    assert moves.withdraw_effect(held, "charge") == Withdrawn()
    moves, newer = succeed()
    assert moves.begin_effect(newer, "charge") == First()


def test_neither_another_ones_intent_nor_what_is_done_can_be_withdrawn(pool, holder, succeed):
    """INV-07: only the attempt that meant to act knows that it did not."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.begin_effect(held, "mail")
    moves.commit_effect(held, "mail", PAID)
    moves, newer = succeed()
    with pool.nothing_changes():
        moves.withdraw_effect(newer, "charge")
        moves.withdraw_effect(newer, "mail")


def test_effects_of_different_names_know_nothing_of_each_other(holder):
    """A charge is not a mail, even if one name begins with the other."""
    moves, held = holder
    moves.begin_effect(held, "mail")
    moves.commit_effect(held, "mail", b"sent")
    assert moves.begin_effect(held, "mail:again") == First()
    assert moves.begin_effect(held, "mai") == First()
    assert moves.begin_effect(held, "\u20ac line\nbreak") == First()


@pytest.mark.parametrize(
    ("happened", "answer"),
    [pytest.param(True, Done(PAID), id="it happened"), pytest.param(False, First(), id="it did not")],
)
def test_a_doubt_that_a_person_settled_is_none_for_the_next_attempt(pool, holder, resolve, happened, answer):
    """The job was buried in doubt; they found out, said so, and requeued it."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.bury(held, 9, Stint(1, 2), cause="in_doubt", error="")
    assert resolve(happened=happened, value=PAID) == Resolved("job-1")
    assert pool.journal()[-1] == f"resolve person charge {'happened' if happened else 'did not happen'}"
    Job.fetch("job-1", connection=pool.redis).requeue()
    worker = pool.worker("heir")
    assert worker.moves.begin_effect(worker.hold(), "charge") == answer


@pytest.mark.parametrize("saved", [None, "queued", "failed"])
def test_a_doubt_is_not_settled_while_somebody_is_at_it(pool, holder, resolve, saved):
    """INV-04, FM-050: it may be acting at this moment, whatever status an app has saved over it (decision 9)."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    if saved:
        pool.redis.hset(keys.job("job-1"), "status", saved)
    with pool.nothing_changes():
        assert resolve(happened=False) == Kept("job-1", "running", ())


def test_a_doubt_is_settled_although_an_app_saved_over_the_end(pool, holder, resolve):
    """FM-050: what says `started` and is in nobody's hands is not being worked on."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.bury(held, 9, Stint(1, 2), cause="in_doubt", error="")
    pool.redis.hset(keys.job("job-1"), "status", "started")
    assert resolve(happened=True) == Resolved("job-1")


def test_a_doubt_is_settled_on_a_record_that_has_lost_fields(pool, holder, resolve):
    """FM-033: somebody deleted them; the script ended in an error."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves.bury(held, 9, Stint(1, 2), cause="in_doubt", error="")
    pool.redis.hdel(keys.job("job-1"), "status", "hf_fence", "origin")
    assert resolve(happened=True) == Resolved("job-1")


@pytest.mark.parametrize("happened", [True, False])
def test_a_doubt_settled_twice_by_one_wish_is_settled_once(pool, holder, succeed, resolve, happened):
    """FM-008: the reply was lost. INV-07: and where that wish comes late, the next doubt is none of its business."""
    moves, held = holder
    moves.begin_effect(held, "charge")
    moves, newer = succeed()
    moves.give_back(newer, 9, begun=True, waited=False)
    assert resolve(happened=happened) == Resolved("job-1")
    with pool.nothing_changes():
        assert resolve(happened=happened) == Resolved("job-1")
    worker = pool.worker("another")
    held = worker.hold()
    worker.moves.begin_effect(held, "mail")
    worker.bury(held)
    with pool.nothing_changes():
        assert resolve("job-1", "mail", happened=False) == Resolved("job-1")
    assert resolve("job-1", "mail", op="a2", happened=False) == Resolved("job-1")


@pytest.mark.parametrize("state", ["none", "done"])
def test_where_there_is_no_doubt_a_person_changes_nothing(pool, holder, resolve, state):
    """INV-07: least of all what is done."""
    moves, held = holder
    if state == "done":
        moves.begin_effect(held, "charge")
        moves.commit_effect(held, "charge", PAID)
    with pool.nothing_changes():
        assert resolve(happened=False) == Kept("job-1", "no_doubt", (state,))
        assert resolve("job-2", happened=True) == Kept("job-2", "no_doubt", ("none",))


DAY_MS = 86_400_000


def wait_for_a_retry(pool, worker, held):
    worker.postpone(held, delay_ms=30 * DAY_MS)
    pool.time_passes(30 * DAY_MS + 1)
    pool.promote()


def wait_for_a_person(pool, worker, held):
    worker.bury(held)
    pool.time_passes(364 * DAY_MS)
    Job.fetch("job-1", connection=pool.redis).requeue()


def wait_in_line(pool, worker, held):
    worker.give_back(held, begun=True)
    pool.time_passes(365 * DAY_MS)


def wait_for_a_worker(pool, worker, held):
    pool.time_passes(365 * DAY_MS)
    pool.reap()
    pool.time_passes(4_000)
    pool.reap()


@pytest.mark.parametrize("wait", [wait_for_a_retry, wait_for_a_person, wait_in_line, wait_for_a_worker])
def test_a_mark_is_there_however_long_the_next_attempt_takes_to_come(pool, wait):
    """FM-028, INV-07: it has no expiry of its own, nor has the record from the first claim until the job's end."""
    pool.enqueue(ttl=60, result_ttl=60)
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.moves.commit_effect(held, "charge", b"paid")
    wait(pool, worker, held)
    heir = pool.worker("heir")
    assert heir.moves.begin_effect(heir.hold(), "charge") == Done(b"paid")
