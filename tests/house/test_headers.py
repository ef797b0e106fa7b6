"""The header of a Lua file is what callers read and what the loader binds: here it is held to the body."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.jobs.store.keys import FAMILIES
from holdfast.jobs.store.pieces import pieces_of
from holdfast.jobs.store.scripts import load, read_header, shared

LUA = Path(__file__).parents[2] / "jobs/store/lua"
SCRIPTS = sorted(LUA.glob("[!_]*.lua"))

_TEXT_OR_COMMENT = re.compile(r"""('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|--[^\n]*""")
_FUNCTION = re.compile(
    r"^local function (?P<name>\w+)\((?P<parameters>[^)]*)\)\n(?P<body>.*?)^end$", re.MULTILINE | re.DOTALL
)
_BINDING = re.compile(r"\bfunction (\w*)[.\w]*\(([^)]*)\)|\blocal (?!function)(\w+(?:, \w+)*)|\bfor (\w+(?:, \w+)*)")
_KEYS_LINE = re.compile(r"^-- KEYS +(?P<name>\w+) +(?P<kind>\w+) +\S", re.MULTILINE)


def without_comments(source):
    assert "--[" not in source, "block comments are not understood here"
    return _TEXT_OR_COMMENT.sub(lambda found: found[1] or "", source)


def without_texts(source):
    return _TEXT_OR_COMMENT.sub(lambda found: "''" if found[1] else "", source)


@dataclass(frozen=True)
class Function:
    """One function of Lua: what it is given, and what it does."""

    parameters: tuple[str, ...]
    body: str


class Answers:
    """The first words that a move can answer: follows each `return` through locals, calls and what moves share.

    Knows as much Lua as the moves use. What it cannot follow is an error, so that no word slips through.
    """

    def __init__(self, text):
        code = without_comments(text)
        found = [(each["name"], each["parameters"], each["body"]) for each in _FUNCTION.finditer(code)]
        self._functions = {name: Function(tuple(takes.split(", ")), body) for name, takes, body in found}
        self._main = _FUNCTION.sub("", code)

    def words(self):
        return self._returned(self._main, {})

    def _returned(self, code, given):
        returns = re.findall(r"\breturn\b *([^\n]*)", code)
        return {word for found in returns for word in self._of(first_of(found), code, given)}

    def _of(self, expression, code, given):
        # What is read back from the slot is the first answer to this same operation, and was looked at there.
        if expression in {"", "nil", "{}", "answer_in(slot)"}:
            return set()
        if text := re.fullmatch(r"'(\w+)'", expression):
            return {text[1]}
        if choice := re.fullmatch(r"[^{(]+ and (.+?)(?: or (.+))?", expression):
            return self._of(choice[1], code, given) | self._of(choice[2] or "", code, given)
        if shell := re.fullmatch(r"(?:\{|keep\(instance, op, )(.*)[})]", expression):
            return self._of(first_of(shell[1]), code, given)
        if call := re.fullmatch(r"(\w+)\((.*)\)", expression):
            return self._of_call(self._functions[call[1]], call[2], code, given)
        # A copy begins as what it is a copy of does.
        return self._of_local(expression.removesuffix("[1]"), code, given)

    def _of_call(self, function, arguments, code, given):
        values = {}
        for name in function.parameters:
            value = first_of(arguments)
            values[name] = lambda value=value: self._of(value, code, given)
            arguments = arguments[len(value) :].lstrip(", ")
        return self._returned(function.body, values)

    def _of_local(self, name, code, given):
        if re.search(rf"^ *for (?:\w+, )*{name}(?:, \w+)* in string\.gmatch\(kept, ", code, re.MULTILINE):
            return set()
        values = re.findall(rf"^ *(?:local )?{re.escape(name)}(?:, \w+)* = ([^\n]*)", code, re.MULTILINE)
        if not values and name in given:
            return given[name]()
        assert values, f"cannot follow what is returned: {name!r}"
        return {word for value in values for word in self._of(first_of(value), code, given)}


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


def names_bound(source):
    """Give the names that the body binds, wherever: functions and what they are given, locals, those of loops."""
    found = _BINDING.findall(without_texts(source))
    return set(", ".join(filter(None, (each for names in found for each in names))).split(", "))


def declared_kinds(source):
    return {found["name"]: found["kind"] for found in _KEYS_LINE.finditer(source)}


@pytest.fixture(params=SCRIPTS, ids=lambda file: file.stem)
def file(request):
    return request.param


@pytest.fixture
def source(file):
    return file.read_text("utf-8")


@pytest.fixture
def text(file):
    """Give the whole of what the server is given: the file, and before it what it uses of what moves share."""
    return load()[file.stem].text


@pytest.fixture(scope="module")
def pieces():
    return {name for piece in pieces_of(shared()) for name in piece.names}


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


def test_no_name_of_a_move_hides_a_piece_of_what_moves_share(source, pieces):
    """It would take the function away; and each call would bring a piece along that it cannot use."""
    own = names_bound(source) | set(read_header(source).arguments)
    assert (pieces | {"redis", "cjson"}) & own == set()


def test_the_keys_that_the_file_itself_names_are_declared_and_no_others(source):
    """What it touches through shared pieces stands in those: a list of that here was wrong as soon as one changed."""
    assert set(read_header(source).keys) == keys_used(source)


def test_a_key_has_the_kind_that_keys_py_says(source):
    """Each KEYS line has a kind and a sentence, and the kind is the family's."""
    kinds = declared_kinds(source)
    assert set(kinds) == set(read_header(source).keys)
    assert kinds == {name: FAMILIES[name].kind for name in kinds}


def test_the_words_declared_are_the_words_returned(source, text):
    """An undeclared word would meet no `case`; one that is never said is a promise without a keeper."""
    assert set(read_header(source).outcomes) == Answers(text).words()


GUARD = "local function guard()\n  return {'lost'}\nend\n"
COPY = "local function copy(more, answer)\n  local reply = {answer[1]}\n  return reply, more\nend\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(
            f"{GUARD}local refused = guard()\nif refused then\n  return refused\nend\nreturn {{'done'}}\n",
            {"done", "lost"},
            id="a shared guard's",
        ),
        pytest.param(f"{GUARD}{COPY}return copy({{'x', 1}}, guard())\n", {"lost"}, id="through what is given on"),
        pytest.param("local a, b = {'v'}, {'w'}\nreturn a, b\n", {"v"}, id="the first of several"),
    ],
)
def test_a_word_that_is_said_elsewhere_counts_as_said(code, words):
    """`fenced`, `lost` and `closed` are returned by shared pieces; a reply may be a copy of what another gave."""
    assert Answers(code).words() == words


