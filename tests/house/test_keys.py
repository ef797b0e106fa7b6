"""jobs/store/keys.py spells every key; nobody else spells one, and none is spelled for nothing."""

import ast
import re

from holdfast.jobs.store.keys import FAMILIES

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
    """The scripts get the spellings from keys.py, as functions."""
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


def test_a_key_has_one_name_in_lua_and_in_python():
    """What keys.py offers Python under a name is the family that Lua has under it."""
    from holdfast.jobs.store import keys  # noqa: PLC0415 - the module as its users see it

    offered = {name: value for name, value in vars(keys).items() if isinstance(value, keys.Key)}
    assert offered == {name: FAMILIES[name] for name in offered}


def test_a_key_spelled_elsewhere_is_seen(house):
    """In a text, in bytes and in a piece of an f-string; not in a docstring, a message or an entry point."""
    spelled = house.source("a = 'rq:queues'\nb = b'rq:job:1'\nc = f'holdfast:bell:{a}'\n")
    assert len(list(spelled_in_python(spelled))) == 3
    told = house.source('"""rq:queues holds the queues."""\na = "holdfast: bye"\nb = "holdfast.console.cli:main"\n')
    assert list(spelled_in_python(told)) == []


def test_a_key_spelled_in_lua_is_seen():
    """Outside of comments."""
    assert list(spelled_in_lua("x.lua", "-- 'rq:queues'\nredis.call('GET', 'rq:suspended')\n")) == [
        "x.lua:2: redis.call('GET', 'rq:suspended')"
    ]
