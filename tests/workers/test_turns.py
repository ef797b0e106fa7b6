"""A horse settles and claims by itself, and may die, be stopped or be overtaken at each point of that."""

from collections import Counter

import pytest

from holdfast.jobs import events
from holdfast.jobs.store import keys
from tests.workers.stable import Stable

NAMES = "abcdefghijklmnopqrst"


@pytest.fixture
def stable(fake, clock):
    """Give a worker with twenty jobs in line, of which it has claimed one and handed it to its first horse."""
    stable = Stable(fake, clock)
    stable.line(*NAMES)
    stable.step()
    return stable


def with_a_turn_under_way(stable):
    """Let it run until a turn is sent that is not answered; give the job that it runs meanwhile."""
    horse = stable.horse
    while horse.words().count("turn") == horse.words().count("took") or horse.words()[-1] == "took":
        task = horse.begin()
        if horse.words().count("turn") > horse.words().count("took"):
            return task
        horse.end(task)
    raise AssertionError


def refusals(stable):
    return [event for event in stable.told if isinstance(event, events.Refused)]


def crashes(stable):
    found = {name: stable.redis.hget(keys.job(name), "hf_crashes") for name in NAMES}
    return {name: int(count) for name, count in found.items() if count and int(count)}


def assert_all_went_well(stable, *, twice="", charged=""):
    """Every job is finished, ran once but for these, and nobody is charged but those."""
    stable.run_all()
    assert stable.statuses() == {"finished": len(NAMES)}
    assert stable.ran == Counter(NAMES) + Counter(twice)
    assert crashes(stable) == Counter(charged)
    assert not refusals(stable)
    assert stable.redis.zcard(keys.leases("default")) == 0


# -- what is said, and when


def test_a_turn_is_said_before_it_is_sent_and_its_answer_before_what_it_gave_is_begun(stable):
    """So that a death at any point leaves nothing unknown. What may be said is on the board before that."""
    seen = []

    def look(message):
        replay = stable.redis.get(keys.replay(stable.horse_caller.instance))
        asked = int(replay.split()[0]) if replay else 0
        seen.append((message[0], stable.board.op, asked, stable.board.begun))

    stable.horse.run()
    stable.horse.bit.before = stable.horse.bit.after = look
    stable.horse.begin()
    assert seen == [("turn", 8, 0, 1)] * 2 + [("took", 8, 1, 1)] * 2
    _, op, seen_fence, last_op, asked_ms, ends, [(number, words)] = stable.horse.bit.said[0]
    assert (op, seen_fence, last_op, asked_ms, ends, number) == (1, 0, 8, stable.clock.boot_ms(), [1], 1)
    assert words["result_ttl"] == 500


def test_an_end_that_waits_for_company_is_said_before_the_next_begins(stable):
    """Its parent settles it if the next one takes long: it must know of it by then."""
    stable.horse.run(2)
    task = stable.horse.begin()
    assert [message[:2] for message in stable.horse.bit.said if message[0] == "kept"] == [("kept", 2)]
    assert task.number == 3


def test_all_run_once_and_in_their_order(stable):
    """Nobody dies, nothing is slow: the parent does no more than listen."""
    ran = []
    while stable.pool.line() or stable.mount.is_at_work:
        ran += stable.horse.run()
        stable.step()
    assert ran == [*NAMES]
    assert_all_went_well(stable)
    assert "ended" not in stable.horse.words()
    assert stable.engine._done == len(NAMES)


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
    """What had ended is ended once, what was taken runs once; only an end that nobody said is a crash."""
    stable.horse.run()
    stable.horse.dies(stable.horse.begin, **where)
    assert_all_went_well(stable, twice=twice, charged=twice)
    assert len(stable.horses) == 2


@pytest.mark.parametrize("heard", [False, True])
def test_a_horse_dies_at_a_job_while_its_turn_is_unanswered(stable, heard):
    """Whether or not its parent had heard of the turn: only the job that ran is charged, and runs again."""
    task = with_a_turn_under_way(stable)
    if heard:
        stable.step()
        assert stable.mount.turn is not None
    stable.horse.kill()
    assert_all_went_well(stable, twice=task.lease.job_id, charged=task.lease.job_id)


@pytest.mark.xfail(strict=True, reason="an end is unsaid while its horse waits for an answer: it is charged as a crash")
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
    assert_all_went_well(stable)


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
    assert stable.mount.turn is not None
    stable.clock.advance(10_001)
    stable.step()
    assert horse.ended() is not None
    assert_all_went_well(stable)


# -- the parent takes back


def test_behind_a_slow_job_an_unanswered_turn_is_finished_by_the_parent(stable):
    """What it took goes back to the front of the line, what it ended is ended; its horse drops the answer."""
    task = with_a_turn_under_way(stable)
    stable.step()
    stable.clock.advance(60)
    stable.step()
    assert stable.pool.everywhere()[task.lease.job_id] == ["leases default"]
    assert stable.redis.zcard(keys.leases("default")) == 1
    begun = stable.pool.line()
    assert begun == [name for name in NAMES if name > task.lease.job_id]
    number = task.number
    stable.horse.end(task)
    assert stable.horse.begin() is None
    assert stable.horse.words()[-1] == "took"
    stable.step(2)
    assert [hold.number for hold in stable.mount.holds] == [stable.mount._number]
    following = stable.horse.begin()
    assert following.number == stable.mount._number > number
    stable.horse.end(following)
    assert_all_went_well(stable)


