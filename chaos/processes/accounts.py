"""Whose doing it was: what stock RQ alone cost in a fleet of both kinds, and what ours took up after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.chaos.checker import CHECKS
from holdfast.chaos.processes.fleet import MIXED
from holdfast.chaos.processes.migration import STOCK_MARK
from holdfast.chaos.processes.outcome import count_losses, unheard
from holdfast.chaos.terms import Violation
from holdfast.chaos.verdict import Ruling, Verdict, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from holdfast.chaos.history import History, Line, Move, Place
    from holdfast.chaos.processes.outcome import Witness
    from holdfast.chaos.processes.plan import Plan
    from holdfast.chaos.terms import Terms

#: What stock RQ writes on a job that it failed for another's death -> what that means.
_STOCK_WORDS = {
    "Work-horse terminated": "its horse died, and to a stock worker that is a failure",
    "AbandonedJobError": "its stock worker died, and stock maintenance failed it",
    "stuck in intermediate queue": "its stock worker died before it began, and stock maintenance failed it",
}
#: Where a job is, that has not ended, when nobody looks for it.
_LEFT = {
    "intermediate": "its stock worker died with it in the intermediate list",
    "wip": "its stock worker died with it, and no stock maintenance took it up",
    "line": "it is in line, and no stock worker took it",
    "scheduled": "it is scheduled, and no stock scheduler put it in line",
}
_POPPED = "its stock worker died between two commands: it is in no list"
_HOLDING = ("claim", "renew", "begin_effect", "commit_effect", "withdraw_effect", "annotate")
_SEEN_FROM_OUTSIDE = {"INV-01", "INV-07", "LIV-01"}


@dataclass(frozen=True)
class Cost:
    """A job that did not go as asked, by stock RQ's doing, and what became of it."""

    job: str
    why: str
    became: str

    def __str__(self) -> str:
        return f"{self.job}: {self.why}; {self.became}"


@dataclass(frozen=True)
class Repair:
    """A job that a stock worker left behind and ours put back."""

    job: str
    #: Where it was missed from: wip, intermediate, line and so on.
    place: str
    #: From the death of whoever had begun it, or, where nobody had, from the last death of a stock worker that can have
    #: had it.
    after_ms: int


