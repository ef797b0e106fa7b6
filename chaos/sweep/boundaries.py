"""What a worker's requests are called, and which of them are boundaries of their own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from holdfast.jobs.store.keys import FAMILIES
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Requests that take a job out of its line: the sweep begins with the first and ends before the next.
TAKING = {"claim", "lpop-queue", "blpop-queue", "lmove-queue", "blmove-queue"}

#: A horse asks before it calls back, and has no work to tell of. So does a parent whose claim was answered late.
FOR_CALLBACK = "renew-for-callback"

_MOVE_OF = {script.sha: move for move, script in load(record=True).items()}
# The longest first: a job's dependents look like a job of that name.
_FAMILY_OF = [
    (re.compile(re.escape(key.spelling).replace(r"\{\}", "[^:]+")), name)
    for name, key in sorted(FAMILIES.items(), key=lambda item: -len(item[1].spelling))
]


def name_of(words: Sequence[bytes]) -> str:
    """Name a request: a move by its own name, another by its command, what it is about, and the first field it sets."""
    command = words[0].decode().lower()
    if command in {"evalsha", "eval"}:
        sha = words[1].decode() if command == "evalsha" else hashlib.sha1(words[1]).hexdigest()  # noqa: S324 - Redis' name for it
        move = _MOVE_OF.get(sha, command)
        return FOR_CALLBACK if move == "renew" and words[-1] == b"0.000" else move
    parts = [command, *_about(words)]
    if command == "hset":
        parts.append(words[2].decode())
    return "-".join(parts)


def _about(words: Sequence[bytes]) -> list[str]:
    if len(words) == 1:
        return []
    family = family_of(words[1].decode(errors="replace"))
    return [family] if family else []


def family_of(key: str) -> str | None:
    """Tell which of the families in `keys.py` a key belongs to; None for a stranger."""
    return next((name for pattern, name in _FAMILY_OF if pattern.fullmatch(key)), None)


class Sightings:
    """Numbers requests as they come: `claim#1`, `renew#2`.

    What a worker repeats by the clock (renewals, beats, chores) is the same boundary however often it comes, until the
    job has got further; while the job is at none of its gates, it is none. What is not `awaited` of it never is one.
    """

    def __init__(self, recurring: frozenset[str], awaited: frozenset[str]) -> None:
        self._recurring = recurring
        self._awaited = awaited
        self._count: Counter[str] = Counter()
        self._seen: set[tuple[str, int]] = set()

    def see(self, name: str, stage: int) -> str | None:
        """Give the name and number of a boundary, or None for a request that is none of its own.

        `stage` is the number of the last gate the job has come to, from 1; 0 before the first.
        """
        if name in self._recurring:
            if not stage or name not in self._awaited or (name, stage) in self._seen:
                return None
            self._seen.add((name, stage))
        self._count[name] += 1
        return f"{name}#{self._count[name]}"
