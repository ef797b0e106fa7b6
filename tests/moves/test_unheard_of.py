"""An answer that no header lists: from a version that says more, or a reply to something else."""

import pytest
from redis.client import Pipeline

from holdfast.jobs.store.people import People, Wish
from holdfast.jobs.store.scripts import Scripts, Trip, load

ASKED_BY_A_WORKER = {
    "claim": lambda worker, held: worker.claim(),
    "turn": lambda worker, held: worker.turn(held),
    "renew": lambda worker, held: worker.renew(held),
    "annotate": lambda worker, held: worker.moves.annotate(held, ["meta", "{}"]),
    "complete": lambda worker, held: worker.complete(held),
    "postpone": lambda worker, held: worker.postpone(held),
    "bury": lambda worker, held: worker.bury(held),
    "give_back": lambda worker, held: worker.give_back(held),
    "crash": lambda worker, held: worker.crash(held),
    "begin_effect": lambda worker, held: worker.moves.begin_effect(held, "charge"),
    "commit_effect": lambda worker, held: worker.moves.commit_effect(held, "charge", b""),
    "withdraw_effect": lambda worker, held: worker.moves.withdraw_effect(held, "charge"),
}
ASKED_BY_OTHERS = {
    "reclaim": lambda pool: pool.reap(),
    "rescue": lambda pool: pool._upkeep.rescue(every_ms=0),
    "promote": lambda pool: pool.promote(),
    "enqueue": lambda pool: pool.enqueue(),
    "enqueue_many": lambda pool: pool.queue().enqueue_many([pool.queue().prepare_data("shop.pack")]),
}
ASKED_BY_PEOPLE = {
    "requeue": lambda people, wish: people.requeue([wish], asked_s=0)[0],
    "drop": lambda people, wish: people.drop([wish])[0],
    "resolve_effect": lambda people, wish: people.resolve_effect(wish, "charge", happened=True),
}
UNHEARD_OF = [b"quarantined"]


@pytest.fixture
def one_that_says_more(monkeypatch):
    """Give a function: from now on the answer to each request is a word that no header lists."""

    def answers():
        monkeypatch.setattr(Trip, "answer", lambda self: UNHEARD_OF)
        monkeypatch.setattr(Scripts, "flow", lambda self, move, asked: [UNHEARD_OF for _ in asked])
        monkeypatch.setattr(Pipeline, "execute", lambda self, **how: [UNHEARD_OF])

    return answers


@pytest.mark.parametrize("move", ASKED_BY_A_WORKER)
def test_an_answer_of_a_version_that_says_more_is_named_as_such(pool, one_that_says_more, move):
    """FM-032: a word that the header does not list stops the asker with a hint, and is not taken for another."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    one_that_says_more()
    with pytest.raises(RuntimeError, match=f"{move} answered .*quarantined.*two versions of Holdfast"):
        ASKED_BY_A_WORKER[move](worker, held)


@pytest.mark.parametrize("move", ASKED_BY_OTHERS)
def test_so_it_is_of_what_chores_and_apps_are_answered(pool, one_that_says_more, move):
    """FM-032: else an app would be told that a job was a duplicate."""
    one_that_says_more()
    with pytest.raises(RuntimeError, match=f"{move} answered .*quarantined.*two versions of Holdfast"):
        ASKED_BY_OTHERS[move](pool)


@pytest.mark.parametrize("move", ASKED_BY_PEOPLE)
def test_a_person_is_told_of_it_beside_the_other_answers(pool, one_that_says_more, move):
    """FM-032: what was done to the other jobs must not go untold."""
    one_that_says_more()
    answer = ASKED_BY_PEOPLE[move](People(pool.scripts), Wish(job_id="job-1", op="a1"))
    assert answer.why == "error"
    assert "two versions of Holdfast" in answer.details[0]


def test_no_move_is_left_out():
    """A new move is asked here, too."""
    assert {*ASKED_BY_A_WORKER, *ASKED_BY_OTHERS, *ASKED_BY_PEOPLE} == set(load())
