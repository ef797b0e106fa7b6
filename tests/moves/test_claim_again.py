"""Claims that are asked again: under their own number, under a new one, too late, or by another life."""

import pytest
from rq.suspension import suspend

from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store.outcomes import Closed, Completed, Empty, Fenced, Lost, Renewed
from tests.moves.several import enqueue, leases

LEASED = {"status": "started", "place": "leases default"}


def test_a_claim_sent_twice_gets_the_same_job(pool):
    """FM-008: the reply was lost. The second sending takes no second job, and changes nothing."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    worker = pool.worker()
    first = worker.claim()
    with pool.nothing_changes():
        assert worker.claim(op=worker.op) == first
    assert pool.line() == ["job-2"]


def test_a_worker_that_never_heard_what_it_was_given_gives_it_back_by_asking_anew(pool):
    """FM-008: it gave up on its question, and asks again under a new number. No attempt is burned."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    worker = pool.worker()
    unheard = worker.hold_unheard()
    lease = worker.hold()
    assert (lease.job_id, lease.generation) == ("job-1", unheard.generation)
    assert (lease.execution != unheard.execution, lease.fence > unheard.fence) == (True, True)
    after = LEASED | {"hf_crashes": "0", "hf_failures": "0", "hf_given_back": None}
    assert pool.state("job-1", *after) == after
    assert worker.renew(unheard) == Fenced(lease.fence)


def test_what_was_not_heard_goes_back_although_the_pool_was_suspended_meanwhile(pool):
    """`rq suspend` closes the door for claims, not for what comes back."""
    pool.enqueue()
    worker = pool.worker()
    worker.hold_unheard()
    suspend(pool.redis)
    assert worker.claim() == Closed("suspended")
    assert pool.state("job-1", "place") == {"place": "queue default"}


def test_what_a_worker_has_heard_of_does_not_go_back_by_asking_anew(pool):
    """INV-09, FM-019: it may have begun, and a server that forgot its end must not have it run again: at most once."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    assert worker.claim() == Empty()
    assert isinstance(worker.renew(held), Renewed)


@pytest.mark.parametrize("end", ["complete", "postpone", "bury", "give_back", "crash"])
def test_what_was_settled_is_not_given_back_by_the_next_claim(pool, end):
    """INV-06: the settle is the last operation, not the claim before it."""
    pool.enqueue()
    worker = pool.worker()
    getattr(worker, end)(worker.hold())
    before = pool.state("job-1", "hf_ended", "hf_crashes", "hf_failures")
    worker.claim("another queue")
    assert pool.state("job-1", "hf_ended", "hf_crashes", "hf_failures") == before


def test_what_another_holds_by_now_is_not_given_back_by_who_had_it(pool):
    """INV-04, FM-012: it slept through its lease, and asks for the next job."""
    pool.enqueue()
    slow = pool.worker("slow")
    slow.hold()
    pool.time_passes(10_001)
    pool.reap()
    quick = pool.worker("quick")
    lease = quick.hold()
    with pool.nothing_changes(slow):
        assert slow.claim("another queue") == Empty()
    assert isinstance(quick.renew(lease), Renewed)


def test_a_claim_that_found_nothing_is_answered_the_same_when_sent_again(pool):
    """INV-10: the first answer stands, although a job came meanwhile."""
    worker = pool.worker()
    assert worker.claim() == Empty()
    pool.enqueue()
    assert worker.claim(op=worker.op) == Empty()
    assert pool.line() == ["job-1"]


def test_a_claim_that_arrives_after_its_sender_moved_on_gets_nothing(pool):
    """FM-010: a request was held up in the network; its job would be held by nobody."""
    worker = pool.worker()
    worker.claim()
    worker.claim()
    pool.enqueue()
    with pool.nothing_changes():
        assert worker.claim(op=1) == Closed("late")


def test_a_late_claim_is_refused_even_if_it_is_the_one_that_took_the_job(pool):
    """FM-010: the settle came after it, so its answer is worth nothing now."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.give_back(held)
    with pool.nothing_changes():
        assert worker.claim(op=1) == Closed("late")


def test_a_claim_sent_twice_is_lost_once_its_lease_is_gone(pool):
    """FM-012: it slept between the sendings, and the job was reclaimed meanwhile."""
    pool.enqueue()
    worker = pool.worker()
    worker.hold()
    pool.time_passes(10_001)
    pool.reap()
    with pool.nothing_changes():
        assert worker.claim(op=worker.op) == Lost()


def test_what_was_heard_when_it_was_asked_for_again_stays(pool):
    """INV-04, FM-008: the last one of the first answer was canceled before the second came, with the others."""
    worker = pool.worker()
    enqueue(pool, "a", "b", "c")
    worker.claim_some(3)
    worker.seen_fence = 0
    Job.fetch("c", connection=pool.redis).cancel()
    first, second = leases(worker.claim_some(3, op=worker.op - 2))
    assert worker.turn(first, besides=1).said == (Completed(),)
    assert isinstance(worker.renew(second), Renewed)


def test_two_lives_of_one_name_do_not_hear_each_others_answers(pool):
    """FM-047: a container that restarts has the name of the dead one, and begins to number anew."""
    pool.enqueue("job-1")
    pool.enqueue("job-2")
    assert pool.worker("w1").hold().job_id == "job-1"
    assert pool.worker("w1").hold().job_id == "job-2"
