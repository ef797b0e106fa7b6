"""Each failure mode has its line, page, faults and tests; each invariant has a checker, or a reason for having none."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from holdfast.chaos import processes
from holdfast.chaos.catalogue import INVARIANTS, MODES, PROOFS, index
from holdfast.chaos.checker import CHECKS
from holdfast.chaos.faults import load_all
from holdfast.chaos.processes import nemesis

LABELS = ["Seen as", "Cause", "Without us", "With us", "Holds", "Injected by", "Proved by", "Operator"]
CITED = re.compile(r"\b(?:FM-\d{3}|(?:INV|LIV)-\d\d)\b")
TEST = re.compile(r"`(test_\w+)`")


def parts_of(page):
    """Take a page of a failure mode apart: its first line, and what each label says."""
    title, _, rest = page.partition("\n\n")
    pieces = re.split(r"^- \*\*([^*]+)\*\* ", rest, flags=re.MULTILINE)
    said = [" ".join(piece.split()) for piece in pieces]
    return title, dict(zip(said[1::2], said[2::2], strict=True))


@pytest.fixture(scope="module")
def pages(house):
    """Give the page of each mode: number -> (title, label -> text)."""
    folder = house.root / "docs/failures"
    return {file.stem: parts_of(file.read_text("utf-8")) for file in folder.glob("FM-*.md")}


@pytest.fixture(scope="module")
def staged():
    """Give the faults for real processes, all of them: importing a file registers what is in it."""
    for file in Path(processes.__file__).parent.glob("hurt_*.py"):
        import_module(f"{processes.__name__}.{file.stem}")
    return nemesis.FAULTS


@pytest.fixture(scope="module")
def tests(house):
    """Give the docstring of every test there is: path::function -> docstring."""
    functions = (
        (f"{source.path}::{node.name}", ast.get_docstring(node) or "")
        for source in house.python("tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    return dict(functions)


def test_numbers_follow_each_other_and_none_is_used_twice():
    """They are for life: a mode that can no longer happen keeps its line."""
    assert [mode.number for mode in MODES] == [f"FM-{n:03}" for n in range(1, len(MODES) + 1)]
    assert [each.number for each in INVARIANTS] == [
        *(f"INV-{n:02}" for n in range(1, 13)),
        *(f"LIV-{n:02}" for n in range(1, 5)),
    ]
    assert len({mode.title for mode in MODES}) == len(MODES)


def test_each_mode_has_a_page_with_its_title_and_all_it_is_asked(pages):
    """And there is no page without a mode."""
    assert sorted(pages) == [mode.number for mode in MODES]
    for mode in MODES:
        title, said = pages[mode.number]
        assert title == f"# {mode.number} · {mode.title}"
        assert list(said) == LABELS, mode.number
        assert all(said.values()), mode.number


def test_a_page_says_of_each_invariant_it_threatens_whether_it_holds(pages, house):
    """Under `Holds` or, where it does not yet, under `Breaks`; with what that costs."""
    for mode in MODES:
        held = pages[mode.number][1]["Holds"]
        assert "**Breaks**" in held, mode.number
        assert "**Costs**" in held, mode.number
        house.finds_none(f"{mode.number} says nothing of {each}" for each in mode.threatens if each not in held)


def test_each_simulated_fault_stands_beside_its_mode():
    """By its name in the catalogue, which is its class' own."""
    registered = {(fault.mode, name) for name, fault in load_all().items()}
    assert registered == {(mode.number, name) for mode in MODES for name in mode.simulated}


def test_each_fault_for_real_processes_stands_beside_its_mode(staged):
    """The same for what hurts real workers and servers."""
    registered = {(fault.mode, name) for name, fault in staged.items()}
    assert registered == {(mode.number, name) for mode in MODES for name in mode.staged}


def test_a_page_names_the_faults_of_its_mode_or_says_why_there_are_none(pages):
    """And, where the simulation has one, the command that lets it strike alone."""
    for mode in MODES:
        injected = pages[mode.number][1]["Injected by"]
        assert bool(mode.not_here) == (not mode.simulated and not mode.staged), mode.number
        assert all(f"`{name}`" in injected for name in (*mode.simulated, *mode.staged)), mode.number
        assert (f"`holdfast chaos run --only {mode.number} --seed 7`" in injected) == bool(mode.simulated), mode.number
        assert mode.not_here in injected, mode.number


def test_each_test_that_is_named_as_a_proof_exists(tests, house):
    """In that file, under that name; one that has moved is said to be where it is now."""
    named = {test for proofs in PROOFS.values() for test in proofs}
    now_in = {test.partition("::")[2]: test.partition("::")[0] for test in tests}
    house.finds_none(
        f"{test} is in {now_in.get(test.partition('::')[2], 'no file')}" for test in named if test not in tests
    )


def test_a_page_names_the_proofs_of_its_mode_and_no_others(pages):
    """What a reader finds there is what the catalogue counts."""
    assert set(PROOFS) <= {mode.number for mode in MODES}
    for mode in MODES:
        named = TEST.findall(pages[mode.number][1]["Proved by"])
        proofs = PROOFS.get(mode.number, ())
        assert sorted(named) == sorted(test.partition("::")[2] for test in proofs), mode.number
        assert all(test.partition("::")[0] in pages[mode.number][1]["Proved by"] for test in proofs), mode.number


def test_no_test_and_no_page_cites_a_number_that_is_not_there(tests, house):
    """A typing error would be a promise that nobody keeps."""
    known = {mode.number for mode in MODES} | {each.number for each in INVARIANTS}
    texts = tests | house.pages()
    house.finds_none(
        f"{where}: {each}" for where, text in texts.items() for each in CITED.findall(text) if each not in known
    )


def test_each_invariant_has_a_checker_or_a_reason_for_having_none():
    """The catalogue names the function; one that is not named is not there."""
    assert {each.number: each.check for each in INVARIANTS if each.check} == {
        number: check.__name__ for number, check in CHECKS.items()
    }
    assert all(bool(each.unchecked) != bool(each.check) for each in INVARIANTS)


def test_the_page_of_invariants_says_what_the_catalogue_says(house):
    """Each number with its name, and its sentence under it."""
    page = house.pages()["docs/invariants.md"]
    found = re.findall(r"^## ((?:INV|LIV)-\d\d) · (.+)\n\n(.+)\n", page, re.MULTILINE)
    assert found == [(each.number, each.title, each.sentence) for each in INVARIANTS]


def test_the_index_is_the_catalogue(house):
    """Run `python -m holdfast.chaos.catalogue docs/failures/index.md`."""
    assert house.pages()["docs/failures/index.md"] == index()


def test_each_postmortem_is_in_its_index_with_its_title(house):
    """Under its number, which no other has."""
    folder = house.root / "docs/postmortems"
    listed = re.findall(
        r"^\| \[(PM-\d{4})\]\(([^)]+)\) \| (.+?) \|", (folder / "index.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(file.name for file in folder.glob("PM-*.md")) == sorted(file for _, file, _ in listed)
    assert len({number for number, _, _ in listed}) == len(listed)
    for number, file, title in listed:
        assert (folder / file).read_text("utf-8").startswith(f"# {number} · {title}\n")


def test_a_page_is_taken_apart_at_its_labels():
    """A line that goes on belongs to its label, and bold words within it begin nothing."""
    page = "# FM-001 · A title\n\n- **Seen as** one\n  more\n- **Holds** INV-01. **Breaks** nothing.\n"
    assert parts_of(page) == ("# FM-001 · A title", {"Seen as": "one more", "Holds": "INV-01. **Breaks** nothing."})