def test_a_worker_that_is_asked_to_stop_in_the_moment_before_a_turn_gives_back_what_it_takes(stable):
    """The horse has looked whether it may, and not said so yet: its parent sees that on the board, and tries again."""
    horse = stable.horse
    horse.run()
    stable.engine.ask_to_stop()

    def meanwhile(message):
        if message[0] == "turn":
            horse.bit.before = lambda _: None
            stable.step()
            assert horse.freezes == 10
            assert [hold.number for hold in stable.mount.holds] == [1]

    horse.bit.before = meanwhile
    horse.bit.after = lambda message: message[0] == "turn" and stable.step()
    ran = horse.run(99)
    stable.step()
    assert ran == []
    assert stable.pool.line() == [*NAMES[1:]]
    assert stable.statuses() == {"finished": 1, "queued": len(NAMES) - 1}
    assert not stable.mount.is_at_work


def test_a_worker_that_is_asked_to_stop_begins_nothing_more(stable):
    """What waits goes back at once, in its order; what runs is finished, and settled by the parent."""
    task = with_a_turn_under_way(stable)
    stable.engine.ask_to_stop()
    stable.step(2)
    stable.horse.end(task)
    assert stable.horse.begin() is None
    stable.step(2)
    assert stable.pool.line() == [name for name in NAMES if name > task.lease.job_id]
    assert stable.redis.zcard(keys.leases("default")) == 0
    assert stable.redis.hget(keys.job(task.lease.job_id), "status") == b"finished"


def test_a_job_that_a_turn_has_just_taken_can_be_stopped(stable):
    """A person names a job that its worker has not heard of yet."""
    task = with_a_turn_under_way(stable)
    stable.step()
    taken = [entry.decode().split(":")[0] for entry in stable.redis.zrange(keys.leases("default"), 0, -1)]
    unheard = max(taken)
    assert unheard not in {hold.lease.job_id for hold in stable.mount.holds}
    stable.ears.commands = [{"command": "stop-job", "job_id": unheard}]
    stable.step()
    stable.horse.end(task)
    stable.horse.begin()
    stable.run_all()
    assert stable.statuses() == {"finished": len(NAMES) - 1, "stopped": 1}
    assert stable.ran == Counter(NAMES) - Counter(unheard)


def test_what_is_kept_is_settled_behind_a_slow_job_and_not_settled_again(stable):
    """By the parent, after 50 ms; the horse's next turn leaves it out."""
    stable.horse.run(3)
    slow = stable.horse.begin()
    assert [message[1] for message in stable.horse.bit.said if message[0] == "kept"] == [2, 3]
    stable.step()
    stable.clock.advance(60)
    stable.step()
    assert [stable.redis.hget(keys.job(name), "status") for name in "abc"] == [b"finished"] * 3
    stable.horse.end(slow)
    stable.horse.begin()
    assert [message[5] for message in stable.horse.bit.said if message[0] == "turn"] == [[1], [slow.number]]
    assert not refusals(stable)


# -- how many


@pytest.mark.parametrize("most", [1, 2, 5, 9, 10])
def test_a_horse_takes_no_more_than_its_worker_may_run(stable, most):
    """rq worker --max-jobs."""
    fresh = Stable(stable.redis, stable.clock)
    fresh.redis.flushall()
    fresh.line(*NAMES)
    fresh.limit(most)
    fresh.step()
    for _ in range(40):
        fresh.horse.run()
        if fresh.mount.is_busy:
            fresh.step()
    assert fresh.engine._done == most
    assert fresh.pool.line() == [*NAMES[most:]]
    assert fresh.statuses() == {"finished": most} | {"queued": len(NAMES) - most}


# -- what the others hold


@pytest.mark.xfail(strict=True, reason="both claim, and give out the same numbers")
def test_nobody_claims_while_a_horse_may(stable):
    """A slow job fails, and all else was settled behind it: one of the two claims, and no number is given twice."""
    horse = stable.horse
    horse.run(3)
    slow = horse.begin()
    stable.step()
    stable.clock.advance(60)
    stable.step()
    horse.end(slow, "bury")
    stable.step()
    following = horse.begin()
    stable.step(2)
    numbers = [hold.number for hold in stable.mount.holds if hold.number]
    assert len(numbers) == len(set(numbers))
    if following is not None:
        horse.end(following, "bury")
    stable.run_all()
    assert set(stable.ran.values()) == {1}
    failed = [name for name in NAMES if stable.redis.hget(keys.job(name), "status") == b"failed"]
    assert failed == [slow.lease.job_id] + ([following.lease.job_id] if following else [])


@pytest.mark.xfail(strict=True, reason="the number that was never said is waited for")
def test_a_horse_that_died_in_the_moment_before_a_turn_leaves_the_next_one_recallable(stable):
    """Its number was taken and never said. What waits behind a slow job of the next horse goes back all the same."""
    stable.horse.run(4)
    stable.horse.dies(lambda: stable.horse.run(99), before="turn")
    stable.step(2)
    slow = stable.horse.begin()
    stable.step()
    stable.clock.advance(60)
    stable.step()
    assert stable.horse.freezes <= 1
    stable.horse.end(slow)
    stable.run_all()
