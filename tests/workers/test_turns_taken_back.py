"""A parent takes back what a horse has in hand, is about to take, or has taken by a turn that nobody heard of yet."""

from collections import Counter

import pytest

from holdfast.jobs import events
from holdfast.jobs.store import keys
from holdfast.workers.engine import Limits
from tests.workers.stable import NAMES, Stable


@pytest.fixture
def stable(fake, clock):
    """Give a worker with twenty jobs in line, of which it has claimed one and handed it to its first horse."""
    return Stable(fake, clock, *NAMES)


# -- the parent takes back


def test_what_a_worker_gives_back_as_soon_as_it_has_it_is_told_of_as_claimed_first(fake, clock, monkeypatch):
    """It was asked to stop while it asked: a log that names no attempt is else read as about the one before."""
    stable = Stable(fake, clock)
    claim = stable.engine._clerk.claim

    def claim_and_be_told_to_stop():
        answer = claim()
        stable.engine.ask_to_stop()
        return answer

    monkeypatch.setattr(stable.engine._clerk, "claim", claim_and_be_told_to_stop)
    stable.line("a")
    stable.step()
    claimed, settled = stable.told
    assert isinstance(claimed, events.Claimed)
    assert (settled.lease, settled.word) == (claimed.lease, "given back")
    assert stable.pool.line() == ["a"]


def test_behind_a_slow_job_an_unanswered_turn_is_finished_by_the_parent(stable):
    """What it took goes back to the front of the line, what it ended is ended; its horse drops the answer."""
    task = stable.turn_under_way()
    stable.takes_back_behind(task)
    number = task.number
    stable.horse.end(task)
    assert stable.horse.begin() is None
    assert stable.horse.words()[-1] == "took"
    stable.step(2)
    following = stable.horse.begin()
    stable.step()
    assert [hold.number for hold in stable.mount.holds] == [stable.mount._number]
    assert following.number == stable.mount._number > number
    stable.horse.end(following)
    stable.ends_well()


def test_what_a_turn_took_anew_goes_back_when_a_renewal_of_its_last_lease_crosses_it(fake, clock):
    """INV-09: the same job under another lease, which nobody would have in hand."""
    stable = Stable(fake, clock, "a", prefetch=1)
    groom, horse = stable.engine._groom, stable.horse

    def cross(message):
        if message[0] != "took":
            return
        (hold,) = stable.mount.holds
        assert not groom.renew(hold)
        groom._let_go_of(hold)
        assert stable.pool.everywhere() == {"a": ["queue default"]}

    horse.bit.before = cross
    task = horse.begin()
    stable.line("a")
    horse.end(task)
    assert horse.begin() is None
    horse.bit.before = lambda _: None
    stable.run_all()
    assert (stable.ran, stable.crashes(), stable.statuses()) == ({"a": 2}, {}, {"finished": 1})


def test_nothing_is_taken_back_from_behind_a_job_that_has_just_ended(stable, monkeypatch):
    """It was slow, and is over in the moment in which its horse is frozen: the horse goes on with what it has."""
    task, horse = stable.turn_under_way(), stable.horse
    stable.step()
    stable.clock.advance(60)

    begun = []

    def ends_first():
        horse.end(task)
        begun.append(horse.begin())

    monkeypatch.setattr(horse, "freeze", ends_first)
    line = stable.pool.line()
    stable.step()
    assert stable.pool.line() == line
    assert stable.mount.first.number == task.number + 1
    monkeypatch.undo()
    horse.end(begun.pop())
    stable.ends_well()


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
    task = stable.turn_under_way()
    stable.stops_at(task)
    assert stable.redis.hget(keys.job(task.lease.job_id), "status") == b"finished"


def test_a_job_that_begins_in_the_moment_of_a_recall_is_run(stable):
    """It has said that it begins and not looked yet whether it may: its parent takes it for begun, and keeps it."""
    first = stable.turn_under_way()
    stable.horse.end(first)

    class Words:
        """Calls for a stop just after the next job has said that it begins."""

        def __getitem__(self, at):
            return words[at]

        def __setitem__(self, at, word):
            begun = stable.board.begun
            words[at] = word
            if stable.board.begun > begun:
                stable.board._words = words
                stable.engine.ask_to_stop()
                stable.step()

    words, stable.board._words = stable.board._words, Words()
    task = stable.horse.begin()
    assert task.number == first.number + 1
    stable.horse.end(task)
    stable.step(2)
    assert stable.redis.hget(keys.job(task.lease.job_id), "status") == b"finished"
    assert stable.redis.zcard(keys.leases("default")) == 0
    assert stable.pool.line() == [name for name in NAMES if name > task.lease.job_id]


def test_a_job_that_a_turn_has_just_taken_can_be_stopped(stable):
    """A person names a job that its worker has not heard of yet."""
    task = stable.turn_under_way()
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
    """By the parent, after 50 ms, and so is the slow one; the horse's next turn is about what it is handed then."""
    stable.horse.run(3)
    slow = stable.horse.begin()
    assert [message[1] for message in stable.horse.bit.said if message[0] == "kept"] == [2, 3]
    stable.step()
    stable.clock.advance(60)
    stable.step()
    assert [stable.redis.hget(keys.job(name), "status") for name in "abc"] == [b"finished"] * 3
    stable.horse.end(slow)
    assert stable.horse.begin() is None
    stable.step(2)
    following = stable.horse.begin()
    stable.horse.end(following)
    stable.horse.begin()
    assert [message[5] for message in stable.horse.bit.said if message[0] == "turn"] == [[1], [following.number]]
    assert not stable.refusals()


# -- what the others hold


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


def test_what_is_kept_is_settled_while_a_webhook_is_sent(stable):
    """The horse tells the outside of a job, which may take a minute: who ended before that is not to wait for it."""
    horse = stable.horse
    horse.run(8)
    task = horse.begin()
    horse.end(task, "complete", awaits_word=True)
    stable.step(2)
    assert {stable.redis.hget(keys.job(name), "status") for name in NAMES[:9]} == {b"finished"}
    assert stable.redis.zcard(keys.leases("default")) == 0


def test_a_turn_that_never_left_takes_nothing(stable):
    """Its parent sends it for a dead horse to end what had ended: what is next is for the next claim."""
    stable.horse.run()
    stable.horse.dies(stable.horse.begin, after="turn")
    stable.step()
    assert stable.redis.hget(keys.job("a"), "status") == b"finished"
    assert stable.pool.line() == [*NAMES[1:]]
    assert not stable.mount.is_at_work


def test_what_no_horse_has_begun_goes_back_before_an_error_ends_the_worker(fake, clock, monkeypatch):
    """A supervisor starts it again, and four such ends in a row buried a job that was well."""

    def no_horse(_):
        raise AttributeError("none to be had")

    stable = Stable(fake, clock)
    stable.line("a", "b")
    monkeypatch.setattr(stable, "start_horse", no_horse)
    with pytest.raises(AttributeError, match="none to be had"):
        stable.engine.run(Limits())
    assert (stable.pool.line(), fake.zcard(keys.leases("default"))) == (["a", "b"], 0)
