"""What came of a run of RQ's tests, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the names of tests, as `file::class::name`."""

    passed: frozenset[str]
    failed: frozenset[str]
    skipped: frozenset[str]


@dataclass(frozen=True)
class Findings:
    """The verdict on a run."""

    outcome: Outcome
    #: Failed among all others, and passed alone.
    passed_alone: frozenset[str]
    #: Failed twice with ours, and with stock RQ: not ours to answer for.
    stock_fails: frozenset[str]
    #: A sentence for each thing that is not as the list says.
    wrong: tuple[str, ...]

    def tell(self, differences: Mapping[str, str]) -> str:
        """Spell it for a person: numbers, each difference with its reason, and what is wrong."""
        differ = sorted(self.outcome.failed & set(differences))
        again = f" ({len(self.passed_alone)} only when run again alone)" if self.passed_alone else ""
        passed = f"{len(self.outcome.passed) + len(self.passed_alone)} passed{again}"
        numbers = [passed, f"{len(self.outcome.skipped)} skipped", f"{len(differ)} differ as listed"]
        lines = [", ".join([*numbers, f"{len(self.wrong)} wrong"])]
        for reason in dict.fromkeys(differences[name] for name in differ):
            lines += [f"  differ: {reason}", *(f"    {name}" for name in differ if differences[name] == reason)]
        lines += [f"  passed when run again alone: {name}" for name in sorted(self.passed_alone)]
        lines += [f"  fails with stock RQ too: {name}" for name in sorted(self.stock_fails)]
        return "\n".join([*lines, *(f"  WRONG: {each}" for each in self.wrong)])


def read(report: Path) -> Outcome:
    """Read what pytest wrote down. Raises RuntimeError when it ran nothing, with the end of what it printed."""
    found: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    for case in ET.parse(report).iter("testcase") if report.exists() else ():
        state = "skipped" if case.find("skipped") is not None else "passed"
        if case.find("failure") is not None or case.find("error") is not None:
            state = "failed"
        found[state].add(_name_of(case))
    if not any(found.values()):
        output = report.with_name("pytest.log")
        said = output.read_text("utf-8", errors="replace")[-2_000:] if output.exists() else "nothing"
        raise RuntimeError(f"none of RQ's tests came to an end; the last that pytest said:\n{said}")
    # A test whose clean-up fails is told twice.
    return Outcome(*map(frozenset, (found["passed"] - found["failed"], found["failed"], found["skipped"])))


def _name_of(case: ET.Element) -> str:
    """Spell a test as pytest takes it; a file that could not be imported is a case of its own, without a class."""
    _, _, place = case.get("classname", "").partition(".")
    file, _, kind = place.partition(".")
    name = case.get("name", "")
    return f"{file}.py::{kind}::{name}" if kind else name


def judge(
    outcome: Outcome,
    differences: Mapping[str, str],
    *,
    fails_again: AbstractSet[str] = frozenset(),
    stock_fails: AbstractSet[str] = frozenset(),
) -> Findings:
    """Compare a run with the list.

    Wrong is a test that failed without being on the list, unless it passed alone or stock RQ fails it too; and one
    that is on the list, and did not fail.
    """
    unexpected = outcome.failed - set(differences)
    wrong = [f"fails, and is not on the list: {name}" for name in sorted((unexpected & fails_again) - stock_fails)]
    for name in sorted(set(differences) - outcome.failed):
        state = "passes" if name in outcome.passed else "is skipped"
        known = name in outcome.passed | outcome.skipped
        wrong.append(f"is on the list, and {state if known else 'is no test that was run'}: {name}")
    return Findings(
        outcome, frozenset(unexpected - fails_again), frozenset(unexpected & fails_again & stock_fails), tuple(wrong)
    )