class Accounts:
    """Tells apart what each kind did. `last_words`: what RQ's own results say of each failure of a job."""

    def __init__(self, history: History, plan: Plan, last_words: Mapping[str, Sequence[str]], began_ms: int) -> None:
        self._history = history
        self._plan = plan
        self._last_words = last_words
        self._began_ms = began_ms
        self._moves: dict[str, list[Move]] = defaultdict(list)
        for move in history.moves:
            self._moves[move.job].append(move)
        self._claims = {move.execution for move in history.moves if move.move == "claim"}
        self._lines: dict[str, list[Line]] = defaultdict(list)
        for line in history.lines:
            self._lines[line.job].append(line)
        self.losses = count_losses(history, plan)
        self.costs = sorted((*self._failed(), *self._unfinished(), *self._repeated()), key=lambda cost: cost.job)
        self.repairs = list(self._repaired())
        self._left_by_stock = {repair.job for repair in self.repairs}

    def _touched(self, job: str) -> bool:
        """Tell whether a stock worker may have had it."""
        return (
            any(line.did == "begin" and not line.execution for line in self._lines[job])
            or job in self._left_by_stock
            or any(self._said_by_stock(job))
        )

    def _said_by_stock(self, job: str) -> Iterator[str]:
        for words in self._last_words.get(job, ()):
            yield from (why for mark, why in _STOCK_WORDS.items() if mark in words)

    def _failed(self) -> Iterator[Cost]:
        for job in self.losses.failed_by_fault:
            why = next(self._said_by_stock(job), "")
            if why:
                times = sum(line.did == "begin" for line in self._lines[job])
                yield Cost(job, why, f"kept as {self._history.final[job].status}; its code was begun {times} times")

    def _unfinished(self) -> Iterator[Cost]:
        for job in (*self.losses.lost, *self.losses.stuck):
            last = next((move.move for move in reversed(self._moves[job])), "enqueue")
            place = self._history.final.get(job)
            if place is not None and last not in _HOLDING:
                yield Cost(job, _why_left(place), f"still {place.status} at the end, in {place.places or 'no place'}")

    def _repeated(self) -> Iterator[Cost]:
        for job in self.losses.acted_twice:
            if self._is_effect_of_stock(job):
                yield Cost(job, "an effect made under a stock worker leaves no marker", self._history.final[job].status)

    def _is_effect_of_stock(self, job: str) -> bool:
        return any(line.did == "act" and not line.execution for line in self._lines[job])

    def _repaired(self) -> Iterator[Repair]:
        ended = {line.who: line.us for line in self._history.of("ended")}
        seen: dict[str, int] = {}
        for move in self._history.moves:
            us = (move.ms - self._began_ms) * 1_000
            is_adopted = move.move == "reclaim" and move.execution not in self._claims
            # A rescue of what a hand let fall tells of the hand as well, and of the place once.
            if is_adopted or (move.move == "rescue" and not move.execution):
                before = [line for line in self._lines[move.job] if line.us < us]
                begun = next((line.who for line in reversed(before) if line.did == "begin"), "")
                missing_us = us - (0 if is_adopted else MIXED.orphaned_ms * 1_000)
                deaths = [at for who, at in ended.items() if who.endswith(STOCK_MARK) and at <= missing_us]
                since_us = ended.get(begun, 0) or max([seen.get(move.job, 0), *deaths])
                yield Repair(move.job, "wip" if is_adopted else move.who, (us - since_us) // 1_000)
            seen[move.job] = us

    def judge(self, terms: Terms, undecided: Mapping[str, str]) -> tuple[Ruling, ...]:
        """Hold ours to every check, of jobs no stock worker ever had; and all to what is seen from outside.

        `undecided`: checks that cannot be decided, and why.
        """
        by_stock = {cost.job for cost in self.costs}
        plain = {order.job_id for order in self._plan.orders if order.is_plain}
        ours = {line.job for line in self._history.of("accepted") if not self._touched(line.job)} - plain - by_stock
        everything = self._without(by_stock)
        only_ours = replace(
            self._history,
            lines=[line for line in self._history.lines if not line.job or line.job in ours],
            moves=[move for move in self._history.moves if move.job in ours],
            final={job: place for job, place in self._history.final.items() if job in ours},
        )
        terms = replace(terms, at_most_once=terms.at_most_once - plain)
        outside = {each.invariant: each for each in rule(everything, terms) if each.invariant in _SEEN_FROM_OUTSIDE}
        if not ours:
            undecided = dict.fromkeys(CHECKS.keys() - _SEEN_FROM_OUTSIDE, "a stock worker had every job")
        rulings = [outside.get(each.invariant, each) for each in rule(only_ours, terms, undecided)]
        return (*rulings, self._one_at_a_time())

    def _without(self, jobs: set[str]) -> History:
        """Leave out what is known to be stock's doing."""
        acted: set[str] = set()
        lines = []
        for line in self._history.lines:
            is_again = line.did == "act" and line.job in acted and self._is_effect_of_stock(line.job)
            if line.did == "act":
                acted.add(line.job)
            if not is_again and not (line.did == "accepted" and line.job in jobs):
                lines.append(line)
        return replace(self._history, lines=lines)

    def _one_at_a_time(self) -> Ruling:
        sentence = "No job runs in two workers at once; none fails by a death unless stock RQ says that it failed it."
        violations = [
            Violation("FM-053", job, f"begun by {other} while {who} had begun it and went on to its end")
            for job, lines in self._lines.items()
            for who, other in _side_by_side(lines)
        ]
        explained = {cost.job for cost in self.costs}
        for job in sorted({*self.losses.failed_by_fault} - explained):
            words = [words.strip().rpartition("\n")[2] for words in self._last_words.get(job, ())]
            violations.append(Violation("FM-053", job, f"failed, and not by its own code: {words}"))
        return Ruling("FM-053", sentence, tuple(violations))

    def counts(self) -> dict[str, int]:
        """Give them as a verdict has them."""
        begun = Counter("ours" if line.execution else "stock" for line in self._history.of("begin"))
        losses = self.losses
        counts = {name: len(getattr(losses, name)) for name in ("accepted", "finished", "lost", "stuck")}
        counts |= {
            "failed as asked": len(self._history_failed() - {*losses.failed_by_fault, *losses.in_doubt}),
            "in doubt": len(losses.in_doubt),
            "failed by fault": len(losses.failed_by_fault),
            "stock's account": len(self.costs),
            "begun by stock": begun["stock"],
            "begun by ours": begun["ours"],
            "ran again": len(losses.ran_again),
        }
        for place, count in Counter(repair.place for repair in self.repairs).items():
            counts[f"taken up from {place}"] = count
            latest = max(repair.after_ms for repair in self.repairs if repair.place == place)
            counts[f"latest from {place}, ms"] = latest
        return counts | {"faults": sum(1 for _ in self._history.of("fault"))}

    def _history_failed(self) -> set[str]:
        return {job for job, place in self._history.final.items() if place.status in {"failed", "stopped"}}


def decide_between(
    history: History, plan: Plan, witness: Witness, last_words: Mapping[str, Sequence[str]], began_ms: int
) -> tuple[Verdict, list[Cost]]:
    """Judge a run with both kinds of workers, and give what was stock RQ's doing.

    `last_words`: what RQ's own results say of each failure of a job. `began_ms`: when the run began, by the wall clock.
    """
    accounts = Accounts(history, plan, last_words, began_ms)
    counts = accounts.counts() | {"workers ended unasked": witness.unasked_ends}
    return Verdict(accounts.judge(plan.terms(witness.calm_from_us), unheard(history, witness)), counts), accounts.costs


def _why_left(place: Place) -> str:
    return next((why for where, why in _LEFT.items() if where in place.places), _POPPED)


def _side_by_side(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Find who had begun a job and came to its end after somebody else had begun it too."""
    running: dict[tuple[str, str], str] = {}
    for line in lines:
        me = (line.who, line.execution)
        if line.did == "begin":
            running = {each: other or line.who for each, other in running.items() if each != me} | {me: ""}
        elif line.did in {"end", "raised"} and (other := running.pop(me, "")):
            yield line.who, other
