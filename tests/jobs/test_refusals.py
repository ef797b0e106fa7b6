"""What Redis says of a script in 6.2, and what is said to an app of a Redis that was away for too long."""

import random
from types import SimpleNamespace

import pytest
import redis.exceptions as errors

from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.door import explained
from holdfast.jobs.store.refusals import is_passing
from tests.jobs.test_connections import AWAY, Flaky, answered

#: How Redis 6.2 begins what it says of a command that a script gave; Redis 7 puts the script's name at the end.
OF_A_SCRIPT = "ERR Error running script (call to f_5a8f3c): @user_script:120: @user_script: 120: -"
IN_A_PIPELINE = "Command # 1 (EVALSHA 5a8f3c 0 a b) of pipeline caused error: "


@pytest.mark.parametrize("before", ["", IN_A_PIPELINE], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize(
    "said",
    [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ],
    ids=lambda said: said.split()[0],
)
def test_redis_6_2_says_not_now_of_a_script_by_other_words(said, before):
    """FM-022 to FM-025: every move is a script, and there its code stands behind the place where it stopped."""
    error = answered(OF_A_SCRIPT + said)
    assert is_passing(type(error)(before + str(error)))
    assert is_passing(answered(f"{said} script: 5a8f3c, on @user_script:120."))


@pytest.mark.parametrize(
    "error",
    [
        answered(OF_A_SCRIPT.removesuffix("-") + "The user executing the script can't run this command or subcommand"),
        answered(OF_A_SCRIPT.removesuffix("-") + "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
    ids=["NOPERM", "WRONGTYPE"],
)
def test_redis_6_2_says_no_of_a_script_in_such_words_too(error):
    """There the code has no dash, or there is none."""
    assert not is_passing(error)


def courier_of(clock):
    """Give a courier of nobody."""
    pool = SimpleNamespace(disconnect=lambda inuse_connections: None)
    return Courier(SimpleNamespace(connection_pool=pool), clock, random.Random(7))


@pytest.mark.parametrize(
    ("answer", "failures", "said"),
    [
        (answered("OOM command not allowed when used memory > 'maxmemory'."), 1_000, "refused it each time"),
        (answered("LOADING Redis is loading the dataset in memory"), 1_000, "refused it each time"),
        (AWAY, 1, "did not answer in time"),
    ],
    ids=["full", "loading", "away at first"],
)
def test_who_was_refused_each_time_hears_that_nothing_was_done(clock, answer, failures, said):
    """An answer is no silence; but of what was sent once without one, nobody knows."""
    silent, refused = Flaky(clock, failures, error=answer), Flaky(clock, failures=1_000, error=answered("READONLY no"))
    with pytest.raises(RedisAwayError, match=said):
        courier_of(clock).send(lambda: silent() and refused(), until_ms=clock.boot_ms() + 5_000)


def test_an_app_that_does_without_redis_need_not_know_our_errors(clock):
    """It catches redis-py's; ours comes through every loop that asks again, as it was waited for already."""
    with pytest.raises(errors.ConnectionError) as away:
        courier_of(clock).send(Flaky(clock, failures=1_000), until_ms=clock.boot_ms())
    assert isinstance(away.value, RedisAwayError)
    assert not is_passing(away.value)


def test_what_was_waited_out_is_not_explained_once_more():
    """A worker that is told to stop while Redis is away at its start stops, and does not say what to look at."""
    with pytest.raises(RedisAwayError), explained(lambda: pytest.fail("nobody needs to know where")):
        raise RedisAwayError("Redis did not answer in time")


def test_what_took_all_the_time_is_tried_once_more(clock):
    """Something big is waited for for longer than a courier's time, and one lost answer is no outage."""
    operation = Flaky(clock, failures=1)
    assert courier_of(clock).send(operation, until_ms=clock.boot_ms()) == "answer"
