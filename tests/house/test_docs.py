"""What is written for people holds: links lead somewhere, code is code, and the changelog knows the version."""

import ast
import re

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
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
