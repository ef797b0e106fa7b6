"""The verdict on a run: of each invariant, whether it held, did not, or could not be decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from holdfast.chaos.checker import CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.chaos.history import History
    from holdfast.chaos.terms import Terms, Violation

Word = Literal["valid", "invalid", "unknown"]
#: What a process ends with for each word.
EXIT_CODES: dict[Word, int] = {"valid": 0, "invalid": 1, "unknown": 2}


@dataclass(frozen=True)
class Ruling:
    """What is said of one invariant."""

    invariant: str
    sentence: str
    violations: tuple[Violation, ...] = ()
    #: Why it could not be decided; empty where it was.
    undecided: str = ""

    @property
    def word(self) -> Word:
        """In a word. What was seen broken is broken, whatever else was not seen."""
        if self.violations:
            return "invalid"
        return "unknown" if self.undecided else "valid"


@dataclass(frozen=True)
class Verdict:
    """What is said of a run."""

    rulings: tuple[Ruling, ...]
    #: What happened, in numbers: name -> how many.
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def word(self) -> Word:
        """In a word: the worst of the rulings'."""
        words = {ruling.word for ruling in self.rulings}
        return "invalid" if "invalid" in words else "unknown" if "unknown" in words else "valid"

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 2 unknown."""
        return EXIT_CODES[self.word]

    def to_json(self) -> dict[str, Any]:
        """Write it as verdict.json has it."""
        rulings = {
            ruling.invariant: {
                "verdict": ruling.word,
                "sentence": ruling.sentence,
                "violations": [f"{each.job}: {each.what}" for each in ruling.violations],
                "undecided": ruling.undecided,
            }
            for ruling in self.rulings
        }
        return {"verdict": self.word, "counts": dict(self.counts), "rulings": rulings}


def rule(history: History, terms: Terms, undecided: Mapping[str, str] | None = None) -> tuple[Ruling, ...]:
    """Judge a history by every check but the `undecided` ones: invariant -> why it cannot be decided."""
    undecided = undecided or {}
    rulings = []
    for invariant, check in CHECKS.items():
        sentence = (check.__doc__ or "").strip()
        if invariant in undecided:
            rulings.append(Ruling(invariant, sentence, undecided=undecided[invariant]))
        else:
            rulings.append(Ruling(invariant, sentence, tuple(check(history, terms))))
    return tuple(rulings)
