"""A doubt is settled by a person: told of which effect, by which key to ask, and what cannot be meant."""

import random
import zlib
from shlex import quote

import click
import pytest
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.serializers import DefaultSerializer, JSONSerializer

from holdfast.console.server import at_url, command
from holdfast.jobs import effect
from holdfast.jobs.running import Running, exchange
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.people import People


@pytest.fixture
def key(pool):
    """Let job-1 fail for good inside of its effect, and give the key with which it went outside."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    execution = Running(
        lease=held,
        moves=worker.moves,
        courier=Courier(pool.redis, pool.clock, random.Random(7)),
        serializer=pool.queue().serializer,
        born=pool.record()["created_at"],
        is_out_of_time=lambda: False,
    )
    before = exchange(execution)
    try:
        with pytest.raises(TimeoutError), effect("charge") as charge:
            raise TimeoutError
    finally:
        exchange(before)
    worker.bury(held, cause="failures", error="Traceback\nTimeoutError")
    return charge.key


def test_the_key_of_a_doubt_is_shown_where_the_job_died_of_something_else(key, holdfast):
    """A time-out in the body, and no retries: its error names neither the effect nor the key."""
    shown = holdfast("dead", "show", "job-1").output
    assert "effect:      charge: in doubt (fence " in shown
    assert f", key {key})" in shown
    assert f"Find out (ask the outside by its key {key}), then: holdfast dead resolve job-1 charge" in shown
    assert f"effect charge: in doubt (fence {shown.partition('fence ')[2][:16]}, key {key})" in shown
    assert f", key {key})" in holdfast("timeline", "job-1").output


@pytest.mark.parametrize(("line", "told"), [("dead show", "job-1 charge"), ("timeline", "job-1 EFFECT")])
def test_where_the_address_was_typed_the_command_to_copy_has_it_too(key, holdfast, server, line, told):
    """Without it, what was copied asked the server of the environment, or none."""
    assert key
    shown = holdfast(*line.split(), "job-1", "--redis-url", server.url).output
    assert f"holdfast dead resolve {told} --redis-url {server.url}" in shown


@pytest.mark.parametrize(
    ("password", "shown"), [(":secret@", "redis://:***@"), ("wk:s3@", "redis://wk:***@"), ("", "redis://")]
)
def test_a_password_is_in_no_command_that_is_printed(password, shown):
    """Screens are shared, and copied into tickets."""

    @click.command()
    @at_url
    def show(redis_url):
        assert redis_url
        click.echo(command("dead", "show", "a b"))

    told = CliRunner().invoke(show, ["--redis-url", f"redis://{password}db:6379/0"]).output
    assert told == f"holdfast dead show 'a b' --redis-url {quote(f'{shown}db:6379/0')}\n"


def test_the_key_is_still_the_same_after_a_requeue(key, pool, holdfast):
    """The record says when this generation was born; a requeue does not change that."""
    holdfast("dead", "requeue", "job-1", "--even-in-doubt")
    worker = pool.worker()
    worker.bury(worker.hold())
    assert f", key {key})" in holdfast("dead", "show", "job-1").output


def test_a_refused_requeue_says_where_the_key_is(key, holdfast):
    """Who was told to find out can ask by nothing else."""
    refused = holdfast("dead", "requeue", "job-1").output
    assert "`holdfast dead show job-1` tells its key" in refused


def test_a_name_that_is_no_effects_is_told_which_are_in_doubt(key, holdfast):
    """Misspelled at three in the morning."""
    done = holdfast("dead", "resolve", "job-1", "chrage", "--happened")
    assert done.exit_code == 1
    assert "job job-1 has no effect 'chrage' in doubt. In doubt: charge." in done.output


def test_a_doubt_that_is_settled_is_told_from_one_that_never_was(key, holdfast):
    """A second person at the same job."""
    holdfast("dead", "resolve", "job-1", "charge", "--happened")
    again = holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen")
    assert again.exit_code == 1
    assert "job job-1 has no effect 'charge' in doubt (it is done). None of its effects is." in again.output


def test_a_settling_without_a_verdict_is_told_of_both(key, holdfast):
    """Whoever typed the one that is named would mark a charge as made."""
    done = holdfast("dead", "resolve", "job-1", "charge")
    assert done.exit_code == 2
    assert "say what you found out, --happened or --did-not-happen." in done.output
    assert "in doubt" in holdfast("timeline", "job-1").output


def test_a_value_of_what_did_not_happen_is_refused(key, holdfast):
    """One of the two is a slip, and it is not guessed which."""
    done = holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen", "--value", "zz")
    assert done.exit_code == 2
    assert "--value says what came of it: it goes with --happened only." in done.output
    assert "in doubt" in holdfast("timeline", "job-1").output


@pytest.mark.parametrize(
    ("theirs", "given", "named"),
    [
        pytest.param(JSONSerializer, [], "RQ's default serializer", id="a fleet with JSON"),
        pytest.param(DefaultSerializer, ["-S", "json"], "JSONSerializer", id="a fleet with RQ's own"),
    ],
)
def test_a_value_that_the_jobs_own_code_could_not_read_is_not_written(key, pool, holdfast, theirs, given, named):
    """A doubt is settled once: what is written then by a wrong serializer ends every later attempt."""
    pool.redis.hset(keys.job("job-1"), "data", zlib.compress(theirs.dumps(["shop.fulfil", None, ["A-1"], {}])))
    words = ("dead", "resolve", "job-1", "charge", "--happened")
    done = holdfast(*words, "--value", "r-1", *given)
    assert done.exit_code == 1
    assert f"the data of job job-1 cannot be read with {named} (" in done.output
    assert "): name your workers' with -S. Nothing is written." in done.output
    assert "in doubt" in holdfast("timeline", "job-1").output
    assert holdfast(*words, *given).exit_code == 0, "without a value there is nothing to be read"


def test_a_value_is_written_by_the_serializer_of_the_fleet(key, pool, holdfast):
    """As its jobs will read it."""
    pool.redis.hset(keys.job("job-1"), "data", zlib.compress(JSONSerializer.dumps(["shop.fulfil", None, ["A-1"], {}])))
    done = holdfast("dead", "resolve", "job-1", "charge", "--happened", "--value", "r-1", "-S", "json")
    assert done.exit_code == 0, done.output
    assert pool.redis.hget(keys.job("job-1"), keys.effect_field("charge")).endswith(b' "r-1"')


def test_code_that_is_only_where_the_workers_are_is_no_reason_to_refuse(key, pool, holdfast):
    """An argument of a class that a desk has not installed: the serializer is the right one."""
    pool.redis.hset(keys.job("job-1"), "data", zlib.compress(b"\x80\x05cshop.orders\nOrder\n."))
    done = holdfast("dead", "resolve", "job-1", "charge", "--happened", "--value", "r-1")
    assert done.exit_code == 0, done.output


def test_a_settling_outlasts_a_lost_reply(key, pool, holdfast, monkeypatch):
    """FM-008: it is sent again under the same name, and the person is told what became of it."""
    send, heard = People.resolve_effect, []

    def lose_the_first(people, wish, *words, **more):
        answer = send(people, wish, *words, **more)
        heard.append(wish)
        if len(heard) == 1:
            raise RedisConnectionError("the reply is lost")
        return answer

    monkeypatch.setattr(People, "resolve_effect", lose_the_first)
    done = holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen")
    assert done.output.startswith("resolved: charge of job-1 did not happen.\n")
    assert done.exit_code == 0
    assert len(heard) == 2
    assert heard[0] == heard[1]
