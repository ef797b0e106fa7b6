"""What the house tests look at: the tree as it stands."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOMS = ("jobs", "recovery", "workers", "chaos", "console")
#: What serves an app's jobs: chaos/ only runs it, beside stock RQ.
PRODUCT = ("jobs", "recovery", "workers", "console")


@dataclass(frozen=True)
class Source:
    """A Python file: where it is, seen from the root, what it says, and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def at(self, node):
        """Spell where a node stands, so that an editor can jump there."""
        return f"{self.path}:{node.lineno}"


class House:
    """The project's files. A room that is not built yet has none."""

    root = Path(__file__).parents[2]
    rooms = ROOMS
    product = PRODUCT

    def python(self, *folders):
        """Read every Python file of these folders."""
        found = []
        for file in sorted(path for folder in folders for path in (self.root / folder).rglob("*.py")):
            text = file.read_text("utf-8")
            found.append(Source(str(file.relative_to(self.root)), text, ast.parse(text)))
        return found

    def lua(self):
        """Read every Lua file, the prelude too: path -> text."""
        files = sorted((self.root / "jobs/store/lua").glob("*.lua"))
        return {str(file.relative_to(self.root)): file.read_text("utf-8") for file in files}

    def pages(self):
        """Read every page that people read: path -> text."""
        hidden = (path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))
        files = [*self.root.glob("*.md"), *(file for folder in hidden for file in folder.rglob("*.md"))]
        return {str(file.relative_to(self.root)): file.read_text("utf-8") for file in sorted(files)}

    def project(self):
        """Read pyproject.toml."""
        return tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))

    @staticmethod
    def finds_none(found):
        """Fail with every finding on a line of its own, as an editor or a person can use it."""
        findings = sorted(found)
        assert not findings, "\n".join(["", *findings])

    @staticmethod
    def source(text, path="jobs/sample.py"):
        """Make a file that is not in the tree, to see whether a check can see."""
        return Source(path, text, ast.parse(text))


@pytest.fixture(scope="session")
def house():
    return House()
