"""The header of a Lua file is what callers read and what the loader binds: here it is held to the body."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.jobs.store.keys import FAMILIES
from holdfast.jobs.store.scripts import SHARED, read_header

LUA = Path(__file__).parents[2] / "jobs/store/lua"
SCRIPTS = sorted(LUA.glob("[!_]*.lua"))

_TEXT_OR_COMMENT = re.compile(r"""('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|--[^\n]*""")
_FUNCTION = re.compile(r"^local function (?P<name>\w+)\([^)]*\)\n(?P<body>.*?)^end$", re.MULTILINE | re.DOTALL)
_KEYS_LINE = re.compile(r"^-- KEYS +(?P<name>\w+) +(?P<kind>\w+) +\S", re.MULTILINE)


def without_comments(source):
    assert "--[" not in source, "block comments are not understood here"
    return _TEXT_OR_COMMENT.sub(lambda found: found[1] or "", source)


def without_texts(source):
    return _TEXT_OR_COMMENT.sub(lambda found: "''" if found[1] else "", source)


@dataclass(frozen=True)
class Body:
    """A Lua file without its comments: its functions, and the code outside of them."""

    functions: dict[str, str]
    main: str

    @classmethod
    def of(cls, source):
        code = without_comments(source)
        functions = {found["name"]: found["body"] for found in _FUNCTION.finditer(code)}
        return cls(functions, _FUNCTION.sub("", code))


class Answers:
    """The first words that a move can answer: follows each `return` through locals, calls and the prelude.

    Knows as much Lua as the moves use. What it cannot follow is an error, so that no word slips through.
    """

    def __init__(self, source, prelude):
        body = Body.of(source)
        self._main = body.main
        self._functions = Body.of(prelude).functions | body.functions

    def words(self):
        return self._returned(self._main)

    def _returned(self, code):
        return {word for found in re.findall(r"\breturn\b *([^\n]*)", code) for word in self._of(found.strip(), code)}

    def _of(self, expression, code):
        # What is read back from `kept` is the first answer to this same operation, and was looked at there.
        if expression in {"", "nil", "{}", "kept.answer"}:
            return set()
        if text := re.fullmatch(r"'(\w+)'", expression):
            return {text[1]}
        if choice := re.fullmatch(r"[^{(]+ and (\S+) or (\S+)", expression):
            return self._of(choice[1], code) | self._of(choice[2], code)
        if shell := re.fullmatch(r"(?:\{|keep\(instance, op, )(.*)[})]", expression):
            return self._of(first_of(shell[1]), code)
        if call := re.fullmatch(r"(\w+)\(.*\)", expression):
            return self._returned(self._functions[call[1]])
        return self._of_local(expression, code)

    def _of_local(self, name, code):
        if re.search(rf"^ *local (?:\w+, )*{name}(?:, \w+)* = string\.match\(kept, ", code, re.MULTILINE):
            return set()
        values = re.findall(rf"^ *(?:local )?{re.escape(name)} = ([^\n]*)", code, re.MULTILINE)
        assert values, f"cannot follow what is returned: {name!r}"
        return {word for value in values for word in self._of(value.strip(), code)}


def first_of(items):
    """Give the first of a list of expressions: up to the first comma that stands in no brackets."""
    depth = 0
    for at, letter in enumerate(items):
        depth += (letter in "({[") - (letter in ")}]")
        if letter == "," and depth == 0:
            return items[:at].strip()
    return items.strip()


def keys_used(source):
    return set(re.findall(r"\bkeys\.(\w+)", without_texts(source)))


def names_unused(source):
    """Give the ARGV names that the body never reads. A field of the same name, `job.status`, is no reading."""
    code = without_texts(source)
    return {name for name in read_header(source).arguments if not re.search(rf"(?<![\w.]){name}\b", code)}


def declared_kinds(source):
    return {found["name"]: found["kind"] for found in _KEYS_LINE.finditer(source)}


@pytest.fixture(params=SCRIPTS, ids=lambda file: file.stem)
def file(request):
    return request.param


@pytest.fixture
def source(file):
    return file.read_text("utf-8")


@pytest.fixture(scope="module")
def prelude():
    return "".join((LUA / name).read_text("utf-8") for name in SHARED)


def test_there_are_scripts_to_check():
    """An empty folder would pass everything below."""
    assert SCRIPTS


def test_a_file_is_named_after_its_move(file, source):
    """The loader goes by the header, people by the file."""
    assert read_header(source).move == file.stem


def test_a_header_line_is_one_that_the_loader_reads(source):
    """A tag with a typo would be a plain comment, and its name would never be bound."""
    header = read_header(source)
    tagged = re.findall(r"^-- ?[A-Z]{2,}\b.*$", source, re.MULTILINE)
    assert len(tagged) == len(header.keys) + len(header.arguments) + len(header.outcomes)


def test_no_name_is_declared_twice(source):
    """The second would shadow the first."""
    header = read_header(source)
    for names in (header.keys, header.arguments, header.outcomes):
        assert len(names) == len(set(names))


def test_only_the_last_argument_takes_many_values(source):
    """The loader gives an open argument all that is left."""
    found = re.findall(r"^-- ARGV +\w+(\.\.\.)?", source, re.MULTILINE)
    assert not any(found[:-1])


def test_every_argument_is_used(source):
    """What is declared and never read misleads callers: 11 of BullMQ's 49 scripts have such a name."""
    assert names_unused(source) == set()


def test_no_argument_hides_a_piece_of_the_prelude(source, prelude):
    """Arguments are bound after the prelude: one called `seconds` would take its function away."""
    pieces = set(re.findall(r"^local (?:function )?(\w+)", prelude, re.MULTILINE)) | {"keys", "redis", "cjson"}
    assert pieces & set(read_header(source).arguments) == set()


def test_the_keys_declared_are_the_keys_used(source):
    """A reader of the header knows what the body itself touches."""
    assert set(read_header(source).keys) == keys_used(source)


def test_a_key_has_the_kind_that_keys_py_says(source):
    """Each KEYS line has a kind and a sentence, and the kind is the family's."""
    kinds = declared_kinds(source)
    assert set(kinds) == set(read_header(source).keys)
    assert kinds == {name: FAMILIES[name].kind for name in kinds}


def test_the_words_declared_are_the_words_returned(source, prelude):
    """An undeclared word would meet no `case`; one that is never said is a promise without a keeper."""
    assert set(read_header(source).outcomes) == Answers(source, prelude).words()


def test_a_word_of_a_shared_guard_counts_as_said():
    """`fenced`, `lost`, `closed` and `not_due` are returned by the prelude for the moves that ask it."""
    guard = "local function guard()\n  return {'lost'}\nend\n"
    code = "local refused = guard()\nif refused then\n  return refused\nend\nreturn {'done'}\n"
    assert Answers(code, guard).words() == {"done", "lost"}


def test_a_choice_of_words_is_followed():
    """A local says each word it was ever given, and `keep` says what it is given."""
    choice = "local to = late == '1' and 'x' or 'y'\nif a then\n  to = 'v'\nend\nreturn {to, 'z'}\n"
    assert Answers(choice, "").words() == {"x", "y", "v"}
    assert Answers("return keep(instance, op, {'w'})\n", "").words() == {"w"}


def test_what_cannot_be_followed_is_an_error():
    """A checker that shrugs would let an undeclared word through."""
    with pytest.raises(AssertionError, match="cannot follow"):
        Answers("return a_global\n", "").words()


def test_an_unused_name_is_seen():
    """In a comment, in a text or as a field, a name is not used."""
    head = "-- sample: a -> b\n-- ARGV  fence  who asks\n"
    assert names_unused(head + "return {'fence', job.fence} -- fence\n") == {"fence"}
    assert names_unused(head + "return {fence}\n") == set()


def test_a_key_in_a_comment_is_not_used():
    """Only code touches keys."""
    assert keys_used("-- keys.job\nredis.call('DEL', keys.bell(queue))") == {"bell"}
