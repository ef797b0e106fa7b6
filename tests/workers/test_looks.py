"""A horse with nothing to do looks for a job, stands at the bell, and may die or be called off at each point."""

import pytest

from holdfast.jobs.store import keys
from tests.workers.stable import NAMES, Stable


@pytest.fixture
def stable(fake, clock):
    """Give a worker whose jobs are done, and whose horse was told to look for more."""
    stable = Stable(fake, clock, *NAMES)
    stable.run_all()
    stable.horse.bit.said.clear()
    stable.step()
    assert stable.mount.errand.is_looking
    return stable


def comes(stable, claim):
    """Put a job in line, and make the claim that stands as the server does then."""
    stable.line("x")
    return claim.answer()


def ends_well(stable):
    stable.run_all()
    assert stable.ran["x"] == 1
    assert stable.redis.hget(keys.job("x"), "status") == b"finished"
    assert stable.crashes() == {}
    assert not stable.refusals()
    assert stable.redis.zcard(keys.leases("default")) == 0


def look_again(stable, *calls):
    """Call the horse off where it stands, and have it told to look once more, with that to come."""
    stable.engine._groom.take_back_unbegun()
    stable.horse.calls = calls
    stable.step()
    assert stable.mount.errand.is_looking


# -- what comes


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(comes, id="heard"),
        pytest.param(lambda stable, claim: comes(stable, claim) and None, id="made-and-not-heard"),
        pytest.param(lambda stable, _: stable.line("x"), id="not-made"),
    ],
)
def test_what_comes_while_it_stands_is_run_once(stable, call):
    """FM-008: where no answer is heard it is unknown whether the claim was made: it is sent again under its number."""
    look_again(stable, lambda claim: call(stable, claim))
    assert stable.horse.run() == ["x"]
    assert stable.horse.words()[-3:] == ["look", "look", "took"]
    # Its parent would take the core from a job that somebody may be waiting for.
    assert stable.horse.bit.said[-3:] == stable.horse.bit.whispered[-3:]
    ends_well(stable)
    assert stable.redis.hget(keys.job("x"), "hf_executions") == b"1"
    assert len(stable.horses) == 1


def test_a_wait_in_which_nothing_came_is_followed_by_the_next(stable):
    """Without a word of its parent's, which hears of the last only."""
    look_again(stable, *[lambda claim: claim.answer()] * 3, lambda claim: comes(stable, claim))
    assert stable.horse.run() == ["x"]
    assert stable.horse.words()[-6:] == ["look"] * 5 + ["took"]
    ends_well(stable)


def test_each_look_is_said_before_it_is_asked_and_its_answer_before_the_job_begins(stable):
    """So that a death at any point leaves nothing unknown."""
    seen = []

    def look(message):
        word, op = message[:2]
        was_asked = int(stable.redis.get(keys.replay(stable.horse_callers[0].instance)).split()[0]) == op
        seen.append((word, was_asked, stable.board.begun == begun))

    begun = stable.board.begun
    look_again(stable, lambda claim: comes(stable, claim))
    stable.horse.bit.after = look
    stable.horse.begin()
    assert seen == [("look", False, True), ("look", False, True), ("took", True, True)]
    assert stable.board.begun > begun


def test_what_may_run_at_most_once_is_not_given_to_a_claim_that_stands(stable):
    """The answer is `again`: whoever is awake asks anew."""

    def careful(claim):
        stable.pool.enqueue("x", crashes=0)
        return claim.answer()

    look_again(stable, careful)
    assert stable.horse.run() == ["x"]
    ends_well(stable)


def test_a_gate_that_closes_is_its_parents_to_look_at(stable):
    """It comes back, and is not told to look again while that is so."""

    def closes(claim):
        stable.redis.set(keys.suspended(), 1)
        return claim.answer()

    look_again(stable, closes)
    assert stable.horse.run() == []
    stable.step(3)
    assert not stable.mount.errand.is_looking
    stable.redis.delete(keys.suspended())
    stable.line("x")
    ends_well(stable)


def test_the_jobs_of_the_next_horse_have_numbers_that_nobody_was_recalled_by(fake, clock):
    """One that is born to tell of the dead is handed no job. What it then finds itself must not count as recalled."""
    stable = Stable(fake, clock, *NAMES)
    slow = stable.turn_under_way()
    stable.step()
    clock.advance(60)
    stable.step()
    stable.horse.end(slow)
    stable.run_all()
    stable.horse.kill()
    stable.step()
    stable.mount.errand.lose_horse()
    stable.mount._mounted()
    stable.step()
    assert stable.mount.errand.is_looking
    stable.line("x")
    assert stable.horse.run() == ["x"]
    ends_well(stable)


