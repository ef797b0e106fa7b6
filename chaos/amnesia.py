"""What a server forgot of what it had acknowledged, told apart from what was lost for no reason."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.chaos.history import History, Line, Move

#: What a holder was told -> the move that must be on record then.
_TOLD = {"completed": "complete", "postponed": "postpone", "given back": "give_back"}
#: While its last fsync is under way, a server puts off writing to its file, and answers all the same.
_FSYNC_US = 2_000_000
#: An act of a holder that does not know yet that its server has died.
_UNAWARE_US = 5_000_000


@dataclass(frozen=True)
class Forgotten:
    """What was acknowledged inside the windows and is not so any more. Each is a job id, but for the moves."""

    #: Enqueues that were accepted, of jobs that are nowhere now.
    jobs: tuple[str, ...]
    #: Ends that a holder was told of, and that are not on record: the job ran once more.
    ends: tuple[str, ...]
    #: Attempts that had begun under a claim that is not on record: the job began once more.
    begins: tuple[str, ...]
    #: Effects that took place again under the same key, because the mark of the first was forgotten.
    effects: tuple[str, ...]
    #: How many moves were heard of that the server knows nothing of any more.
    moves: int

    def counts(self) -> dict[str, int]:
        """Give them as a verdict has them."""
        return {
            "accepted and forgotten": len(self.jobs),
            "ended and forgotten": len(self.ends),
            "begun and forgotten": len(self.begins),
            "effects repeated after a mark was forgotten": len(self.effects),
            "moves forgotten": self.moves,
        }


def tell_apart(history: History, surviving: Sequence[Move], known: Iterable[str]) -> tuple[History, Forgotten]:
    """Give the history that the server's own record is to be held to, and what it leaves out and why.

    `surviving`: the moves that are on record at the end. `known`: the ids of the server's faults that forget. Only
    what falls inside a window, from the fault until it is healed, is left out, and what the server had on record and
    has no longer; fences are not: a claimant's word for the fence it was given stands, whatever the server remembers
    (INV-03).
    """
    windows = _windows(history, set(known))
    kept = set(surviving)
    lost_moves = [move for move in history.moves if move not in kept]
    settled = {(move.execution, move.move) for move in surviving}
    unmade = {(move.move, move.execution or move.job) for move in lost_moves}
    jobs, ends, begins = [], [], []
    lines: list[Line] = []
    for line in history.lines:
        is_inside = any(begin <= line.us <= end for begin, end in windows)
        move = _TOLD.get(line.did, "")
        # Who slept is told long after: then it counts that the server did it once, and knows nothing of it now.
        if line.did == "accepted" and line.job not in history.final and (is_inside or ("enqueue", line.job) in unmade):
            jobs.append(line.job)
        elif move and (line.execution, move) not in settled and (is_inside or (move, line.execution) in unmade):
            ends.append(line.job)
        elif line.did == "begin" and ("claim", line.execution) in unmade:
            begins.append(line.job)
        else:
            lines.append(line)
    effects = _repeated(lines, windows, {by for move, by in unmade if move in {"begin_effect", "commit_effect"}})
    lines = [line for line in lines if line not in effects]
    judged = replace(history, lines=lines, moves=list(surviving))
    told = tuple(sorted({line.job for line in effects}))
    return judged, Forgotten(tuple(jobs), tuple(ends), tuple(begins), told, len(lost_moves))


def _windows(history: History, known: set[str]) -> list[tuple[int, int]]:
    ends = {line.execution: line.us for line in history.of("healed")}
    return [
        (line.us - _FSYNC_US, ends[line.execution] + _UNAWARE_US)
        for line in history.of("fault")
        if line.execution in known and line.execution in ends
    ]


def _repeated(lines: list[Line], windows: list[tuple[int, int]], unmarked: set[str]) -> list[Line]:
    """Find the acts after the first under a key that was acted on inside a window, or whose mark is forgotten."""
    by_key: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.did == "act":
            by_key[line.detail].append(line)
    return [
        again
        for acts in by_key.values()
        if any(act.execution in unmarked or any(begin <= act.us <= end for begin, end in windows) for act in acts)
        for again in acts[1:]
    ]
