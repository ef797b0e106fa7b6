"""What a worker's requests are called, and which of them are boundaries of their own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from holdfast.chaos.sweep.cases import Boundary
from holdfast.jobs.store.keys import FAMILIES
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Requests that take a job out of its line: the sweep begins with the first and ends before the next.
TAKING = {"claim", "lpop-queue", "blpop-queue", "lmove-queue", "blmove-queue"}

#: A horse asks before it calls back, and has no work to tell of. So does a parent whose claim was answered late.
FOR_CALLBACK = "renew-for-callback"

_MOVE_OF = {script.sha: move for move, script in load(record=True).items()}
#: Where a script's own arguments begin, behind EVALSHA, its hash and the number of keys.
_ARGUMENTS_FROM = 3
# The longest first: a job's dependents look like a job of that name.
_FAMILY_OF = [
    (re.compile(re.escape(key.spelling).replace(r"\{\}", "[^:]+")), name)
    for name, key in sorted(FAMILIES.items(), key=lambda item: -len(item[1].spelling))
]


def name_of(words: Sequence[bytes]) -> str:
    """Name a request: a move by its own name, another by its command, what it is about, and the first field it sets."""
    command = words[0].decode().lower()
    if command in {"evalsha", "eval"}:
        move = _move_of(words) or command
        return FOR_CALLBACK if move == "renew" and words[-1] == b"0.000" else move
    parts = [command, *_about(words)]
    if command == "hset":
        parts.append(words[2].decode())
    return "-".join(parts)


def _move_of(words: Sequence[bytes]) -> str | None:
    match words[0].upper():
        case b"EVALSHA":
            return _MOVE_OF.get(words[1].decode())
        case b"EVAL":
            return _MOVE_OF.get(hashlib.sha1(words[1]).hexdigest())  # noqa: S324 - Redis' name for it
        case _:
            return None


def operation_of(words: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """Tell two sendings of one move from two moves: by its operation number, or by all it says; None for no move."""
    move = _move_of(words)
    if move is None:
        return None
    arguments = load(record=True)[move].header.arguments
    said = words[_ARGUMENTS_FROM:]
    return (move.encode(), said[arguments.index("op")]) if "op" in arguments else (move.encode(), *said)


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
        self._sent: set[tuple[bytes, ...]] = set()

    def see(self, name: str, stage: int, operation: tuple[bytes, ...] | None = None) -> str | None:
        """Give the name and number of a boundary, or None for a request that is none of its own.

        `stage` is the number of the last gate the job has come to, from 1; 0 before the first. What is sent once more
        because its answer was late, as on a busy machine, is no second boundary.
        """
        if name in self._recurring:
            if not stage or name not in self._awaited or (name, stage) in self._seen:
                return None
            self._seen.add((name, stage))
        elif operation is not None:
            if name == FOR_CALLBACK:
                # Dated anew whenever it is sent: only the stage tells asking again from asking for the next callback.
                operation = (name.encode(), b"%d" % stage)
            if operation in self._sent:
                return None
            self._sent.add(operation)
        self._count[name] += 1
        return f"{name}#{self._count[name]}"


def agreed(*groups: Sequence[Sequence[Boundary]]) -> tuple[tuple[Boundary, ...], tuple[str, ...]]:
    """Give what all runs of one group passed, in the order of the requests, and the names of the rest: it was chance.

    The runs are without a fault. Whether there was a horse is agreed upon in the same way.
    """
    runs = [passed for group in groups for passed in group]
    there = _in_all_of_one([[{each.name for each in passed} for passed in group] for group in groups])
    with_horse = _in_all_of_one(
        [[{each.name for each in passed if each.has_horse} for passed in group] for group in groups]
    )
    orders = [[each.name for each in passed if each.name in there] for passed in runs]
    came = list(dict.fromkeys(each.name for passed in runs for each in passed))
    # As the run has it that came to the most of them: in the others, what is missing lets the rest move up.
    kept = sorted(
        (name for name in came if name in there),
        key=lambda name: max(order.index(name) for order in orders if name in order),
    )
    horses = {each.name for passed in runs for each in passed if each.has_horse}
    by_chance = [name for name in came if name not in there]
    by_chance += [f"a horse at {name}" for name in kept if name in horses - with_horse]
    return tuple(Boundary(name, has_horse=name in with_horse) for name in kept), tuple(by_chance)


def _in_all_of_one(groups: Sequence[Sequence[set[str]]]) -> set[str]:
    return set().union(*(set.intersection(*group) for group in groups if group))
