"""INV-04: whoever has lost the lease changes nothing, not a count, not an error text, not a TTL."""

import pytest

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store.outcomes import Fenced, Lost

MOVES = {
    "renew": lambda worker, held: worker.renew(held),
    "annotate": lambda worker, held: worker.annotate(held, "meta", "stale"),
    "complete": lambda worker, held: worker.complete(held, value="stale", result_ttl=5),
    "complete and keep nothing": lambda worker, held: worker.complete(held, result_ttl=0),
    "complete and repeat": lambda worker, held: worker.complete(held, repeat_ms=0, repeats_left=1),
    "postpone": lambda worker, held: worker.postpone(held, used=["retries_left", 0], retried="c3RhbGU="),
    "bury": lambda worker, held: worker.bury(held, error="stale"),
    "give back": lambda worker, held: worker.give_back(held, begun=True),
    "crash": lambda worker, held: worker.crash(held, cause="stale"),
    "begin an effect": lambda worker, held: worker.moves.begin_effect(held, "charge", take_over=True),
    "commit an effect": lambda worker, held: worker.moves.commit_effect(held, "charge", b"stale"),
    "withdraw an effect": lambda worker, held: worker.moves.withdraw_effect(held, "charge"),
}


def lose(pool, worker, held):
    pool.time_passes(10_001)
    pool.reap()


def lose_to_another(pool, worker, held):
    lose(pool, worker, held)
    other = pool.worker("quick")
    newer = other.hold()
    other.moves.begin_effect(newer, "charge")


def lose_to_one_that_finished(pool, worker, held):
    lose(pool, worker, held)
    other = pool.worker("quick")
    other.complete(other.hold())


def settle(pool, worker, held):
    worker.complete(held)


def settle_and_leave_nothing(pool, worker, held):
    worker.complete(held, result_ttl=0)


def give_back(pool, worker, held):
    worker.give_back(held)


WAYS = {
    "reclaimed, and in line": (lose, Lost),
    "reclaimed, and held by another": (lose_to_another, Fenced),
    "reclaimed, and finished by another": (lose_to_one_that_finished, Fenced),
    "settled before": (settle, Lost),
    "settled before, and not kept": (settle_and_leave_nothing, Lost),
    "given back before": (give_back, Lost),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("move", MOVES)
def test_a_stale_holder_is_refused_and_changes_nothing(pool, move, way):
    """INV-04, FM-012: it wakes up after the world has moved on."""
    become_stale, answer = WAYS[way]
    pool.enqueue()
    worker = pool.worker("slow")
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    become_stale(pool, worker, held)
    with pool.nothing_changes(worker):
        assert isinstance(MOVES[move](worker, held), answer)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_job_that_a_person_ended_is_not_its_holders_any_more(pool, move, end):
    """FM-050: only what the dead lease left of itself goes; the person's word stays."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    getattr(Job.fetch("job-1", connection=pool.redis), end)()
    assert MOVES[move](worker, held) == Lost()
    ended = {"cancel": ("canceled", "canceled default"), "delete": (None, "")}[end]
    assert tuple(pool.state("job-1", "status", "place").values()) == ended


def test_a_holder_whose_deadline_passed_may_still_settle_before_anyone_took_the_job(pool):
    """A deadline gives the right to reclaim; until someone does, the work is not wasted."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    pool.time_passes(60_000)
    worker.complete(held)
    assert pool.state("job-1", "status") == {"status": "finished"}


@pytest.mark.parametrize("move", ["complete", "postpone", "bury", "give_back", "crash"])
def test_a_settle_sent_twice_gets_its_first_answer_and_changes_nothing(pool, move):
    """FM-008: the reply was lost; the second sending is told what the first did."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    first = getattr(worker, move)(held)
    with pool.nothing_changes():
        assert getattr(worker, move)(held, op=worker.op) == first


@pytest.mark.parametrize("move", ["complete", "postpone", "bury", "give_back", "crash"])
def test_a_settle_that_arrives_after_its_sender_moved_on_is_refused(pool, move):
    """FM-010: a held-up request of a job that the same worker has claimed again."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.give_back(held)
    again = worker.hold()
    with pool.nothing_changes():
        assert getattr(worker, move)(again, op=1).why == "late"


def test_a_refusal_sent_twice_is_a_refusal_twice(pool):
    """INV-10: even where the job has come back to the same worker meanwhile."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    lose(pool, worker, held)
    assert worker.complete(held) == Lost()
    assert worker.complete(held, op=worker.op) == Lost()
