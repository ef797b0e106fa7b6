"""A rolling deploy: two versions of our scripts, side by side on one Redis."""

from dataclasses import replace
from itertools import product

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Line
from holdfast.jobs.store.outcomes import Claimed, Completed, Done, First, Renewed
from holdfast.jobs.store.scripts import Scripts
from tests.moves.pool import Pool


def another_version(redis):
    """Load the scripts as another version would: other texts, and so other hashes."""
    scripts = Scripts(redis)
    for name, script in scripts._scripts.items():
        text = f"-- Another version.\n{script.text}"
        scripts._scripts = scripts._scripts | {name: replace(script, text=text)}
    return scripts


@pytest.fixture
def pools(pool):
    """Give two pools of different versions around one server."""
    other = type(pool)(pool.redis, pool.clock, scripts=another_version(pool.redis))
    other.lives, other._rng = pool.lives, pool._rng
    assert isinstance(other, Pool)
    return pool, other


def test_the_scripts_of_two_versions_are_served_side_by_side(pools, monkeypatch):
    """FM-032: they are called by hash, so no worker runs another's, and neither has to be taught a second time."""
    old, new = pools
    for pool in pools:
        pool.enqueue("warm")
        worker = pool.worker()
        worker.complete(worker.hold())
    asked, send = [], Line.send
    monkeypatch.setattr(Line, "send", lambda self, *words, by: asked.append(words[0]) or send(self, *words, by=by))
    for pool in (old, new, old, new):
        pool.enqueue("job-1")
        worker = pool.worker()
        assert worker.complete(worker.hold()) == Completed()
    assert set(asked) == {"EVALSHA"}
    shas = [{script.sha for script in pool.scripts._scripts.values()} for pool in pools]
    assert not shas[0] & shas[1]


@pytest.mark.parametrize("order", list(product((0, 1), repeat=4)))
def test_what_one_version_begins_another_goes_on_with(pools, order):
    """FM-032, INV-02, INV-07: enqueued, claimed, crashed, reclaimed and settled by either, in any mixture."""
    by = [pools[number] for number in order]
    by[0].enqueue()
    first = by[1].worker("w1")
    held = first.hold()
    assert first.moves.begin_effect(held, "charge") == First()
    assert first.moves.commit_effect(held, "charge", b"paid") == Done(b"paid")
    by[0].time_passes(10_001)
    by[2].reap()
    second = by[3].worker("w2")
    held = second.hold()
    assert second.moves.begin_effect(held, "charge") == Done(b"paid")
    assert isinstance(second.renew(held), Renewed)
    assert second.complete(held) == Completed()
    after = {"status": "finished", "place": "finished default", "hf_crashes": "1", "hf_executions": "2"}
    assert by[0].state("job-1", *after) == after


def test_a_claim_sent_again_by_another_version_of_the_scripts_gets_the_same_job(pools):
    """FM-032, INV-10: the answer that was kept says the same in both."""
    old, new = pools
    old.enqueue()
    worker = old.worker()
    held = worker.hold()
    worker.moves.scripts = new.scripts
    answer = worker.claim(op=worker.op)
    assert isinstance(answer, Claimed)
    assert answer.lease == held


@pytest.mark.parametrize("end", ["complete", "postpone", "bury", "give_back", "crash"])
def test_a_field_that_a_later_version_wrote_is_left_alone(pool, end):
    """FM-032: the record may carry what this version knows nothing of, through every move and a new generation."""
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), "hf_of_tomorrow", "kept")
    worker = pool.worker()
    held = worker.hold()
    worker.renew(held)
    getattr(worker, end)(held)
    pool.enqueue()
    worker.hold()
    assert pool.state("job-1", "hf_of_tomorrow") == {"hf_of_tomorrow": "kept"}
