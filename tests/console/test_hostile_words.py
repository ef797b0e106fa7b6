"""What whoever enqueues has written reaches the operator's terminal as words, and never as commands to it."""

import json
import os

import pytest
from click.testing import CliRunner

from holdfast.console.cli import main
from holdfast.jobs.store import keys

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\nB-2: all is well"
SEEN = r"\x1b]0;owned\x07\x1b[2J\u202e\nB-2: all is well"


@pytest.fixture
def evil(pool):
    """Give the id of a dead job of which every word is hostile: its id, description, queue, effect and error."""
    job_id = f"A-1{EVIL}"
    pool.enqueue("A-1", f"low{EVIL}")
    pool.redis.hset(keys.job("A-1"), "description", EVIL)
    worker = pool.worker()
    held = worker.hold(f"low{EVIL}")
    worker.moves.begin_effect(held, "charge now")
    worker.bury(held, cause="in_doubt", error=f"Traceback\n\tline\nValueError: \x1b[2J{EVIL}")
    # RQ would not make such an id; whoever may write to Redis can.
    pool.redis.rename(keys.job("A-1"), keys.job(job_id))
    pool.redis.rename(keys.results("A-1"), keys.results(job_id))
    pool.redis.zadd(keys.failed(f"low{EVIL}"), {job_id: pool.now_ms()})
    pool.enqueue("B-1", f"line{EVIL}")
    return job_id


def test_no_command_lets_it_through(evil, holdfast):
    """Not on the screen, and not in an error."""
    said = [
        holdfast("status"),
        *(holdfast("timeline", evil), holdfast("dead", "list"), holdfast("dead", "show", evil)),
        *(holdfast("dead", "requeue", evil), holdfast("dead", "list", "none\x1b")),
        *(holdfast("dead", "resolve", evil, "x\x1b", "--happened"), holdfast("timeline", f"none{EVIL}")),
    ]
    for done in said:
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.output), done.output
        assert r"\x1b" in done.output
        assert not any(line.startswith("B-2") for line in done.output.splitlines())


def test_a_program_gets_it_as_it_is(evil, holdfast):
    """JSON has escapes of its own."""
    done = holdfast("status", "--json")
    assert "\x1b" not in done.output
    assert f"low{EVIL}" in {queue["name"] for queue in json.loads(done.output)["queues"]}


def test_a_command_that_is_to_be_copied_is_one(pool, holdfast):
    """Names with blanks and quotes in them."""
    pool.enqueue("A-1", "the line")
    assert "rq worker -w holdfast.workers.Worker 'the line'" in holdfast("status").output
    worker = pool.worker()
    held = worker.hold("the line")
    worker.moves.begin_effect(held, "charge $5")
    worker.bury(held, cause="in_doubt")
    told = "holdfast dead resolve A-1 'charge $5' --happened, or --did-not-happen"
    assert told in holdfast("dead", "show", "A-1").output
    assert told in holdfast("dead", "requeue", "A-1").output


@pytest.mark.parametrize(
    "words",
    [("timeline",), ("dead", "show"), ("dead", "requeue"), ("dead", "drop", "-y"), ("dead", "list")],
    ids=" ".join,
)
def test_a_name_that_is_no_text_is_refused_in_a_line(words, server):
    """FM-033: a shell hands over any byte."""
    done = CliRunner().invoke(main, [*words, os.fsdecode(b"caf\xe9"), "--redis-url", server.url])
    assert done.exit_code == 2
    assert r"caf\xe9 is no text in UTF-8." in done.output
