"""What a worker's requests are called, and which of them are boundaries of their own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.jobs.store.keys import FAMILIES
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Requests that take a job out of its line: the sweep begins with the first and ends before the next.
TAKING = {"claim", "lpop-queue", "blpop-queue", "lmove-queue", "blmove-queue"}

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
        return _MOVE_OF.get(sha, command)
    parts = [command, *_about(words)]
    if command == "hset":
        parts.append(words[2].decode())
    return "-".join(parts)


def _about(words: Sequence[bytes]) -> list[str]:
    if len(words) == 1:
        return []
    key = words[1].decode(errors="replace")
    return [name for pattern, name in _FAMILY_OF if pattern.fullmatch(key)][:1]


@dataclass(frozen=True)
class Rhythm:
    """How a worker's requests are told apart.

    What a worker repeats by the clock (renewals, beats, chores) is the same boundary however often it comes, until
    the job has got further: a stage begins with each of `openings`, in this order, and the job is held in it until
    each of `needed` was seen.
    """

    openings: tuple[str, ...] = ()
    recurring: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()


class Sightings:
    """Numbers requests as they come: `claim#1`, `renew#2`."""

    def __init__(self, rhythm: Rhythm) -> None:
        self._rhythm = rhythm
        self._count: Counter[str] = Counter()
        self._seen_in_stage: set[str] = set()
        #: How far the job has got: 0 before the first opening.
        self.stage = 0

    def see(self, name: str) -> str | None:
        """Give the name and number of a boundary, or None for a request that is none of its own."""
        if name in self._rhythm.openings[self.stage : self.stage + 1]:
            self.stage += 1
            self._seen_in_stage.clear()
        if name in self._rhythm.recurring:
            if name in self._seen_in_stage or not self.stage:
                return None
            self._seen_in_stage.add(name)
        self._count[name] += 1
        return f"{name}#{self._count[name]}"
