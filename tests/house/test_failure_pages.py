"""What a page of a failure mode tells its reader to run is there, and what it says of stock RQ says how it is known."""

import re
import shlex

import click
import pytest
from rq.cli import main as rq

from holdfast.console.cli import main as holdfast

CODE = re.compile(r"`([^`]+)`")
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


def wrong_in(line):
    """Say what is wrong with a command line of ours or of RQ's: a command or an option that is not there."""
    program, *words = shlex.split(line)
    command = {"holdfast": holdfast, "rq": rq}.get(program)
    if command is None:
        return None
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        word = words.pop(0)
        found = command.commands.get(word)
        if found is None:
            return f"{command.name} has no command {word}"
        command = found
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    strange = [word for word in words if word.startswith("-") and word not in known]
    return f"{command.name} has no option {strange[0]}" if strange else None


def test_each_command_on_a_page_is_one_that_there_is(pages, house):
    """With its options, for whoever copies it at three in the morning."""
    house.finds_none(
        f"{number}: `{line}`: {wrong}"
        for number, page in pages.items()
        for line in CODE.findall(page)
        if line.startswith(("holdfast ", "rq ")) and (wrong := wrong_in(line))
    )


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


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("holdfast chaos run --only FM-012 --seed 7", None),
        ("holdfast chaos ruin --seed 7", "chaos has no command ruin"),
        ("holdfast keeper --quick", "keeper has no option --quick"),
        ("rq requeue --queue default ID", None),
        ("rq reap", "main has no command reap"),
        ("pytest tests", None),
    ],
)
def test_a_command_that_is_not_there_is_seen(line, wrong):
    """A typing error in the command or in its option."""
    assert wrong_in(line) == wrong
