"""Each line that a worker logs is in docs/operations/runbook.md or troubleshooting.md: who greps at night finds it."""

import ast
import re

import pytest

LEVELS = {"debug", "info", "warning", "error", "exception"}
#: Texts with fewer letters of their own would be found in any line.
LETTERS = 10
#: What RQ's own worker logs while it does our bidding.
OF_RQ = (
    "Work horse killed for job %s: retpid=%s, ret_val=%s",
    "Worker %s: job %s: exception raised while executing (%s)",
)


def logged_in(tree):
    """Give every text that a file hands to a log."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and node.args
        ):
            text = node.args[0]
            if isinstance(text, ast.Constant) and sum(map(str.isalpha, text.value)) >= LETTERS:
                yield text.value


def is_told(text, lines):
    """Tell whether a line shows this text, with words of its own in the gaps."""
    pattern = ".+".join(re.escape(part) for part in re.split("%[sd]", text))
    return any(re.fullmatch(pattern, line) for line in lines)


@pytest.fixture
def lines(house):
    """Give what the two pages quote."""
    pages = (house.pages()[f"docs/operations/{name}.md"] for name in ("runbook", "troubleshooting"))
    return [line for page in pages for line in re.findall(r"`([^`\n]+)`", page)]


def test_each_line_of_the_log_is_explained(house, lines):
    """Also those that come once a year."""
    texts = {text for source in house.python("recovery", "workers") for text in logged_in(source.tree)} | set(OF_RQ)
    assert len(texts) > 15
    house.finds_none(text for text in texts if not is_told(text, lines))


def test_a_line_that_no_page_has_is_seen(lines):
    """Also one that differs in a word."""
    assert is_told("Worker %s: Redis is back", lines)
    assert not is_told("Worker %s: Redis is there again", lines)
    (text,) = logged_in(ast.parse("self.log.warning('Worker %s: Redis is there again', name)"))
    assert text == "Worker %s: Redis is there again"
