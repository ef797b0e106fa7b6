"""The orphans chore looks at its suspects some at a time, and at all of them, whoever has the turn meanwhile."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from holdfast.jobs import events
from holdfast.jobs.store import outcomes as out
from holdfast.recovery.orphans import Orphans

FOUND = out.Rescued("lost", "default", "line")
SKIPPED = out.PassedOver("odd", "WRONGTYPE")


@pytest.fixture
def upkeep(scripted):
    """Give an upkeep whose page has 45 suspects, and that finds nothing wrong with most."""
    upkeep = scripted((), (), (FOUND, SKIPPED), ())
    upkeep.page = [f"j{number}" for number in range(45)]
    return upkeep


def slice_of(first, last, asked="2000 goes on"):
    return " ".join([asked, *(f"j{number}" for number in range(first, last))])


def test_a_page_of_suspects_is_looked_at_some_at_a_time(upkeep, tell, told):
    """LIV-02, INV-05: each look goes through whole lines; in between a worker's parent does other things."""
    orphans = Orphans(upkeep, tell, every_ms=2_000)
    assert orphans.run_once() == 0
    assert upkeep.asked == ["2000", "a page"]
    assert [orphans.run_once(goes_on=True) for _ in range(3)] == [0, 0, 2_000]
    assert upkeep.asked[2:] == [slice_of(0, 20), slice_of(20, 40), slice_of(40, 45)]
    assert told == [events.Rescued(FOUND), events.PassedOver(SKIPPED)]


def test_a_page_without_suspects_is_done_at_once(scripted, tell):
    """LIV-03: as nearly every one is where no stock worker runs."""
    assert Orphans(scripted(()), tell, every_ms=2_000).run_once() == 2_000


def test_what_another_took_the_turn_from_is_looked_at_in_the_next(scripted, tell):
    """INV-02: a parent that is slow, or on a slow link, has its suspects looked at all the same."""
    upkeep = scripted((), out.NotDue(700), (), ())
    upkeep.page = ["j0", "j1"]
    orphans = Orphans(upkeep, tell, every_ms=2_000)
    assert [orphans.run_once() for _ in range(3)] == [0, 700, 2_000]
    assert upkeep.asked == ["2000", "a page", slice_of(0, 2, "2000"), slice_of(0, 2, "2000")]


def test_suspects_that_redis_did_not_answer_for_do_not_stand_before_the_others(upkeep, tell):
    """LIV-03: they come round again with their page."""
    orphans = Orphans(upkeep, tell, every_ms=2_000)
    orphans.run_once()
    upkeep.rescue = lambda **_: (_ for _ in ()).throw(RedisConnectionError("away"))
    with pytest.raises(RedisConnectionError):
        orphans.run_once(goes_on=True)
    del upkeep.rescue
    orphans.run_once()
    assert upkeep.asked[2:] == [slice_of(20, 40, "2000")]
