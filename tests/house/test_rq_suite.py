"""In what RQ's own tests are not ours is a short list, with reasons, and docs/rq-suite.md says the same."""

import re

from tests.drop_in.differences import DIFFERENCES, DIFFERENCES_OF_QUEUE
from tests.drop_in.suite import TOPICS

MOST = 15
ROW = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| (.+) \|$", re.MULTILINE)


def row(name, reason):
    file, _, test = name.split("::")
    return (test, file, reason)


def test_the_list_is_short_and_each_entry_has_a_reason():
    """A list that grows is a promise that shrinks: at most fifteen, for Worker and Queue together."""
    entries = DIFFERENCES | DIFFERENCES_OF_QUEUE
    assert not set(DIFFERENCES) & set(DIFFERENCES_OF_QUEUE)
    assert len(entries) <= MOST
    for name, reason in entries.items():
        assert re.fullmatch(r"test_\w+\.py::Test\w+::test_\w+", name), name
        assert len(reason.split()) > 5, name


def test_the_page_lists_every_difference_with_its_reason(house):
    """docs/rq-suite.md says what the list says, in its order."""
    entries = (DIFFERENCES | DIFFERENCES_OF_QUEUE).items()
    assert ROW.findall(house.pages()["docs/rq-suite.md"]) == [row(name, reason) for name, reason in entries]


def test_the_page_names_every_file_that_is_run(house):
    """A reader who looks for `test_worker.py` finds it."""
    run = house.pages()["docs/rq-suite.md"].partition("## What is run")[2].partition("\n## ")[0]
    assert set(re.findall(r"`test_(\w+)\.py`", run)) == TOPICS


def test_a_row_is_taken_apart_as_the_page_has_it():
    """And the head of the table is no row."""
    table = "| test | in | why |\n|---|---|---|\n| `test_a` | `test_b.py` | for a reason |\n"
    assert ROW.findall(table) == [row("test_b.py::TestB::test_a", "for a reason")]
