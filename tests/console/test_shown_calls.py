"""What a job calls is shown, and nothing of its producer's is run on the operator's machine unless asked for."""

import json
import zlib

import pytest

from holdfast.jobs.store import keys, stories


class Shy:
    """Cannot be shown."""

    def __repr__(self):
        raise ValueError("not set up")


@pytest.fixture
def call(pool):
    """Give a function that writes what job-1, which is dead, calls."""
    pool.enqueue()
    worker = pool.worker()
    worker.bury(worker.hold())
    return lambda data: pool.redis.hset(keys.job("job-1"), "data", data)


def test_nothing_is_unpickled_unless_asked_for(call, holdfast, tmp_path):
    """Whoever may enqueue would run code as the operator."""
    ran = tmp_path / "ran"
    call(b"\x80\x05(\x8c\tshop.packN(cos\nmkdir\n(V%b\ntRt}t." % bytes(ran))
    shown = holdfast("dead", "show", "job-1").output
    assert "function:    shop.pack" in shown
    assert "arguments:" not in shown
    assert not ran.exists()
    holdfast("dead", "show", "job-1", "--arguments")
    assert ran.exists(), "the trap works"


def test_the_function_of_another_serializer_is_shown_too(call, holdfast):
    """Of JSON; of one that we do not know the description says it."""
    call(zlib.compress(json.dumps(["shop.pack", None, [], {}]).encode()))
    assert "function:    shop.pack" in holdfast("dead", "show", "job-1").output
    call(b"\x01\x02")
    done = holdfast("dead", "show", "job-1")
    assert done.exit_code == 0
    assert "function:" not in done.output


def test_why_arguments_cannot_be_read_is_said(call, holdfast):
    """A class in the app's own folder: no serializer helps."""
    call(b"\x80\x05\x8c\tshop.pack(cshop_of_theirs.orders\nOrder\n.")
    shown = holdfast("dead", "show", "job-1", "--arguments").output
    assert "function:    shop.pack" in shown
    assert "cannot be read here: ModuleNotFoundError: No module named 'shop_of_theirs'. Name their" in shown


def test_an_argument_that_cannot_be_shown_does_not_hide_the_rest(call, holdfast, monkeypatch):
    """Its __repr__ wants a database."""
    monkeypatch.setattr(stories, "_read_data", lambda *_: ("shop.pack", None, (Shy(), 7), {}))
    shown = holdfast("dead", "show", "job-1", "--arguments")
    assert "7" in shown.output
    assert "<Shy, whose repr() raised ValueError>" in shown.output
