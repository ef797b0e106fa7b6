"""What a horse does at the server by itself, turns and looks for a job, as far as its parent has heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.workers.hold import Turn
    from holdfast.workers.shared_memory import Board


class Errand:
    """A turn on each of the horse's lanes, or its search for a job."""

    def __init__(self, board: Board) -> None:
        self._board = board
        #: What it has asked and has no answer to, the oldest first.
        self.turns: list[Turn] = []
        #: Whether it looks for a job, and waits for one; what it takes then, it says without waking us.
        self.is_looking = False
        #: Whether it came back from that without a job, for a reason that is ours to look into.
        self.was_in_vain = False
        #: The number of the last operation of a horse that we have heard of.
        self._heard_op = 0
        #: The last one of which we have heard what it gave.
        self._came_back = 0

    def begin_to_look(self) -> int:
        """Note that it is to look; give the number of its last operation, by which it knows that it still is.

        Not the number on the board: that is higher for a moment if it was about to ask and thinks better of it.
        """
        self.is_looking = True
        return self._heard_op

    def asks(self, turn: Turn, last_op: int) -> None:
        """Note what it has asked, with numbers up to the last."""
        self.turns.append(turn)
        self._heard_op = last_op

    def looks(self, turn: Turn, last_op: int) -> None:
        """Note that it has asked for a job, with numbers up to the last. Where it asked before, there was none."""
        self.turns.clear()
        self.asks(turn, last_op)

    def comes_back(self, op: int, *, in_vain: bool) -> int:
        """Note that it has heard the answer to that; give when it had asked, on the boot clock."""
        turn = next(turn for turn in self.turns if turn.op == op)
        self.turns.remove(turn)
        self._came_back = op
        self.was_in_vain = self.is_looking and in_vain
        self.is_looking = False
        return turn.asked_ms

    @property
    def is_about_to_ask(self) -> bool:
        """Whether it has taken a number, and not said for what."""
        return self._board.op > self._heard_op

    @property
    def may_have_taken(self) -> bool:
        """Whether it may have jobs in hand of which we have not heard."""
        return bool(self.turns) or self.is_looking or self.is_about_to_ask

    def call_off(self) -> None:
        """Take over what it has asked: its answer is ours. The horse must not be running, nor about to ask."""
        if self.turns:
            self._board.void(self.turns[-1].op, but=self._came_back)
        elif self.is_looking:
            # It has not heard yet that it is to look. When it does, the number that it was told is not the last.
            self._board.op = self._heard_op = self._board.op + 1
        self.is_looking = False

    def ours(self, *, is_horseless: bool) -> Sequence[Turn]:
        """Give the turns that we are to finish: their horse has gone, or drops what they give."""
        ours = [turn for turn in self.turns if is_horseless or self._board.is_void(turn.op)]
        self.turns = [turn for turn in self.turns if turn not in ours]
        return ours

    def lose_horse(self) -> None:
        """Note that its horse has gone: a number that was never spoken of was never sent."""
        self.is_looking = self.was_in_vain = False
        self._heard_op = self._board.op
