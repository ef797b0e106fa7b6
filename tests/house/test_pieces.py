"""Each script is given only the pieces it uses: here what they share is held to pieces, and no script lacks a name."""

import re

import pytest

from holdfast.jobs.store.pieces import pieces_of, used_by
from holdfast.jobs.store.scripts import SHARED, load, shared

#: What Lua itself and the server bring, and what is spelled out before the server sees it.
LANGUAGE = re.compile("and|break|do|else|elseif|end|false|for|function|if|in|local|nil|not|or|return|then|true|while")
SERVERS = re.compile("redis|cjson|ARGV|keys|tonumber|tostring|type|string|table|math|ipairs|pairs|unpack|select|pcall")

_TEXT_OR_COMMENT = re.compile(r"'(?:\\.|[^'\\\n])*'|--[^\n]*")
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")
_FIELD = re.compile(r"[{,]\s*(\w+) = ")
_BINDING = re.compile(r"\bfunction (\w*)\(([^)]*)\)|\blocal (?!function)(\w+(?:, \w+)*)|\bfor (\w+(?:, \w+)*)")
#: At the left edge of a shared file: a piece's head, what ends one, or a comment.
_AT_THE_EDGE = re.compile(r"local function \w+\(|local \w+(, \w+)* = |end$|\}$|--|$")


def names_lacking(code):
    """Give the names that code speaks of before anything binds them, as `name: line`."""
    code = _TEXT_OR_COMMENT.sub("''", code)
    bound = {}
    for found in _BINDING.finditer(code):
        for name in ", ".join(filter(None, found.groups())).split(", "):
            bound.setdefault(name, found.start())
    fields = {found.start(1) for found in _FIELD.finditer(code)}
    for found in _NAME.finditer(code):
        is_given = LANGUAGE.fullmatch(found[0]) or SERVERS.fullmatch(found[0])
        is_known = is_given or bound.get(found[0], len(code)) <= found.start()
        if not is_known and found.start() not in fields:
            yield f"{found[0]}: {code[: found.start()].count(chr(10)) + 1}"


def odd_lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(" ") and not _AT_THE_EDGE.match(line):
            yield f"{number}: {line}"


@pytest.mark.parametrize("name", SHARED)
def test_what_scripts_share_is_pieces_one_after_the_other(house, name):
    """Nothing but a function or a value begins at the left edge: else it would go with the piece above it."""
    text = house.lua()[f"jobs/store/lua/{name}"]
    house.finds_none(odd_lines(text))


def test_a_line_that_is_no_piece_is_seen():
    """A statement, a global, and a second one behind a piece."""
    text = "local a = {\n  1,\n}\na = 2\nlocal function b()\n  a = 3\nend\nb()\n-- local c\n"
    assert list(odd_lines(text)) == ["4: a = 2", "8: b()"]


@pytest.mark.parametrize("record", [False, True])
def test_no_script_speaks_of_a_name_it_does_not_have(house, record):
    """Redis says so only when that line first runs, which may be the day of a crash."""
    scripts = load(record=record).values()
    house.finds_none(f"{script.header.move} {lacking}" for script in scripts for lacking in names_lacking(script.text))


def test_no_piece_speaks_of_one_after_it(house):
    """It would be given without it."""
    house.finds_none(names_lacking(shared()))


def test_a_name_that_is_lacking_is_seen():
    """Bound too late, in another's field, in a text or a comment; each with its line."""
    code = "local function a(b)\n  return b .. c .. 'd' -- f\nend\nlocal c = {g = h.c}\n"
    assert list(names_lacking(code)) == ["c: 2", "h: 4"]


VALUES = "local a, b = 1, 2"
C = "local function c(x)\n  return a + x\nend"
D = "local function d()\n  return c('b')\nend"
E = "local function e()\n  return d\nend"
PIECES = pieces_of(f"-- Why b.\n{VALUES}\n  -- Of d.\n{C}\n{D}\n{E}\n")


@pytest.mark.parametrize(
    ("code", "given"),
    [
        pytest.param("return 1", [], id="nothing"),
        pytest.param("return b", [VALUES], id="one of two names"),
        pytest.param("return d()", [VALUES, C, D], id="through others"),
        pytest.param("return {'d', x.d}", [], id="a text and a field are no names"),
    ],
)
def test_a_script_is_given_what_it_uses_in_order(code, given):
    """By itself or through others, without the comments."""
    assert "".join(piece.text for piece in used_by(code, PIECES)) == "".join(f"{piece}\n" for piece in given)


def test_code_before_the_first_piece_is_refused():
    """It would be in no script at all."""
    with pytest.raises(ValueError, match="belongs to no piece"):
        pieces_of("redis.call('PING')\nlocal a = 1\n")
