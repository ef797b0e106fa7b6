"""A horse settles and claims by itself, and may die at each point of that."""

import pytest
import redis

from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Moves
from holdfast.workers.ends import End
from holdfast.workers.news import over_in
from tests.workers.stable import NAMES, Stable


@pytest.fixture
def stable(fake, clock):
    """Give a worker with twenty jobs in line, of which it has claimed one and handed it to its first horse."""
    return Stable(fake, clock, *NAMES)


# -- what is said, and when


def test_a_turn_is_said_before_it_is_sent_and_its_answer_before_what_it_gave_is_begun(stable):
    """So that a death at any point leaves nothing unknown. What may be said is on the board before that."""
    seen = []

    def look(message):
        replay = stable.redis.get(keys.replay(stable.horse_callers[0].instance))
        asked = int(replay.split()[0]) if replay else 0
        seen.append((message[0], stable.board.op, asked, stable.board.begun))

    stable.horse.run()
    stable.horse.bit.before = stable.horse.bit.after = look
    stable.horse.begin()
    assert seen == [("turn", 8, 0, 1)] * 2 + [("took", 8, 1, 1)] * 2
    _, op, seen_fence, last_op, asked_ms, ends, [(number, said)], _ = stable.horse.bit.said[0]
    assert (op, last_op, asked_ms, ends, number) == (1, 8, stable.clock.boot_ms(), [1], 1)
    # What its parent was given counts, too.
    assert seen_fence == stable.fence_of("a")
    assert End.heard(said).words["result_ttl"] == 500


def test_a_parent_gives_no_job_a_lower_fence_than_its_horse_was_given(stable):
    """INV-03, FM-018: after a failover that forgot the claims of a horse, to a server whose clock is behind."""
    stable.run_all()
    ahead = stable.board.seen_fence + 10**9
    stable.board.see(ahead)
    stable.horse.kill()
    stable.step()
    stable.line("x")
    stable.step(2)
    assert stable.fence_of("x") == ahead + 1


def test_what_a_claim_without_an_answer_gave_goes_back_whatever_fence_its_horse_has_seen(fake, clock, monkeypatch):
    """INV-09: the fence that it goes by is the one that was known before that claim."""
    stable = Stable(fake, clock, prefetch=1)
    moves, lost = stable.engine._clerk._moves, []

    def claim_unheard(*asked, **named):
        lost.append(Moves.claim(moves, *asked, **named))
        raise redis.TimeoutError("the reply was lost")

    monkeypatch.setattr(moves, "claim", claim_unheard)
    stable.line("x", "y")
    stable.step()
    assert {claimed.lease.job_id for (claimed,) in lost} == {"x"}
    monkeypatch.undo()
    stable.board.see(8 * 10**15)
    stable.run_all()
    assert (stable.ran, stable.crashes(), stable.refusals()) == ({"x": 1, "y": 1}, {}, [])


def test_an_end_that_waits_for_company_is_said_before_the_next_begins(stable):
    """Its parent settles it if the next one takes long: it must know of it by then."""
    stable.horse.run(2)
    task = stable.horse.begin()
    assert [message[:2] for message in stable.horse.bit.said if message[0] == "kept"] == [("kept", 2)]
    assert task.number == 3


def test_all_run_once_and_in_their_order(stable):
    """Nobody dies, nothing is slow: the parent does no more than listen."""
    assert stable.run_with_nobody_hurt() == [*NAMES]
    stable.ends_well()
    assert "ended" not in stable.horse.words()
    assert stable.engine._done == len(NAMES)


def test_what_is_over_is_known_by_what_the_horse_has_said(stable):
    """By the numbers of the turns that were answered: a parent does not read of that, and a benchmark counts it."""
    stable.run_all()
    stable.step(2)
    assert over_in(stable.horse.bit.said) == {*range(1, len(NAMES) + 1)}
    turn = next(number for number, message in enumerate(stable.horse.bit.said) if message[0] == "turn")
    assert over_in(stable.horse.bit.said[: turn + 1]) == set()


# -- the horse dies


@pytest.mark.parametrize(
    ("where", "twice"),
    [
        pytest.param({"before": "turn"}, "a", id="before-it-says-so"),
        pytest.param({"after": "turn"}, "", id="before-the-request"),
        pytest.param({"before": "took"}, "", id="after-the-request"),
        pytest.param({"after": "took"}, "", id="after-the-answer"),
    ],
)
def test_a_horse_dies_at_its_turn(stable, where, twice):
    """FM-002: what had ended is ended once, what was taken runs once; only an end that nobody said is a crash."""
    stable.horse.run()
    stable.horse.dies(stable.horse.begin, **where)
    stable.ends_well(twice=twice, charged=twice)
    assert len(stable.horses) == 2


@pytest.mark.parametrize("heard", [False, True])
def test_a_horse_dies_at_a_job_while_its_turn_is_unanswered(stable, heard):
    """Whether or not its parent had heard of the turn: only the job that ran is charged, and runs again."""
    task = stable.turn_under_way()
    if heard:
        stable.step()
        assert stable.mount.errand.turns
    stable.horse.kill()
    stable.ends_well(twice=task.lease.job_id, charged=task.lease.job_id)


def test_horses_die_at_their_turns_one_after_the_other(stable):
    """Each a moment later in it than the last: what was settled and taken is neither lost nor run again."""
    stable.line(*range(80))
    for point in [{"after": "turn"}, {"before": "took"}, {"after": "took"}] * 3:
        stable.step(2)
        horse = stable.horse
        horse.dies(lambda horse=horse: horse.run(99), **point)
        stable.step()
    stable.run_all()
    assert len(stable.horses) == 10
    assert stable.statuses() == {"finished": len(NAMES) + 80}
    assert set(stable.ran.values()) == {1}


def test_what_a_finished_turn_gave_is_not_given_back_by_the_next(stable):
    """The next horse is told what was heard for it. Else what waits in its hands goes back in line, and runs twice."""
    stable.horse.run()
    stable.horse.dies(stable.horse.begin, before="took")
    stable.step()
    taken = max(hold.lease.fence for hold in stable.mount.holds)
    assert stable.board.seen_fence == taken
    stable.horse.run(5)
    asked = [message for message in stable.horse.bit.said if message[0] == "turn"]
    assert [message[2] for message in asked] == [taken]
    assert stable.pool.everywhere()["f"] == ["leases default"]
    stable.ends_well()


def test_a_horse_that_never_hears_of_its_turn_is_killed_and_the_turn_finished(stable):
    """Nobody knows what it waits for; what it was given is run by the next."""
    horse = stable.horse
    horse.run()
    horse.bit.after = lambda _: horse.kill()  # it says no more: as if it stood still
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(horse.turns), "_hear", lambda *_: None)
        horse.begin()
    horse._ending = None
    stable.step()
    assert stable.mount.errand.turns
    stable.clock.advance(10_001)
    stable.step()
    assert horse.ended() is not None
    stable.ends_well()


# -- how many


@pytest.mark.parametrize("most", [1, 2, 5, 9, 10])
def test_a_horse_takes_no_more_than_its_worker_may_run(fake, clock, most):
    """RQ's --max-jobs: what a horse takes by itself is counted, too."""
    stable = Stable(fake, clock, *NAMES, most=most)
    stable.runs_at_most(most)
    assert stable.statuses() == {"finished": most, "queued": len(NAMES) - most}
