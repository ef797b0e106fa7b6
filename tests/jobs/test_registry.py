"""A worker says in whole seconds that it lives: who looks takes none for silent that has just said so."""

from types import SimpleNamespace

import pytest

from holdfast.jobs.store import keys
from holdfast.jobs.store.looks import look_at_fleet
from holdfast.jobs.store.registry import Entry
from holdfast.jobs.store.vitals import silence_of_worker_ms

#: Who looks, and for how long that one finds the worker silent.
LOOKS = {
    "status": lambda redis: look_at_fleet(redis, every_ms={}).workers[0].silent_ms,
    "health": lambda redis: silence_of_worker_ms(redis, "w"),
    "namesake": lambda redis: Entry(SimpleNamespace(connection=redis, key=keys.worker("w"))).namesake().silent_ms,
}


@pytest.fixture(params=LOOKS)
def silence(request, redis):
    """Give a function that tells what is found in the second `later` than that of the beat, and how far that is."""

    def silence(later, spelled=str):
        redis.sadd(keys.workers(), keys.worker("w"))
        while True:
            now_s, _ = redis.time()
            redis.hset(keys.worker("w"), "hf_beat", spelled(now_s - later))
            found = LOOKS[request.param](redis)
            then_s, micros = redis.time()
            if then_s == now_s:
                return found, micros // 1_000

    return silence


def test_who_spoke_at_the_end_of_the_last_second_is_not_silent_for_one(silence):
    """With a lease of a second, the living were said to be dead: one look in twelve came between second and second."""
    found, into_ms = silence(1)
    assert found <= into_ms + 1


def test_who_spoke_in_this_second_is_not_silent(silence):
    """Nor for less than no time."""
    assert silence(0)[0] == 0


def test_who_has_been_silent_for_long_is_found_to_be_within_a_second(silence):
    """Counted from the end of the second in which it spoke."""
    found, _ = silence(60)
    assert 59_000 <= found <= 60_000


def test_a_beat_with_a_fraction_is_read_as_well(silence):
    """A later version may write one, and works beside this one: versions.md."""
    found, _ = silence(60, spelled=lambda second: f"{second}.250")
    assert 59_000 <= found <= 60_000
