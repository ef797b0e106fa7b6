"""How an attempt ended, as the horse tells it and the parent settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.jobs.store.work import Completion, Stint

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store import outcomes as out
    from holdfast.jobs.store.moves import Moves
    from holdfast.workers.messages import Said


class End(NamedTuple):
    """What became of one job in its horse."""

    #: complete, postpone, bury; or lapsed: its lease ended under it, so nothing is to be said.
    kind: str
    #: What that move takes besides lease, operation and stint.
    words: dict[str, Any]
    #: How long it worked.
    stint: Stint
    #: Whether the horse has more to tell outside once it knows that the settle went through.
    awaits_word: bool = False

    @classmethod
    def heard(cls, said: Said) -> End:
        """Read what `said` gave."""
        kind, words, stint, awaits_word = said
        return cls(kind, words, Stint(*stint), awaits_word)

    def said(self) -> Said:
        """Spell it in plain values, as a part of a message."""
        return (self.kind, self.words, tuple(self.stint), self.awaits_word)

    def completion(self, lease: Lease) -> Completion:
        """Spell an end with success."""
        return Completion(lease, self.stint, **self.words)

    def settle(self, moves: Moves, lease: Lease, op: int) -> out.Completed | out.Postponed | out.Buried | out.Refused:
        """Make the move."""
        if self.kind == "complete":
            return moves.complete(op, self.completion(lease))
        if self.kind == "postpone":
            return moves.postpone(lease, op, self.stint, **self.words)
        return moves.bury(lease, op, self.stint, **self.words)

    @property
    def told(self) -> tuple[str, object]:
        """The word and the detail that a log has of it."""
        if self.kind == "complete":
            return "completed", self.stint
        if self.kind == "postpone":
            return "postponed", f"{self.words['delay_ms']} ms"
        return "buried", str(self.words["cause"])