def test_a_horse_that_was_about_to_ask_and_may_not_looks_when_it_is_told_to(stable):
    """LIV-03: it is told in the moment in which it has numbers that it will give back, and would wait for ever."""
    stable.engine._groom.take_back_unbegun()
    stable.board.op += 8
    stable.step()
    stable.board.op -= 8
    stable.line("x")
    assert stable.horse.run() == ["x"]
    ends_well(stable)


# -- the horse dies


@pytest.mark.parametrize("where", [{"before": "look"}, {"after": "look"}, {"before": "took"}, {"after": "took"}])
def test_a_horse_dies_at_its_look(stable, where):
    """FM-002: what it had taken runs once, and nobody is charged: it had not begun."""
    look_again(stable, lambda claim: comes(stable, claim))
    stable.horse.dies(stable.horse.begin, **where)
    if "x" not in stable.pool.everywhere():
        stable.line("x")
    ends_well(stable)
    assert len(stable.horses) == 2


def test_a_horse_that_hears_nothing_for_long_is_killed(stable):
    """A stand is over after a poll interval: one that says nothing for ten seconds is stuck."""
    stable.horse.run()
    stable.clock.advance(10_001)
    stable.step(2)
    assert stable.horse is not stable.horses[0]
    stable.line("x")
    ends_well(stable)


# -- called off


def test_what_a_claim_took_that_stands_goes_back_unharmed_when_its_worker_leaves(stable):
    """Nobody has heard of it. Withdrawn under the next number, whether it had been made or not."""

    def taken(claim):
        comes(stable, claim)
        stable.engine.ask_to_stop()
        stable.step()

    look_again(stable, taken)
    assert stable.horse.run() == []
    assert stable.pool.line() == ["x"]
    assert stable.horse.words()[-1] == "look"
    assert not stable.mount.errand.may_have_taken
    assert stable.crashes() == {}


def test_a_claim_that_arrives_after_it_was_withdrawn_takes_nothing(stable):
    """It was on its way, or stood behind the bell: the number after it has been seen."""
    heard = []

    def late(claim):
        stable.engine._groom.take_back_unbegun()
        stable.line("x")
        heard.append(claim.answer())

    look_again(stable, late)
    assert stable.horse.run() == []
    assert heard == [[b"closed", b"late"]]
    assert stable.pool.line() == ["x"]


def test_a_horse_that_is_called_off_before_it_has_heard_that_it_is_to_look_does_not(stable):
    """What it was told lies unread; by then its parent may have handed it something else."""
    look_again(stable)
    stable.engine._groom.take_back_unbegun()
    stable.board.take_to = stable.mount._number + 1
    stable.line("x")
    said = len(stable.horse.words())
    assert stable.horse.run() == []
    assert len(stable.horse.words()) == said
    assert stable.pool.line() == ["x"]


def test_a_command_for_a_job_that_it_does_not_have_leaves_it_standing(stable):
    """RQ ignores such a command, and so do we: nothing is taken back for its sake."""
    stable.horse.run()
    stable.ears.commands = [{"command": "stop-job", "job_id": "nobody's"}]
    stable.step()
    assert stable.mount.errand.is_looking
    assert stable.horse.freezes == 0


# -- who looks


@pytest.mark.parametrize("settings", [{"jobs_per_horse": 1, "prefetch": 1}, {"most": len(NAMES) + 1}])
def test_a_horse_that_may_take_no_more_by_itself_does_not_look(fake, clock, settings):
    """One that is forked for each job, and one whose worker may run no more."""
    stable = Stable(fake, clock, *NAMES, **settings)
    stable.run_all()
    stable.line("x")
    stable.run_all()
    assert stable.ran["x"] == 1
    if "most" in settings:
        assert stable.engine._more() == 0
    else:
        assert "look" not in [word for horse in stable.horses for word in horse.words()]


def test_who_is_asked_to_stop_as_its_horse_brings_what_is_left_to_tell_leaves(stable):
    """LIV-04: it told of nothing, and waited for ever to be done with it. Now the horse is told to tell it."""

    def is_left(claim):
        stable.redis.zadd(keys.aftermath("default"), {"0 failed a:1": 1})
        return claim.answer()

    look_again(stable, is_left)
    assert stable.horse.run() == []
    stable.engine.ask_to_stop()
    stable.step()
    assert stable.horse.orders.pop()[:3] == ("speak", "default", "a")
    stable.horse.bit.say(("free", False))
    stable.step()
    assert not stable.mount.is_busy
