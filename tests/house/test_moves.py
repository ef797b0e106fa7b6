"""The table of lawful moves in jobs/state.py and the first lines of lua/ say the same."""

import re
from pathlib import Path

import pytest

from holdfast.jobs.state import EFFECT_MOVES, MOVES, Status

LUA = Path(__file__).parents[2] / "jobs/store/lua"
JOB_WORDS = {"none", *(status.value for status in Status)}
EFFECT_WORDS = {"none", "intent", "done"}


def move_of(first_line):
    """Read `-- move: from, from -> to, to`.

    Raises ValueError for any other line.
    """
    found = re.fullmatch(r"-- (\w+): (\w+(?:, \w+)*) -> (\w+(?:, \w+)*)", first_line)
    if not found:
        raise ValueError(f"not the first line of a move: {first_line!r}")
    return found[1], (tuple(found[2].split(", ")), tuple(found[3].split(", ")))


def test_the_scripts_make_the_moves_of_the_table_and_no_others():
    """Same moves, from and to the same words, in the same order."""
    first_lines = [file.read_text("utf-8").split("\n", 1)[0] for file in sorted(LUA.glob("[!_]*.lua"))]
    assert dict(map(move_of, first_lines)) == MOVES | EFFECT_MOVES


def test_a_job_moves_only_between_words_of_rq():
    """A foreign word in RQ's status field blinds stock tools to the whole queue."""
    words = {word for ends in MOVES.values() for end in ends for word in end}
    assert words <= JOB_WORDS


def test_an_effect_moves_only_between_the_words_of_its_marker():
    """A marker is none, intent or done."""
    words = {word for ends in EFFECT_MOVES.values() for end in ends for word in end}
    assert words <= EFFECT_WORDS


def test_a_first_line_that_is_no_move_is_refused():
    """An arrow in a comment is not yet a move."""
    assert move_of("-- renew: started -> started") == ("renew", (("started",), ("started",)))
    with pytest.raises(ValueError, match="not the first line"):
        move_of("-- from started to finished")
