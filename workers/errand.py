"""What a horse does at the server by itself, turns and looks for a job, as far as its parent has heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.workers.hold import Turn
    from holdfast.workers.shared_memory import Board


class Errand:
    """One at a time: a turn, or all that a horse asks for until it has found a job."""

    def __init__(self, board: Board) -> None:
        self._board = board
        #: What it has asked, until it has heard the answer.
        self.turn: Turn | None = None
        #: Whether it looks for a job, and waits for one; what it takes then, it says without waking us.
        self.is_looking = False
        #: Whether it came back from that without a job, for a reason that is ours to look into.
        self.was_in_vain = False
        #: The number of the last operation of a horse that we have heard of.
        self._heard_op = 0

    def begin_to_look(self) -> int:
        """Note that it is to look; give the number of its last operation, by which it knows that it still is."""
        self.is_looking = True
        return self._board.op

    def asks(self, turn: Turn, last_op: int) -> None:
        """Note what it has asked, with numbers up to the last. What it had asked before was answered with nothing."""
        self.turn, self._heard_op = turn, last_op

    def comes_back(self, *, in_vain: bool) -> int:
        """Note that it has heard the answer; give when it had asked, on the boot clock."""
        assert self.turn is not None
        asked_ms, self.turn = self.turn.asked_ms, None
        self.was_in_vain = self.is_looking and in_vain
        self.is_looking = False
        return asked_ms

    @property
    def is_about_to_ask(self) -> bool:
        """Whether it has taken a number, and not said for what."""
        return self._board.op > self._heard_op

    @property
    def may_have_taken(self) -> bool:
        """Whether it may have jobs in hand of which we have not heard."""
        return self.turn is not None or self.is_looking or self.is_about_to_ask

    def call_off(self) -> None:
        """Take over what it has asked: its answer is ours. The horse must not be running, nor about to ask."""
        if self.turn is not None:
            self._board.void(self.turn.op)
        elif self.is_looking:
            # It has not heard yet that it is to look. When it does, the number that it was told is not the last.
            self._board.op = self._heard_op = self._board.op + 1
        self.is_looking = False

    def ours(self, *, is_horseless: bool) -> Turn | None:
        """Give what is to be finished by us: its horse has gone, or drops what it gives."""
        turn = self.turn
        if turn is None or not (is_horseless or self._board.is_void(turn.op)):
            return None
        self.turn = None
        return turn

    def lose_horse(self) -> None:
        """Note that its horse has gone: a number that was never spoken of was never sent."""
        self.is_looking = self.was_in_vain = False
        self._heard_op = self._board.op
