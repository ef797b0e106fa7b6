"""What the demo has seen so far: the moves of every worker, folded into who works on what."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.chaos.history import Move

_SETTLES = {"complete", "postpone", "bury", "give_back", "crash", "reclaim"}
# What `workers/say.py` writes when a move of a worker was refused. The log is the one witness: a move that was
# refused leaves no trace in Redis, which is its point.
_REFUSED = re.compile(r"job (\S+) \(execution (\w+), fence (\d+)\) is no longer ours: (\w+)")


@dataclass(frozen=True)
class Refusal:
    """A worker was told that what it held is no longer its own."""

    job: str
    execution: str
    fence: int
    #: lost: nobody holds it; fenced: someone newer does; closed: it had moved on itself.
    why: str


def refusals_in(log: str) -> list[Refusal]:
    """Find what a worker's log says of refusals."""
    return [Refusal(job, execution, int(fence), why.lower()) for job, execution, fence, why in _REFUSED.findall(log)]


class Story:
    """The moves in the server's order, and what follows from them."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        #: Ids of the jobs that were completed.
        self.finished: set[str] = set()
        #: How many each worker completed, by its name.
        self.done = Counter[str]()
        self._holds: dict[str, Move] = {}
        self._holder: dict[str, str] = {}
        self._charged: set[str] = set()

    def add(self, move: Move) -> None:
        """Go on by one move."""
        self.moves.append(move)
        if move.move == "claim":
            self._holds[move.who] = move
            self._holder[move.execution] = move.who
        elif move.move == "commit_effect":
            self._charged.add(move.job)
        elif move.move in _SETTLES:
            worker = self._holder.get(move.execution, "")
            if worker in self._holds and self._holds[worker].execution == move.execution:
                del self._holds[worker]
            if move.move == "complete":
                self.finished.add(move.job)
                self.done[worker] += 1

    def held_by(self, worker: str) -> Move | None:
        """Give the claim of what a worker holds, or None."""
        return self._holds.get(worker)

    def packed_by(self, worker: str) -> Move | None:
        """Give the same, once the customer was charged: a worker hurt then is the one that could charge twice."""
        held = self._holds.get(worker)
        return held if held and held.job in self._charged else None

    def of_execution(self, execution: str, word: str) -> Move | None:
        """Find the move with this word that an execution made, or that was made for it."""
        return next(_matching(self.moves, word, execution=execution), None)

    def claim_after(self, claim: Move) -> Move | None:
        """Find the first claim of a job after this one."""
        later = (move for move in _matching(self.moves, "claim", job=claim.job) if move.fence > claim.fence)
        return next(later, None)


def _matching(moves: Iterable[Move], word: str, *, execution: str = "", job: str = "") -> Iterator[Move]:
    return (move for move in moves if move.move == word and execution in {"", move.execution} and job in {"", move.job})