def test_a_choice_of_words_is_followed():
    """A local says each word it was ever given, and `keep` says what it is given."""
    choice = "local to = late == '1' and 'x' or 'y'\nif a then\n  to = 'v'\nend\nreturn {to, 'z'}\n"
    assert Answers(choice).words() == {"x", "y", "v"}
    assert Answers("return keep(instance, op, {'w'})\n").words() == {"w"}


def test_what_cannot_be_followed_is_an_error():
    """A checker that shrugs would let an undeclared word through."""
    with pytest.raises(AssertionError, match="cannot follow"):
        Answers("return a_global\n").words()


def test_a_name_that_is_bound_is_seen():
    """At the left edge or deep inside, with others or alone; not a field, a comment, or a text."""
    code = (
        "local a = {b = 1} -- local c\nfunction a.d(e, f)\nlocal function g()\nfor h, i in x('for j') do\nlocal k, l\n"
    )
    assert names_bound(code) == set("aefghikl")


def test_an_unused_name_is_seen():
    """In a comment, in a text or as a field, a name is not used."""
    head = "-- sample: a -> b\n-- ARGV  fence  who asks\n"
    assert names_unused(head + "return {'fence', job.fence} -- fence\n") == {"fence"}
    assert names_unused(head + "return {fence}\n") == set()


def test_a_key_in_a_comment_is_not_used():
    """Only code names keys."""
    assert keys_used("-- keys.job\nredis.call('DEL', keys.bell(queue))") == {"bell"}
