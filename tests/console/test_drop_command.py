"""`holdfast dead drop` says what it deletes and where, and deletes no doubt by the way."""

import pytest

from holdfast.jobs.store import keys


@pytest.fixture
def dead(pool):
    """Let a, and b inside of its effect, fail for good."""
    for job_id in ("a", "b"):
        pool.enqueue(job_id)
        worker = pool.worker()
        held = worker.hold()
        if job_id == "b":
            worker.moves.begin_effect(held, "charge")
        worker.bury(held)


def test_a_doubt_is_not_deleted_by_the_way(dead, pool, holdfast):
    """With it would go the key by which to ask whether the customer was charged."""
    done = holdfast("dead", "drop", "a", "b", "--yes")
    assert done.exit_code == 1
    assert "a: deleted" in done.output
    assert "b: effect charge is in doubt: it may or may not have taken place. Find out (ask the outside " in done.output
    assert ":charge), then: holdfast dead resolve b charge --happened, or --did-not-happen" in done.output
    assert "To do so all the same: add --even-in-doubt." in done.output
    assert "1 deleted, 1 left as they were." in done.output
    assert pool.places("b") == ["failed default"]
    assert holdfast("dead", "drop", "b", "--yes", "--even-in-doubt").exit_code == 0
    assert pool.places("b") == []


def test_the_question_names_the_server_and_what_each_died_of(dead, holdfast, redis):
    """The wrong shell, at three in the morning."""
    where = redis.connection_pool.connection_kwargs["path"]
    asked = holdfast("dead", "drop", "a", "b", "--even-in-doubt", input="n\n").output
    assert f"Delete for good at unix://{where}: a (failures), b (failures, charge in doubt)? [y/N]" in asked


def test_nothing_is_asked_where_nothing_would_be_deleted(dead, pool, holdfast):
    """The doubt is told instead."""
    done = holdfast("dead", "drop", "b")
    assert "[y/N]" not in done.output
    assert "0 deleted, 1 left as they were." in done.output
    assert pool.redis.exists(keys.job("b"))
