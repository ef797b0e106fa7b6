"""Gives a script, of what the scripts share, only the pieces that it uses: each call makes all it is given anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMENT = re.compile(r"^ *--[^\n]*\n", re.MULTILINE)
_TEXT = re.compile(r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\"""")
#: How a piece begins: at the left edge, with the names that it gives to those after it.
_HEAD = re.compile(r"^(?:local function|local) +(?P<names>\w+(?:, \w+)*)", re.MULTILINE)
#: A field of something is no name.
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")


def without_comments(lua: str) -> str:
    """Leave out the lines that are comments."""
    return _COMMENT.sub("", lua)


def names_in(lua: str) -> set[str]:
    """Give every name that code without comments speaks of."""
    return set(_NAME.findall(_TEXT.sub("''", lua)))


@dataclass(frozen=True)
class Piece:
    """A function or a value at the top level of what is shared, with what it speaks of."""

    names: frozenset[str]
    text: str
    speaks_of: frozenset[str]


def pieces_of(shared: str) -> list[Piece]:
    """Take what is shared apart. What is not a piece's head belongs to the piece before it.

    Raises ValueError for code before the first piece, which would be in no script.
    """
    code = without_comments(shared)
    heads = list(_HEAD.finditer(code))
    starts = [head.start() for head in heads]
    before = code[: starts[0]] if starts else code
    if before.strip():
        raise ValueError(f"what the scripts share begins with {before.strip()!r}, which belongs to no piece")
    ends = [*starts[1:], len(code)]
    texts = [code[start:end] for start, end in zip(starts, ends, strict=True)]
    return [
        Piece(frozenset(head["names"].split(", ")), text, frozenset(names_in(text)))
        for head, text in zip(heads, texts, strict=True)
    ]


def used_by(code: str, pieces: Iterable[Piece]) -> list[Piece]:
    """Give the pieces that code uses, by itself or through others, in their order."""
    asked = names_in(code)
    kept = []
    # A piece knows those before it only: from the last to the first, each has been asked for once it is reached.
    for piece in reversed(list(pieces)):
        if piece.names & asked:
            kept.append(piece)
            asked |= piece.speaks_of
    return kept[::-1]
