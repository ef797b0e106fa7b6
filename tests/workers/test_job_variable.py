"""What a job and its programs see of RQ_JOB_ID, and that a million jobs leave no more of it behind than one."""

import ctypes
import os
import subprocess
import sys

import pytest

from holdfast.workers.job_variable import JobVariable

_getenv = ctypes.CDLL(None).getenv
_getenv.restype = ctypes.c_void_p

ASK = "import os; print(os.environ.get('RQ_JOB_ID'))"


@pytest.fixture
def variable():
    """Give one, and leave the process without the variable."""
    yield JobVariable()
    os.environ.pop("RQ_JOB_ID", None)


def seen():
    """Give what code here sees, and a program that is started."""
    told = subprocess.run([sys.executable, "-c", ASK], check=True, capture_output=True, text=True).stdout.strip()
    return os.environ.get("RQ_JOB_ID"), told


@pytest.mark.parametrize("job_id", ["a", "9f3c", "\u00e4\u00f6\u20ac", "x" * 200, "x" * 201, "y" * 5_000])
def test_code_and_programs_see_which_job_it_is(variable, job_id):
    """Whatever stood there before, and whatever comes after: also with ids for which there is no room."""
    for each in ("first", job_id, "b" * 36):
        variable.set(each)
        assert seen() == (each, each)


def test_an_id_that_is_no_text_is_what_code_sees_of_bytes(variable):
    """Also where there is no room for it."""
    for job_id in (b"caf\xe9", b"\xe9" * 300):
        variable.set(job_id)
        assert os.environb[b"RQ_JOB_ID"] == job_id


def set_it():
    os.environ["RQ_JOB_ID"] = "the job's own"


def unset_it():
    del os.environ["RQ_JOB_ID"]


@pytest.mark.parametrize("deed", [set_it, unset_it])
def test_what_a_job_does_to_it_is_over_with_the_job(variable, deed):
    """It may write it or take it away; the next job has its own again."""
    variable.set("one")
    deed()
    variable.set("two")
    assert seen() == ("two", "two")
    variable.set("three")
    assert seen() == ("three", "three")


def test_each_is_written_over_the_one_before(variable):
    """What the C library is given anew it keeps for ever, and looks through for each new one."""
    variable.set("0" * 36)
    place = _getenv(b"RQ_JOB_ID")
    for number in range(1, 100):
        variable.set(f"{number:036}")
        assert _getenv(b"RQ_JOB_ID") == place
