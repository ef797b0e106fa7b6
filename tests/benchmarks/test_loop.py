"""The bare loops do what their numbers are told of, and say so when they did not."""

import pytest

from benchmarks.loop import QUEUE, Ask, OurLoop, WentWrong, measure


def test_loops_take_turns_and_each_turn_has_a_value(server):
    """For the clock, both processors, and the server's own count."""
    asked = [Ask(server.url, at, kind, 2) for at, kind in enumerate(("moves", "claims", "floor", "trip"))]
    for took in measure(asked, turns=3, trips=5):
        assert [len(each) for each in (took.wall, took.server, took.client, took.commands)] == [3] * 4
        assert all(value > 0 for value in took.wall + took.client)
        assert [each["evalsha"][0] for each in took.commands] == [0.5] * 3


def test_a_loop_settles_what_it_claimed_in_the_trip_before(server, redis):
    """As a worker does; what is in hand at the end is not settled."""
    loop = OurLoop(redis, Ask(server.url, want=2), trips=4)
    loop.go(3)
    loop.check()
    assert redis.zcard(f"rq:finished:{QUEUE}") == 4
    assert redis.zcard(f"rq:wip:{QUEUE}") == 2


def test_a_loop_that_only_claims_settles_nothing(server, redis):
    """So that what claims take can be told from the rest."""
    loop = OurLoop(redis, Ask(server.url, kind="claims", want=2), trips=4)
    loop.go(3)
    loop.check()
    assert redis.zcard(f"rq:wip:{QUEUE}") == 6


def test_a_loop_whose_leases_were_lost_has_no_numbers(server, redis):
    """Refusals are quicker than settles."""
    loop = OurLoop(redis, Ask(server.url), trips=4)
    loop.go(1)
    redis.delete("rq:wip:bench", "holdfast:leases:bench")
    with pytest.raises(WentWrong, match="a turn answered"):
        loop.go(1)


def test_a_loop_whose_jobs_are_not_where_they_should_be_has_no_numbers(server, redis):
    """Whatever its answers said."""
    loop = OurLoop(redis, Ask(server.url), trips=4)
    loop.go(3)
    redis.delete(f"rq:finished:{QUEUE}")
    with pytest.raises(WentWrong, match="0 of 2 jobs that were settled are finished"):
        loop.check()
