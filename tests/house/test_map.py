"""docs/map.md has one sentence for each file there is, the file's own, and none for a file that is gone."""

import ast
import re

import pytest

ROW = re.compile(r"^\| \[`[^`]+`\]\(\.\./([^)#]+)\) \| (.+) \|$", re.MULTILINE)
#: What a reader may open. A package's `__init__.py` is on the map only where it says something.
KINDS = {".py", ".lua", ".c", ".csv"}


def files_of(house):
    """Name sources and data: path from the root -> file."""
    rooms = (*house.rooms, "examples", "benchmarks", "tests")
    found = (file for room in rooms for file in (house.root / room).rglob("*"))
    return {str(file.relative_to(house.root)): file for file in found if file.suffix in KINDS}


def own_sentence(name, text):
    """Give what a file says of itself first; None for a kind that has no way to."""
    if name.endswith(".py"):
        return (ast.get_docstring(ast.parse(text)) or "(no docstring)").splitlines()[0]
    if name.endswith(".lua"):
        first, second = text.splitlines()[:2]
        return (second if re.match(r"-- \w+: .+ -> ", first) else first).removeprefix("-- ")
    return None


def row(path, sentence):
    return f"| [`{path.rpartition('/')[2]}`](../{path}) | {sentence} |"


def lines_wanted(house, on_the_map):
    """Give the lines that are missing, or say something else than their file."""
    for path, file in files_of(house).items():
        own = own_sentence(path, file.read_text("utf-8"))
        if path not in on_the_map:
            if file.name != "__init__.py":
                yield row(path, own or "What it is.")
        elif own not in {None, on_the_map[path]}:
            yield row(path, own)


@pytest.fixture
def rows(house):
    return ROW.findall(house.pages()["docs/map.md"])


def test_every_file_is_on_the_map_with_its_own_sentence(rows, house):
    """The lines told here are the ones to put on the page, where they belong."""
    house.finds_none(lines_wanted(house, dict(rows)))


def test_no_file_is_on_the_map_twice(rows):
    """The second sentence would be the one that grows old."""
    paths = [path for path, _ in rows]
    assert sorted(paths) == sorted(set(paths))


def test_no_file_is_on_the_map_that_is_gone(rows, house):
    """Take its line away."""
    house.finds_none(path for path, _ in rows if not (house.root / path).exists())


def test_a_file_speaks_for_itself():
    """By its docstring, by the line under a move's name, by the first line of what moves share; data cannot."""
    assert own_sentence("a.py", '"""One thing.\n\nMore.\n"""\n') == "One thing."
    assert own_sentence("a.lua", "-- renew: started -> started\n-- Push it back.\n") == "Push it back."
    assert own_sentence("_a.lua", "-- Shared by all.\n\n") == "Shared by all."
    assert own_sentence("a.csv", "1,2\n") is None


def test_a_file_that_is_missing_or_has_changed_its_mind_is_seen(rows, house):
    """A map of one file, with another sentence, lacks every line there should be."""
    wanted = list(lines_wanted(house, {"jobs/clock.py": "Something else."}))
    assert row("jobs/clock.py", dict(rows)["jobs/clock.py"]) in wanted
