"""docs/design/moves-and-replay.md shows every move as the code has it: from where to where, and in which words."""

import re

import pytest

from holdfast.jobs.state import EFFECT_MOVES, MOVES
from holdfast.jobs.store.scripts import load

ROW = re.compile(r"^\| (\w+) \| ([^|→]+) → ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def words(cell):
    return tuple(cell.strip().split(", "))


@pytest.fixture
def rows(house):
    """Give the table: move -> from, to, who, words."""
    rows = {move: rest for move, *rest in ROW.findall(house.pages()["docs/design/moves-and-replay.md"])}
    assert rows.pop("move")[1] == "to"
    return rows


def test_the_page_shows_every_move_from_where_to_where(rows):
    """In the order of jobs/state.py."""
    shown = [(move, (words(begin), words(end))) for move, (begin, end, *_) in rows.items()]
    assert shown == list((MOVES | EFFECT_MOVES).items())


def test_the_page_shows_every_word_a_move_may_answer(rows):
    """In the order of the script's header."""
    assert {move: words(row[3]) for move, row in rows.items()} == {
        move: script.header.outcomes for move, script in load().items()
    }
