"""Each line that docs/operations/troubleshooting.md quotes is one that the code can say, word for word."""

import ast
import re

import pytest

ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
#: What stands for anything: in the page, in an f-string, in a log line.
GAP = "…"
#: Texts with fewer letters of their own would let anything pass.
LETTERS = 10


def texts_in(tree):
    """Give every text that a file spells, with a gap for each part that is not spelled."""
    inside = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield re.sub(r"%[sd]", GAP, node.value)


def as_said(text):
    """Spell a text so that two that differ only in their gaps are the same."""
    return re.sub(rf"{GAP}(\W*{GAP})*", GAP, text).replace(f"{GAP}.", GAP).strip()


def can_be_said(line, texts):
    """Tell whether a line is a text of the code, alone or with another in one of its gaps."""
    spelled = as_said(line)
    return any(
        re.fullmatch(".*".join(map(re.escape, text.split(GAP))), spelled, re.DOTALL)
        for text in texts
        if sum(map(str.isalpha, text)) >= LETTERS
    )


@pytest.fixture
def texts(house):
    """Give what the rooms spell."""
    sources = house.python("jobs", "recovery", "workers", "console")
    return {as_said(text) for source in sources for text in texts_in(source.tree)}


def test_each_line_of_the_page_is_one_that_the_code_can_say(house, texts):
    """Whoever searches for what the terminal shows must find it."""
    lines = ROW.findall(house.pages()["docs/operations/troubleshooting.md"])
    assert len(lines) > 20
    house.finds_none(line for line in lines if not can_be_said(line, texts))


def test_each_advice_of_the_door_stands_in_the_page(house):
    """The other way round: what a server can be refused with is explained."""
    page = house.pages()["docs/operations/troubleshooting.md"]
    (door,) = (source for source in house.python("jobs") if source.path == "jobs/store/door.py")
    (advice,) = (node for node in door.tree.body if isinstance(node, ast.FunctionDef) and node.name == "_advice")
    said = [text for text in texts_in(advice) if sum(map(str.isalpha, text)) >= LETTERS]
    assert len(said) > 5
    house.finds_none(text for text in said if text not in page)


def test_a_line_that_nobody_says_is_seen(texts):
    """Also one that differs in a word, and one of gaps alone."""
    line = (
        "HOLDFAST_LEASE_MS (lease_ms) is …: it must exceed 3 x HOLDFAST_RENEW_MS (…), so that two lost renewals do not "
        "cost a lease. Raise it, or lower HOLDFAST_RENEW_MS."
    )
    assert can_be_said(line, texts)
    assert not can_be_said(line.replace("3", "4"), texts)
    assert not can_be_said("… (…): …", texts)
