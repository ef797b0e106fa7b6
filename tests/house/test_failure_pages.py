"""The tests that a page of a failure mode names are there, and what it says of stock RQ says how it is known."""

import re

import pytest

TEST = re.compile(r"\btest_\w+\b(?!\.py)")
HOW = re.compile(r"\b(measured|shown|tried)\b|\bread:", re.IGNORECASE)
STOCK = "test_what_stock_does*.py"


@pytest.fixture(scope="module")
def pages(house):
    """Give the page of each failure mode: number -> text, with its lines joined."""
    folder = house.root / "docs/failures"
    return {file.stem: " ".join(file.read_text("utf-8").split()) for file in sorted(folder.glob("FM-*.md"))}


@pytest.fixture(scope="module")
def stock(house):
    """Give the numbers of the modes of which a test shows what stock RQ does."""
    files = (house.root / "tests/workers").glob(STOCK)
    return set(re.findall(r"FM-\d{3}", "".join(file.read_text("utf-8") for file in files)))


def without_us(page):
    return page.partition("- **Without us** ")[2].partition("- **With us** ")[0]


def test_each_test_on_a_page_is_one_that_there_is(pages, house):
    """Wherever on the page it is named."""
    there = set(re.findall(r"def (test_\w+)", "".join(source.text for source in house.python("tests"))))
    house.finds_none(
        f"{number}: {name}" for number, page in pages.items() for name in TEST.findall(page) if name not in there
    )


def test_each_page_says_how_it_is_known_what_stock_rq_does(pages, house):
    """Measured, shown by a test, tried by hand, or read in its source."""
    house.finds_none(
        f"{number}: {without_us(page)}" for number, page in pages.items() if not HOW.search(without_us(page))
    )


def test_what_is_shown_of_stock_rq_is_shown_by_a_test(pages, stock):
    """By one that names the mode."""
    assert {number for number, page in pages.items() if "Shown:" in without_us(page)} <= stock
