"""What is written for people holds: links lead somewhere, code is code, and commands and versions are there."""

import ast
import re
import shlex

import click
import pytest
from rq.cli import main as rq

from holdfast.console.cli import main as holdfast

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
#: In a sentence, and after a prompt.
COMMAND = re.compile(r"`((?:holdfast|rq)\s[^`]+)`|^\$ ((?:holdfast|rq) .+)$", re.MULTILINE)
RELEASE = re.compile(r"^## \[(Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d\d-\d\d)?$", re.MULTILINE)


def anchor(heading):
    """Spell a heading as a page's address does, the way GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return words.replace(" ", "-")


def links_of(text):
    prose = FENCE.sub("", text)
    return [before or after for before, after in LINK.findall(prose)]


def broken_links(path, text, house):
    for link in links_of(text):
        if re.match(r"[a-z]+:", link):
            continue
        page, _, part = link.partition("#")
        target = (house.root / path).parent / page if page else house.root / path
        if not target.exists():
            yield f"{path}: {link}"
        elif part and part not in map(anchor, HEADING.findall(FENCE.sub("", target.read_text("utf-8")))):
            yield f"{path}: {link} (no such heading)"


def wrong_in(line):
    """Say what is wrong with a command line of ours or of RQ's: a command or an option that is not there."""
    program, *words = shlex.split(line, comments=True)
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


def commands_of(text):
    return [" ".join((before or after).split()) for before, after in COMMAND.findall(text)]


@pytest.fixture
def changelog(house):
    return (house.root / "CHANGELOG.md").read_text("utf-8")


def test_every_relative_link_leads_somewhere(house):
    """To a file or folder that is there, and to a heading of it."""
    house.finds_none(link for path, text in house.pages().items() for link in broken_links(path, text, house))


def test_the_python_in_the_readme_is_python(house):
    """The first code a newcomer copies must at least compile."""
    for code in PYTHON.findall(house.pages()["README.md"]):
        ast.parse(code)


def test_each_command_on_a_page_is_one_that_there_is(house):
    """With its options, for whoever copies it at three in the morning; also in what tells of past runs."""
    house.finds_none(
        f"{path}: `{line}`: {wrong}"
        for path, text in house.pages().items()
        for line in commands_of(text)
        if path != "CHANGELOG.md" and (wrong := wrong_in(line))
    )


def test_the_changelog_begins_with_what_is_new(changelog, house):
    """Either work that is not released, or the version that pyproject.toml says this is."""
    assert RELEASE.findall(changelog)[0] in {"Unreleased", house.project()["project"]["version"]}


def test_every_head_of_the_changelog_is_a_release(changelog):
    """`## [Unreleased]` or `## [1.2.3] - 2026-01-31`, so that tools and people find them."""
    heads = re.findall(r"^## .*$", changelog, re.MULTILINE)
    assert len(heads) == len(RELEASE.findall(changelog)) > 0


def test_a_broken_link_is_seen(house):
    """A missing page and a missing heading; neither in a code block, where nothing is a link."""
    text = "# A head\n[a](#a-head) [b](no.md) [c](#b)\n```\n[d](no.md)\n```\n"
    assert links_of(text) == ["#a-head", "no.md", "#b"]
    assert [link.split(": ")[1] for link in broken_links("README.md", "[b](no.md) [c](LICENSE)", house)] == ["no.md"]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("holdfast chaos run --only FM-012 --seed 7", None),
        ("holdfast chaos ruin --seed 7", "chaos has no command ruin"),
        ("holdfast keeper --quick", "keeper has no option --quick"),
        ("rq requeue --queue default ID", None),
        ("rq reap", "main has no command reap"),
        ("holdfast chaos sweep --only 'claim#1/*' --prat 1/4 # one case", "sweep has no option --prat"),
        ("pytest tests", None),
    ],
)
def test_a_command_that_is_not_there_is_seen(line, wrong):
    """A typing error in the command or in its option, wherever it stands."""
    assert wrong_in(line) == wrong
    if wrong:
        assert commands_of(f"See `{line.replace(' ', chr(10), 1)}`.\n```console\n$ {line}\n```\n") == [line, line]
