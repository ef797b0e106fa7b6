"""Workers forked from a process that has imported everything are as those started anew, and end with it."""

import os
import signal
from pathlib import Path

import pytest

from holdfast.chaos.processes.family import Family
from holdfast.chaos.server import PrivateServer
from holdfast.chaos.sweep.nursery import Nursery
from tests.patience import wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def nursery(tmp_path):
    with Nursery(["holdfast.workers"], os.environ, tmp_path) as opened:
        yield opened


def said(family):
    """Give its log, which it opens itself some time after it was started."""
    return family.log.read_text("utf-8") if family.log.exists() else ""


def test_it_runs_rq_in_its_own_folder_session_and_environment(nursery, tmp_path):
    """A log of its own, too, and the status it ended with."""
    family = Family("w", ["rq", "--version"], {"PATH": os.environ["PATH"]}, tmp_path, nursery.start)
    wait_until(lambda: family.exit_code is not None)
    assert family.exit_code == 0
    assert "version" in family.log.read_text("utf-8")


def test_what_cannot_be_run_ends_as_it_would(nursery, tmp_path):
    """With a status that is not 0, and a word about it."""
    family = Family("w", ["rq", "no-such-command"], os.environ, tmp_path, nursery.start)
    wait_until(lambda: family.exit_code is not None)
    assert family.exit_code == 2
    assert "no-such-command" in family.log.read_text("utf-8")


def test_its_workers_are_families_that_can_be_killed_and_end_with_it(tmp_path):
    """Each leads a session of its own."""
    with PrivateServer() as server:
        command = ["rq", "worker", "-u", f"redis://127.0.0.1:{server.port}", "-w", "holdfast.workers.Worker", "q"]
        with Nursery(["holdfast.workers"], os.environ, tmp_path) as nursery:
            killed, left = (Family(name, command, os.environ, tmp_path, nursery.start) for name in ("a", "b"))
            wait_until(lambda: all("Listening" in said(each) for each in (killed, left)))
            assert [os.getsid(each.pid) for each in (killed, left)] == [killed.pid, left.pid]
            killed.kill()
            assert killed.exit_code == -signal.SIGKILL
            assert left.exit_code is None
        wait_until(lambda: not Path(f"/proc/{left.pid}").exists())


def test_a_zygote_that_ended_is_told_of(nursery, tmp_path):
    """Not waited for."""
    os.kill(nursery._zygote.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended with -9"):
        nursery.start(["rq", "--version"], os.environ, tmp_path, tmp_path / "log")
