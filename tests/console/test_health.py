"""Health checks: the living are told from the silent, the gone and the never seen, and a missing Redis is said."""

import re

import pytest
from click.testing import CliRunner

from holdfast.console.health import health
from holdfast.jobs.store import keys

LEASE_S = 10


@pytest.fixture
def ask(server, redis):
    """Give a function that runs the check on the real server."""
    return lambda *words: CliRunner().invoke(health, [*words, "--redis-url", server.url])


@pytest.fixture
def entry(redis):
    """Give a function that writes what w1 last said of itself, so many seconds ago."""

    def write(silent_s, **fields):
        redis.hset(keys.worker("w1"), mapping={"hf_beat": redis.time()[0] - silent_s, **fields})

    return write


def test_a_worker_that_has_just_said_so_lives(ask, entry):
    """Also one that said so some renewals ago: two may be lost."""
    entry(LEASE_S - 2)
    told = ask("w1")
    assert told.exit_code == 0
    assert told.output.startswith("worker w1 lives")


def test_a_worker_that_is_silent_for_longer_than_its_lease_does_not(ask, entry):
    """Its process may well be there; its jobs are others' by now."""
    entry(LEASE_S + 2)
    told = ask("w1")
    assert told.exit_code == 1
    assert re.search(r"worker w1 has been silent for 1[12] s", told.output)


def test_the_lease_is_the_workers_own_setting(ask, entry, monkeypatch):
    """The check runs in its worker's environment."""
    monkeypatch.setenv("HOLDFAST_LEASE_MS", "60000")
    entry(LEASE_S + 2)
    assert ask("w1").exit_code == 0


def test_a_worker_whose_horses_all_die_at_birth_is_not_well(ask, entry):
    """It says that it lives and is idle, and runs nothing."""
    entry(0, hf_false_starts=6)
    told = ask("w1")
    assert told.exit_code == 1
    assert "worker w1: 6 horses in a row ended before they began a job" in told.output
    entry(0, hf_false_starts=0)
    assert ask("w1").exit_code == 0


def test_a_worker_that_has_left_does_not_live(ask, entry):
    """Its entry stays for a minute, with a fresh beat on it."""
    entry(0, death="2026-11-21T00:00:00.000000Z")
    assert ask("w1").exit_code == 1


def test_a_worker_nobody_knows_does_not_live(ask):
    """A misspelled name must not look well."""
    told = ask("w2")
    assert told.exit_code == 1
    assert "no living worker w2" in told.output


def test_the_chores_are_done_while_any_reaper_passes(ask, redis):
    """Whoever it is: without one that passed, or with one that did so long ago, they are not."""
    assert ask().exit_code == 1
    seconds, _ = redis.time()
    redis.hset(keys.reaper(), "pass_ms", (seconds - LEASE_S - 1) * 1_000)
    assert "no reaper has passed for" in ask().output
    redis.hset(keys.reaper(), "pass_ms", seconds * 1_000)
    told = ask()
    assert told.exit_code == 0
    assert told.output.startswith("the fleet's chores are done")


def test_a_redis_that_is_not_there_is_told_in_a_line():
    """A health check's output is read in the list of containers, where no traceback fits."""
    told = CliRunner().invoke(health, ["w1", "--redis-url", "unix:///nowhere/redis.sock"])
    assert told.exit_code == 1
    assert told.output.startswith("Error: ")
    assert told.output.count("\n") == 1
