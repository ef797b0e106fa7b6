"""docs/how-to/rq-features.md promises no feature of RQ's without a proof, and each proof that it names exists."""

import ast
import re

import pytest

from holdfast.jobs.rq_surface import NEVER_CALLED, NOT_CALLED_TO_ENQUEUE, NOT_CALLED_TO_RUN
from tests.drop_in.suite import TOPICS

ROW = re.compile(r"^\| (?!feature |---)([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
PROOF = re.compile(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`")


def missing(rows, house):
    """Give the rows without a proof, and the proofs that are not there."""
    for feature, _, proved in rows:
        proofs = PROOF.findall(proved)
        if not proofs:
            yield f"{feature}: no proof"
        for file, name in proofs:
            if not (is_ours(house, file, name) if name else is_run_of_rqs(file)):
                yield f"{feature}: {file}{name and '::' + name}"


def is_ours(house, file, name):
    path = house.root / "tests" / file
    return path.exists() and name in {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


def is_run_of_rqs(file):
    return file.removeprefix("test_").removesuffix(".py") in TOPICS


@pytest.fixture
def rows(house):
    promised, _, _ = house.pages()["docs/how-to/rq-features.md"].partition("## Not ours")
    return ROW.findall(promised)


def test_each_feature_has_a_proof_that_exists(rows, house):
    """A test of ours under tests/, or a file of RQ's own tests that `make rq-suite` runs."""
    assert len(rows) > 30
    house.finds_none(missing(rows, house))


def test_no_feature_is_told_twice(rows):
    """The second row would be the one that grows old."""
    features = [feature for feature, _, _ in rows]
    assert sorted(features) == sorted(set(features))


def test_a_proof_that_is_gone_is_seen(house):
    """A test that was renamed, a file of RQ's that is not run, and a row with none."""
    table = """
| feature | with Holdfast | proved by |
|---|---|---|
| one | yes | `house/test_rq_features_page.py::test_a_proof_that_is_gone_is_seen`, RQ's `test_job.py` |
| two | yes | `house/test_rq_features_page.py::test_no_more` |
| three | yes | RQ's `test_cron.py` |
| four | yes | it is so |
"""
    assert [line.partition(":")[0] for line in missing(ROW.findall(table), house)] == ["two", "three", "four"]


def test_the_page_lists_the_methods_that_are_never_called(house):
    """All of them, and no other."""
    _, _, section = house.pages()["docs/how-to/rq-features.md"].partition("## Subclasses of our Worker")
    _, _, never = section.partition("never called")
    assert set(re.findall(r"`(\w+)`[,.]", never.partition("Instead:")[0])) == NEVER_CALLED


def test_the_page_lists_the_methods_of_jobs_that_are_never_called(house):
    """All of them, and first those that a Queue tells of."""
    _, _, section = house.pages()["docs/how-to/rq-features.md"].partition("## Job classes of your own")
    _, _, never = section.partition("These are not")
    names = re.findall(r"`(\w+)`[,.]", never.partition("If a class")[0])
    assert (set(names), set(names[:3]), len(names)) == (
        NOT_CALLED_TO_RUN,
        NOT_CALLED_TO_ENQUEUE,
        len(NOT_CALLED_TO_RUN),
    )
