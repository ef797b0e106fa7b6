"""jobs/store/keys.py spells every key; nobody else spells one, and none is spelled for nothing."""

import ast
import re

import pytest

from holdfast.jobs.store.keys import FAMILIES, spelled_out
from holdfast.jobs.store.scripts import load

SPELLING = "jobs/store/keys.py"
#: A key's prefix with something right behind it; `holdfast: text` is a message.
KEY = re.compile(r"(?<![\w.-])(?:rq|holdfast):(?!\s)")
LUA_COMMENT = re.compile(r"--[^\n]*")


def docstrings_of(tree):
    """Give the nodes of a file's docstrings: they may tell readers of keys."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as docstring), *_]:
                    yield docstring


def spelled_in_python(source):
    told = set(docstrings_of(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and node not in told:
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(text, str) and KEY.search(text):
                yield f"{source.at(node)}: {text!r:.80}"


def spelled_in_lua(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if KEY.search(LUA_COMMENT.sub("", line)):
            yield f"{path}:{number}: {line.strip()}"


def used_in_python(source):
    """Name the families that a file asks for as `keys.NAME`."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="keys"), attr=name):
                yield name


def test_no_python_outside_keys_py_spells_a_key(house):
    """A key spelled twice is a key that one day has two spellings."""
    sources = house.python(*house.rooms, "examples")
    found = [key for source in sources if source.path != SPELLING for key in spelled_in_python(source)]
    house.finds_none(found)


def test_no_lua_spells_a_key(house):
    """keys.py spells them out when a script is sent."""
    house.finds_none(key for path, text in house.lua().items() for key in spelled_in_lua(path, text))


def test_every_family_of_keys_is_used(house):
    """A spelling that nobody uses says of Redis what is no longer so."""
    in_lua = {name for text in house.lua().values() for name in re.findall(r"\bkeys\.(\w+)", LUA_COMMENT.sub("", text))}
    in_python = {name for source in house.python(*house.rooms) for name in used_in_python(source)}
    house.finds_none(set(FAMILIES) - in_lua - in_python)


def test_lua_asks_only_for_families_there_are(house):
    """A name that keys.py does not have fails when that line first runs, which may be the day of a crash."""
    asked = {name for text in house.lua().values() for name in re.findall(r"\bkeys\.(\w+)", LUA_COMMENT.sub("", text))}
    house.finds_none(asked - set(FAMILIES))


@pytest.mark.parametrize("record", [False, True])
def test_every_key_is_spelled_out_in_what_is_sent(house, record):
    """A family that is spoken of and not called is left as it is, and the server knows no `keys`."""
    lacking = re.compile(r"(?<![\w.])keys\b[^\n]*")
    scripts = load(record=record).values()
    house.finds_none(f"{each.header.move}: {found}" for each in scripts for found in lacking.findall(each.sent))


@pytest.mark.parametrize(
    ("lua", "sent"),
    [
        pytest.param("f(keys.suspended())", "f('rq:suspended')", id="no name"),
        pytest.param("#keys.queue('')", "#('rq:queue:' .. (''))", id="a prefix"),
        pytest.param("keys.dependents(id)", "('rq:job:' .. id .. ':dependents')", id="a name"),
        pytest.param("keys.execution(a, b)", "('rq:execution:' .. a .. ':' .. b)", id="two names"),
        pytest.param("keys.job(a and f(b, {c}) or ',)')", "('rq:job:' .. (a and f(b, {c}) or ',)'))", id="brackets"),
        pytest.param("keys.job(keys.replay(a))", "('rq:job:' .. (('holdfast:replay:' .. a)))", id="a key in a key"),
        pytest.param("my_keys.job(a)", "my_keys.job(a)", id="another's"),
    ],
)
def test_a_key_is_spelled_out_where_it_stands(lua, sent):
    """Whatever names it is given, and with brackets that keep it one value."""
    assert spelled_out(lua) == sent


@pytest.mark.parametrize(
    ("lua", "error"),
    [("keys.jop(a)", KeyError), ("keys.job()", ValueError), ("keys.job(a, b)", ValueError), ("keys.job(a", ValueError)],
)
def test_a_key_that_cannot_be_spelled_is_refused(lua, error):
    """Before it is sent, and not when that line first runs."""
    with pytest.raises(error):
        spelled_out(lua)
