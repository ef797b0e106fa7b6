"""A file is read in one sitting, a function in one breath."""

import ast

LINES_OF_A_FILE = 320
LINES_OF_A_FUNCTION = 60


def long_functions(source):
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > LINES_OF_A_FUNCTION:
                yield f"{source.at(node)}: {node.name} has {lines} lines"


def test_no_file_is_longer_than_a_sitting(house):
    """Split it where its second subject begins."""
    texts = {source.path: source.text for source in house.python(*house.rooms, "examples", "benchmarks", "tests")}
    lines = {path: len(text.splitlines()) for path, text in (texts | house.lua()).items()}
    house.finds_none(f"{path}: {count} lines" for path, count in lines.items() if count > LINES_OF_A_FILE)


def test_no_function_is_longer_than_a_breath(house):
    """Name a part of it, and move that part out."""
    sources = house.python(*house.rooms, "examples", "benchmarks", "tests")
    house.finds_none(long for source in sources for long in long_functions(source))


def test_a_long_function_is_seen(house):
    """One line too many is too many, in a method and in a coroutine too."""
    line = "        pass\n"
    fits = line * (LINES_OF_A_FUNCTION - 1)
    sample = "class A:\n    def f(self):\n{0}\n    async def g(self):\n{0}"
    assert list(long_functions(house.source(sample.format(fits)))) == []
    assert len(list(long_functions(house.source(sample.format(fits + line))))) == 2
