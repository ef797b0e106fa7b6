"""The keeper runs each chore when it is due, spreads them, and does not hammer a Redis that is away."""

import random
from itertools import pairwise

import pytest
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.recovery.keeper import Keeper, all_chores, intervals
from tests.recovery.conftest import NoSpread


class Chore:
    """Does what its script says, one line a run: ms until it is due again, or an error to raise."""

    def __init__(self, diary, clock, name, *script, every_ms=1_000, takes_ms=0):
        self.every_ms = every_ms
        self.went_on = []
        self._takes_ms = takes_ms
        self._diary, self._clock, self._name = diary, clock, name
        self._script = list(script)
        self._began_ms = clock.boot_ms()

    def run_once(self, *, goes_on=False):
        self.went_on.append(goes_on)
        self._diary.append((self._clock.boot_ms() - self._began_ms, self._name))
        self._clock.advance(self._takes_ms)
        line = self._script.pop(0) if self._script else self.every_ms
        if isinstance(line, Exception):
            raise line
        return line


@pytest.fixture
def diary():
    """Give the list in which chores write when they ran."""
    return []


@pytest.fixture
def keep(clock, diary):
    """Give a function that runs these chores for some time, and gives what troubled the keeper."""

    def keep(*chores, for_ms, rng=None, on_refusal=None):
        troubles = []
        keeper = Keeper(chores, clock, rng or NoSpread(), on_trouble=troubles.append, on_refusal=on_refusal)
        until_ms = clock.boot_ms() + for_ms
        while clock.boot_ms() < until_ms:
            keeper.run_due()
            assert keeper.due_ms() > clock.boot_ms(), "a keeper that is due at once again is a busy loop"
            clock.advance(keeper.due_ms() - clock.boot_ms())
        return troubles

    return keep


def test_all_chores_run_at_the_start_and_then_at_their_own_pace(clock, diary, keep):
    """LIV-02: nobody waits out an interval before the first look after a disaster."""
    reaper, promoter = Chore(diary, clock, "reap", every_ms=400), Chore(diary, clock, "promote", every_ms=1_000)
    keep(reaper, promoter, for_ms=1_001)
    assert diary == [(0, "reap"), (0, "promote"), (400, "reap"), (800, "reap"), (1_000, "promote")]


def test_a_chore_someone_else_has_just_done_is_asked_for_when_that_one_is_over(clock, diary, keep):
    """LIV-02: the fleet's interval, not each keeper's own: 30 ms here, and the whole interval after a turn."""
    keep(Chore(diary, clock, "reap", 30, 1_000), for_ms=1_031)
    assert diary == [(0, "reap"), (30, "reap"), (1_030, "reap")]


def test_a_fleet_does_not_ask_in_step(clock, diary, keep):
    """FM-035: each wait is a little longer than it had to be, by chance, and never shorter."""
    keep(Chore(diary, clock, "reap"), for_ms=60_000, rng=random.Random(7))
    moments = [moment for moment, _ in diary]
    waits = [late - early for early, late in pairwise(moments)]
    assert len(waits) > 50
    assert all(1_000 <= wait <= 1_050 for wait in waits)
    assert len(set(waits)) > 10


def test_a_chore_with_much_to_do_lets_the_others_through(clock, diary):
    """LIV-02: one at a time, as with a job in hand: 5 s of due jobs, and the dead are looked after each second."""
    long = Chore(diary, clock, "promote", *[0] * 500, takes_ms=10)
    keeper = Keeper([long, Chore(diary, clock, "reap")], clock, NoSpread())
    while sum(name == "promote" for _, name in diary) < 500:
        assert keeper.run_due(at_most=1) == 1
    reaped = [moment for moment, name in diary if name == "reap"]
    assert len(reaped) == 5
    assert all(late - early <= 1_020 for early, late in pairwise(reaped))


def test_a_chore_is_told_that_it_goes_on_while_its_turn_is_surely_its_own(clock, diary):
    """FM-035: else all parents would join in, one after the other, where there is much to do."""
    away = RedisConnectionError("a moment's loss")
    chore = Chore(diary, clock, "reap", 0, 0, 0, away, 0, 0)
    keeper = Keeper([chore], clock, NoSpread())
    for pause_ms in (0, 999, 1_000, 0, 1_000, 0):
        clock.advance(pause_ms)
        keeper.run_due()
    # The third time it was frozen for an interval, the fifth Redis was away: somebody else may have begun.
    assert chore.went_on == [False, True, False, True, False, True]


def test_a_redis_that_is_away_is_asked_once_an_interval_and_not_once_a_chore(clock, diary, keep):
    """LIV-03: each ask costs a reply's patience, in which a worker's parent does nothing else."""
    gone = [RedisConnectionError("refused") for _ in range(3)]
    troubles = keep(Chore(diary, clock, "reap", *gone), Chore(diary, clock, "promote"), for_ms=3_001)
    assert troubles == gone
    assert diary == [(0, "reap"), (1_000, "reap"), (2_000, "reap"), (3_000, "reap"), (3_000, "promote")]


def test_redis_is_back_once_it_has_answered_the_chores_that_it_did_not(clock, diary):
    """LIV-03: a full one refuses what one writes and not the other. It is not back each second, and away the next."""
    refused = ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
    said = []
    chores = [Chore(diary, clock, "reap"), Chore(diary, clock, "rescue", 1_000, refused, refused)]
    keeper = Keeper(
        chores, clock, NoSpread(), on_answer=lambda: said.append("back"), on_trouble=lambda _: said.append("away")
    )
    for _ in range(5):
        keeper.run_due()
        clock.advance(1_000)
    assert [name for _, name in diary] == ["reap", "rescue"] * 5
    assert said == ["back", "back", "back", "away", "away", "back", "back", "back"]


