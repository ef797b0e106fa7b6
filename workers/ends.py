"""How an attempt ended, as the horse tells it and the parent settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.jobs.store.work import Completion, Spell

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store import outcomes as out
    from holdfast.jobs.store.moves import Moves


class End(NamedTuple):
    """What became of one job in its horse."""

    #: complete, postpone, bury; or lapsed: its lease ended under it, so nothing is to be said.
    kind: str
    #: What that move takes besides lease and operation.
    words: dict[str, Any]
    #: Whether the horse has more to tell outside once it knows that the settle went through.
    awaits_word: bool = False

    def completion(self, lease: Lease) -> Completion:
        """Spell an end with success."""
        words = dict(self.words)
        return Completion(lease, Spell(words.pop("started_s"), words.pop("ended_s")), **words)

    def settle(self, moves: Moves, lease: Lease, op: int) -> out.Completed | out.Postponed | out.Buried | out.Refused:
        """Make the move."""
        if self.kind == "complete":
            return moves.complete(op, self.completion(lease))
        words = dict(self.words)
        spell = Spell(words.pop("started_s"), words.pop("ended_s"))
        if self.kind == "postpone":
            return moves.postpone(lease, op, spell, **words)
        return moves.bury(lease, op, spell, **words)

    @property
    def told(self) -> tuple[str, str]:
        """The word and the detail that a log has of it."""
        if self.kind == "complete":
            return "completed", f"in {max(0.0, self.words['ended_s'] - self.words['started_s']):.3f} s"
        if self.kind == "postpone":
            return "postponed", f"{self.words['delay_ms']} ms"
        return "buried", str(self.words["cause"])
