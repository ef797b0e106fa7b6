"""docs/invariants.md says what each number means that a test, the checker or a page cites."""

import re

import pytest

from holdfast.chaos.checker import CHECKS

NUMBER = re.compile(r"\b(?:INV|LIV)-\d\d\b")
ROW = re.compile(r"^\| ((?:INV|LIV)-\d\d) \| .+\. \| (?:`(\w+)` )?\|$", re.MULTILINE)


@pytest.fixture
def rows(house):
    """Give the rows of both tables: number -> the checker's function, or nothing."""
    return dict(ROW.findall(house.pages()["docs/invariants.md"]))


def test_every_number_that_is_cited_is_explained(rows, house):
    """A reader who meets INV-04 in a docstring, or in the README, finds its sentence."""
    sources = {source.path: source.text for source in house.python(*house.rooms, "tests")}
    cited = {(number, path) for path, text in (sources | house.pages()).items() for number in NUMBER.findall(text)}
    house.finds_none(f"{path}: {number}" for number, path in cited if number not in rows)


def test_the_page_names_the_function_that_judges_each(rows):
    """And no other: what the checker cannot see is not said to be checked."""
    named = {number: function for number, function in rows.items() if function}
    assert named == {number: check.__name__ for number, check in CHECKS.items()}