def test_the_trouble_of_a_rare_chore_does_not_put_off_a_frequent_one(clock, diary, keep):
    """LIV-02: jobs of the dead wait for the reaper; the other chore's hour is its own affair."""
    rare = Chore(diary, clock, "rare", RedisConnectionError("a moment's loss"), every_ms=3_600_000)
    keep(rare, Chore(diary, clock, "reap", every_ms=1_000), for_ms=5_000)
    assert [name for moment, name in diary if moment <= 2_000].count("reap") >= 1


def test_a_chore_that_fails_is_tried_again_and_the_others_go_on(clock, diary, keep):
    """FM-023: a server that was loading for one question; nothing is given up for good."""
    loading = ResponseError("LOADING Redis is loading the dataset in memory")
    troubles = keep(Chore(diary, clock, "reap"), Chore(diary, clock, "promote", loading), for_ms=2_001)
    assert troubles == [loading]
    assert [name for _, name in diary] == ["reap", "promote", "reap", "promote", "reap", "promote"]


def test_one_that_redis_answers_with_an_error_waits_alone(clock, diary, keep):
    """LIV-03: one bad entry would end worker after worker. It is told each time, and tried again ten seconds later."""
    wrong = [ResponseError("WRONGTYPE Operation against a key") for _ in range(2)]
    promoter, told = Chore(diary, clock, "promote", *wrong, every_ms=4_000), []
    keep(
        Chore(diary, clock, "reap", every_ms=10_000), promoter, for_ms=20_001, on_refusal=lambda *who: told.append(who)
    )
    assert told == [(promoter, error) for error in wrong]
    assert [line for line in diary if line[1] == "promote"] == [(moment, "promote") for moment in (0, 10_000, 20_000)]
    assert [line for line in diary if line[1] == "reap"] == [(moment, "reap") for moment in (0, 10_000, 20_000)]


@pytest.mark.parametrize("error", [KeyError("a mistake of ours"), AuthenticationError("wrong password")])
def test_what_neither_waiting_nor_a_person_at_redis_mends_comes_out(clock, diary, keep, error):
    """A mistake of ours must be seen at once, not once a day in a log."""
    with pytest.raises(type(error)):
        keep(Chore(diary, clock, "reap", error), for_ms=1, on_refusal=lambda *_: None)


def test_where_nobody_hears_of_errors_they_come_out(clock, diary, keep):
    """As in a simulation: there is nothing of a wrong type, and a script has a mistake."""
    with pytest.raises(ResponseError, match="user_script"):
        keep(Chore(diary, clock, "reap", ResponseError("user_script:1: attempt to index a nil value")), for_ms=1)


def test_a_keeper_of_its_own_runs_until_it_is_told_to_stop(clock, diary):
    """LIV-04: `holdfast keeper` hears of a signal within a quarter of a second, whatever is due when."""
    keeper = Keeper([Chore(diary, clock, "reap", every_ms=60_000)], clock, NoSpread())
    began_ms, looks = clock.boot_ms(), []

    def stops():
        looks.append(clock.boot_ms() - began_ms)
        return looks[-1] >= 1_000

    keeper.run(stops=stops)
    assert diary == [(0, "reap")]
    assert all(late - early <= 250 for early, late in pairwise(looks))


def test_a_keeper_of_its_own_goes_on_without_a_pause_and_hears_of_a_signal_in_between(clock, diary):
    """LIV-04: a million due jobs are no reason to be killed, and waits between batches none to be late."""
    keeper = Keeper([Chore(diary, clock, "promote", *[0] * 10_000)], clock, NoSpread())
    keeper.run(stops=lambda: len(diary) >= 300)
    assert diary == [(0, "promote")] * 300


def test_a_keeper_of_its_own_is_no_busy_loop_while_redis_is_away(clock, diary):
    """LIV-03: a minute of outage is some sixty questions."""
    gone = [RedisConnectionError("refused") for _ in range(1_000)]
    keeper = Keeper([Chore(diary, clock, "reap", *gone)], clock, NoSpread())
    until_ms = clock.boot_ms() + 60_000
    keeper.run(stops=lambda: clock.boot_ms() >= until_ms)
    assert 50 <= len(diary) <= 61


def test_each_chore_takes_the_fleets_turn_by_its_name_and_for_its_interval(fleet, tell):
    """Both stand in one table, from which the status tells when each was done; a script spells the name again."""
    for chore in all_chores(fleet.scripts, fleet.clock, fleet.settings, tell):
        chore.run_once()
    now_ms = round(fleet.clock.wall_s() * 1_000)
    turns = {key.decode(): int(fleet.redis.get(key)) - now_ms for key in fleet.redis.keys(keys.turn("*"))}
    every_ms = {keys.turn(name): interval_ms for name, interval_ms in intervals(fleet.settings).items()}
    assert turns.keys() == every_ms.keys()
    assert all(every_ms[turn] - 500 <= due_ms <= every_ms[turn] for turn, due_ms in turns.items()), turns


def test_each_chore_is_done_as_often_as_its_own_setting_says():
    """By default two of them are the same."""
    settings = Settings(reap_ms=100, promote_ms=200, orphans_ms=300)
    assert intervals(settings) == {"reaper": 100, "promoter": 200, "orphans": 300}
