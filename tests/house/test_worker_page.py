"""docs/design/worker.md shows every number on the board and every message of the reins, as the code names them."""

import re

import pytest

from holdfast.workers import shared_memory
from holdfast.workers.messages import FromHorse, FromParent
from tests.house.test_messages import words_of

ROW = re.compile(r"^\| (.+?) \| (.+?) \|", re.MULTILINE)


@pytest.fixture
def page(house):
    return house.pages()["docs/design/worker.md"]


def section(page, begins, ends):
    """Give what stands between two sentences of the page."""
    _, _, rest = page.partition(begins)
    return rest.partition(ends)[0]


def test_the_page_shows_every_number_on_the_board(page):
    """In any order."""
    table = section(page, "The board has these fields.", "The reins carry these messages")
    shown = [name for names, _ in ROW.findall(table)[1:] for name in names.split(", ")]
    words = [name for name in vars(shared_memory) if re.fullmatch("_[A-Z_]+", name)]
    assert sorted(shown) == sorted(word.strip("_").lower() for word in words)


def test_the_page_shows_every_message(page):
    """Each beside whoever says it."""
    table = section(page, "The reins carry these messages", "wake nobody")
    says = dict(ROW.findall(table)[1:])
    for who, side in (("parent", FromParent), ("horse", FromHorse)):
        assert words_of(side) <= set(re.findall(r"\*(\w+)\*", says[who]))
