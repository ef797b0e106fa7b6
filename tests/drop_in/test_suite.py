"""The harness of RQ's own tests can say no: what it reads, and what it makes of it."""

from pathlib import Path

import pytest

from tests.drop_in.judge import Outcome, judge, read
from tests.drop_in.rounds import run

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a.TestA" name="test_good"/>
<testcase classname="tests.test_a.TestA" name="test_bad"><failure/></testcase>
<testcase classname="tests.test_a.TestA" name="test_broken"><error/></testcase>
<testcase classname="tests.test_a.TestA" name="test_untidy"/>
<testcase classname="tests.test_a.TestA" name="test_untidy"><error/></testcase>
<testcase classname="tests.test_a.TestA" name="test_slow"><skipped/></testcase>
<testcase classname="" name="tests.test_b"><error/></testcase>
</testsuite></testsuites>"""

LEAVES_A_PROCESS = """
import multiprocessing, os, time, unittest
from pathlib import Path

def stay():
    os.setpgrp()
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)

class TestA(unittest.TestCase):
    def test_leaves_a_process(self):
        multiprocessing.Process(target=stay).start()
        while not Path("pid").exists() or not Path("pid").read_text():
            time.sleep(0.01)

    def test_fails(self):
        raise AssertionError
"""


def outcome(*, passed=(), failed=(), skipped=()):
    return Outcome(frozenset(passed), frozenset(failed), frozenset(skipped))


def test_a_report_is_read_case_by_case(tmp_path):
    """A failure, an error, a test whose clean-up fails and a file that cannot be imported have all failed."""
    (tmp_path / "report.xml").write_text(REPORT, "utf-8")
    found = read(tmp_path / "report.xml")
    case = "test_a.py::TestA::"
    assert found.passed == {f"{case}test_good"}
    assert found.failed == {f"{case}test_bad", f"{case}test_broken", f"{case}test_untidy", "tests.test_b"}
    assert found.skipped == {f"{case}test_slow"}


@pytest.mark.parametrize("report", [None, "<testsuites><testsuite/></testsuites>"])
def test_a_run_without_a_single_test_is_no_success(tmp_path, report):
    """Pytest died, hung or found nothing: what it said last is told."""
    if report is not None:
        (tmp_path / "report.xml").write_text(report, "utf-8")
    (tmp_path / "pytest.log").write_text("tests/test_a.py::TestA::test_hangs", "utf-8")
    with pytest.raises(RuntimeError, match="test_hangs"):
        read(tmp_path / "report.xml")


def test_a_run_as_the_list_says_is_right():
    """One that is on the list fails, the others pass."""
    found = judge(outcome(passed={"good"}, failed={"listed"}), {"listed": "why"})
    assert found.wrong == ()
    assert "1 passed, 0 skipped, 1 differ as listed, 0 wrong" in found.tell({"listed": "why"})


def test_a_failure_that_is_not_on_the_list_is_wrong():
    """It failed among the others and alone, and stock RQ passes it."""
    found = judge(outcome(failed={"bad"}), {}, fails_again={"bad"})
    assert found.wrong == ("fails, and is not on the list: bad",)
    assert "WRONG" in found.tell({})


def test_a_failure_that_stock_rq_shares_is_told_and_is_not_wrong():
    """It says nothing of us."""
    found = judge(outcome(failed={"bad"}), {}, fails_again={"bad"}, stock_fails={"bad"})
    assert found.wrong == ()
    assert "fails with stock RQ too: bad" in found.tell({})


def test_a_failure_that_does_not_come_back_is_told_and_is_not_wrong():
    """Some of RQ's tests sleep and hope: on a busy machine they fail, with stock RQ as with ours."""
    found = judge(outcome(passed={"good"}, failed={"shaky"}), {})
    assert found.wrong == ()
    assert "2 passed (1 only when run again alone)" in found.tell({})


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ({"passed": {"old"}}, "passes"),
        ({"skipped": {"old"}}, "is skipped"),
        ({"passed": {"x"}}, "is no test that was run"),
    ],
)
def test_an_entry_that_is_not_needed_is_wrong(shown, state):
    """The list never claims more than there is."""
    assert judge(outcome(**shown), {"old": "why"}).wrong == (f"is on the list, and {state}: old",)


@pytest.mark.processes
def test_a_process_that_a_test_leaves_holds_nothing_up_and_ends_with_the_run(tmp_path):
    """Python waits at its end for what multiprocessing started, for ever if need be."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text(LEAVES_A_PROCESS, "utf-8")
    found = run(tmp_path / "tests", tmp_path / "run", "worker", ["test_a.py"])
    left = int((tmp_path / "run/pid").read_text("ascii"))
    assert found == outcome(passed={"test_a.py::TestA::test_leaves_a_process"}, failed={"test_a.py::TestA::test_fails"})
    stat = Path(f"/proc/{left}/stat")
    assert not stat.exists() or stat.read_text("ascii").split()[2] == "Z"
