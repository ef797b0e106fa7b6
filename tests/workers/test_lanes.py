"""A horse has two turns on their way at once, each on a lane of its own: what is true of one stays true of both."""

from collections import Counter

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import Trip
from tests.workers.stable import NAMES, Stable


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """Let a server take its time: an answer has come only when it is waited for."""
    monkeypatch.setattr(Trip, "has_answer", lambda _: False)


@pytest.fixture
def stable(fake, clock):
    """Give a worker that may have eight jobs in hand, and twenty in line."""
    return Stable(fake, clock, *NAMES)


def unheard(horse):
    return horse.words().count("turn") - horse.words().count("took")


def two_under_way(stable):
    """Let it run until two turns are sent that it has not heard the answers of; give the job that it runs meanwhile."""
    while True:
        task = stable.horse.begin()
        if unheard(stable.horse) == 2:
            return task
        stable.horse.end(task)


def turns_of(horse):
    return [message for message in horse.bit.said if message[0] == "turn"]


def lanes_of(horse):
    return [message[7] for message in turns_of(horse)]


def leased(stable):
    return stable.redis.zcard(keys.leases("default"))


def test_the_second_goes_out_before_the_first_is_answered(stable):
    """The server has something to do while the horse reads; each lane has one at a time, and a name of its own."""
    two_under_way(stable)
    first, second = lanes_of(stable.horse)[-2:]
    assert {first, second} == {0, 1}
    slots = {stable.redis.get(keys.replay(caller.instance)).split()[0] for caller in stable.horse_callers}
    assert slots == {str(op).encode() for _, op, *_ in turns_of(stable.horse)[-2:]}


def test_both_together_take_no_more_than_may_be_in_hand(stable):
    """What is on its way is counted: HOLDFAST_PREFETCH is how many leases a worker has at the most."""
    most = stable.settings.prefetch
    two_under_way(stable)
    assert leased(stable) == most
    for _ in range(len(NAMES)):
        stable.horse.run()
        assert leased(stable) <= most + len(stable.horse.turns._kept)


def test_all_run_once_and_in_their_order(stable):
    """Nobody dies: the parent does no more than listen."""
    assert stable.run_with_nobody_hurt() == [*NAMES]
    assert {*lanes_of(stable.horse)} == {0, 1}
    stable.ends_well()


def test_with_nothing_else_in_hand_one_goes_alone(stable):
    """It may bring a job that is to be alone in its worker's hands."""
    asked_with_nothing = 0
    while stable.pool.line() or stable.mount.is_at_work:
        is_idle, before = not stable.horse.turns._taken and not unheard(stable.horse), len(stable.horse.bit.said)
        stable.horse.run()
        said = [message[0] for message in stable.horse.bit.said[before:] if message[0] in {"turn", "took"}]
        if is_idle and said:
            asked_with_nothing += 1
            assert said == ["turn", "took"]
        stable.step()
    assert asked_with_nothing


@pytest.mark.parametrize("heard", [False, True])
def test_a_horse_dies_with_both_under_way(stable, heard):
    """FM-002: what both ended is ended, what both took runs; the job that ran is charged, and nobody else."""
    task = two_under_way(stable)
    if heard:
        stable.step()
        assert len(stable.mount.errand.turns) == 2
    stable.horse.kill()
    stable.ends_well(twice=task.lease.job_id, charged=task.lease.job_id)


@pytest.mark.parametrize("point", [{"before": "took"}, {"after": "took"}])
def test_a_horse_dies_at_the_answer_of_the_first(stable, point):
    """The other is finished under its own name and number: what it took is known, and runs once."""
    stable.horse.end(two_under_way(stable))
    stable.horse.dies(lambda: stable.horse.run(99), **point)
    stable.ends_well()
    assert set(stable.ran.values()) == {1}


def test_horses_die_with_both_under_way_one_after_the_other(stable):
    """The next horse goes on with the same lanes: no number is used twice on one of them."""
    stable.line(*range(80))
    crashed = []
    for _ in range(3):
        stable.step(2)
        crashed.append(two_under_way(stable).lease.job_id)
        stable.horse.kill()
        stable.step(2)
    stable.run_all()
    assert stable.statuses() == {"finished": len(NAMES) + 80}
    assert Counter(stable.ran) == Counter(
        {**dict.fromkeys([*NAMES, *map(str, range(80))], 1), **dict.fromkeys(crashed, 2)}
    )


def test_behind_a_slow_job_both_are_finished_by_the_parent(stable):
    """What they took goes back in its order, to the front of the line; their horse drops both answers."""
    task = two_under_way(stable)
    stable.takes_back_behind(task)
    stable.horse.end(task)
    assert stable.horse.begin() is None
    stable.ends_well()


def test_what_a_turn_gave_is_begun_although_the_one_after_it_was_taken_back(stable):
    """LIV-03: its horse stood still between its word and its look, and must not drop what its parent leaves to it."""

    def stand_still(message):
        if message[0] == "took":
            stable.horse.bit.after = lambda _: None
            stable.step()
            stable.clock.advance(60)
            stable.step()
            assert [hold.lease.job_id for hold in stable.mount.holds] == [stable.mount.first.lease.job_id]
            assert stable.board.is_void(turns_of(stable.horse)[-1][1])

    task = two_under_way(stable)
    stable.horse.bit.after = stand_still
    stable.horse.end(task)
    stable.horse.run(99)
    assert stable.horse.bit.after is not stand_still
    stable.ends_well()
    assert len(stable.horses) == 1


def test_a_worker_that_is_asked_to_stop_gives_back_what_both_take(stable):
    """At once, in its order; what runs is finished, and settled by the parent."""
    stable.stops_at(two_under_way(stable))


@pytest.mark.parametrize("most", [2, 9, 12, 14, 17])
def test_both_together_take_no_more_than_a_worker_may_run(fake, clock, most):
    """RQ's --max-jobs counts what is on its way."""
    stable = Stable(fake, clock, *NAMES, most=most)
    stable.runs_at_most(most)


def test_with_one_job_in_hand_there_is_one_lane(fake, clock):
    """Nothing is done while a turn is on its way: a second would only be a name more at the server."""
    stable = Stable(fake, clock, *NAMES, prefetch=1)
    assert len(stable.horse_callers) == 1
    stable.ends_well()
    assert {*lanes_of(stable.horses[0])} == {0}


@pytest.mark.parametrize("count", [5, 10])
def test_a_look_is_not_answered_by_a_turn_that_its_parent_has_finished(fake, clock, count):
    """The horse is told to look before it has heard that turn, which is still on the lane by which it looks."""
    stable = Stable(fake, clock, *NAMES[:count])
    task = stable.turn_under_way()
    stable.step()
    clock.advance(60)
    stable.step()
    assert stable.board.is_void(turns_of(stable.horse)[-1][1])
    stable.horse.end(task)
    stable.step(2)
    assert stable.mount.errand.is_looking
    stable.line("x")
    stable.run_all()
    assert stable.ran == Counter([*NAMES[:count], "x"])
    assert stable.statuses() == {"finished": count + 1}
    words = stable.horse.words()
    assert words[words.index("look") - 1] == "took"
    assert len(stable.horses) == 1
