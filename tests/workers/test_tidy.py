"""What a job changes of its horse is put back before the next begins."""

import gc
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from pathlib import Path

import pytest

from holdfast.workers.process_state import _SIGNALS
from holdfast.workers.tidy import Tidy


def set_variables():
    os.environ.update(TENANT="a", HOME="/nowhere")
    del os.environ["PATH"]


def replace_environ():
    os.environ = {"TENANT": "a"}  # noqa: B003 - as an app might


def replace_path():
    sys.path = ["/nowhere", *sys.path]


def replace_streams():
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - left open


def handlers():
    return [str(signal.getsignal(number)) for number in _SIGNALS]


def catch_all_signals():
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)


def profile():
    signal.signal(signal.SIGPROF, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, 500)


def wake_a_pipe():
    _, writes = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(writes)


def woken():
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor


def go_to_tokyo():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


def replace_arguments():
    sys.argv = ["tool", "--tenant=a"]


def keep_files_elsewhere():
    os.environ["TMPDIR"] = "/var/tmp"
    tempfile.tempdir = None
    tempfile.gettempdir()


WAYS = {
    "variables": (set_variables, lambda: dict(os.environ)),
    "variables of the programs it starts": (set_variables, lambda: sorted(subprocess.check_output(["/usr/bin/env"]))),
    "another environ": (replace_environ, lambda: dict(os.environ)),
    "cwd": (lambda: os.chdir("/"), os.getcwd),
    "handlers": (catch_all_signals, handlers),
    "an alarm": (lambda: signal.alarm(500), lambda: signal.getitimer(signal.ITIMER_REAL)),
    "a profiler's timer": (profile, lambda: signal.getitimer(signal.ITIMER_PROF)),
    "a wakeup descriptor": (wake_a_pipe, woken),
    "umask": (lambda: os.umask(0o077), lambda: [os.umask(0o022), os.umask(0o022)]),
    "a place to import from": (lambda: sys.path.insert(0, "/nowhere"), lambda: list(sys.path)),
    "another sys.path": (replace_path, lambda: [id(sys.path), *sys.path]),
    "sockets": (lambda: socket.setdefaulttimeout(3), socket.getdefaulttimeout),
    "the time zone": (go_to_tokyo, lambda: [time.tzname, time.localtime(0)[:5]]),
    "arguments": (lambda: sys.argv.append("--tenant=a"), lambda: list(sys.argv)),
    "other arguments": (replace_arguments, lambda: [id(sys.argv), *sys.argv]),
    "a place for files": (keep_files_elsewhere, tempfile.gettempdir),
    "how deep calls may go": (lambda: sys.setrecursionlimit(300), sys.getrecursionlimit),
    "how long a thread runs": (lambda: sys.setswitchinterval(1), sys.getswitchinterval),
    "stacks of threads": (lambda: threading.stack_size(1 << 20), threading.stack_size),
    "collecting garbage": (gc.disable, gc.isenabled),
    "when garbage is collected": (lambda: gc.set_threshold(7, 7, 7), gc.get_threshold),
    "a tracer": (lambda: sys.settrace(lambda *_: None), lambda: str(sys.gettrace())),
    "a tracer of calls": (lambda: sys.setprofile(lambda *_: None), lambda: str(sys.getprofile())),
    "streams": (replace_streams, lambda: [id(sys.stdout), id(sys.stderr)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_job_changes_of_its_process_is_put_back(in_a_horse, clock, way):
    """The next job finds what this one found, and the horse goes on."""
    change, look = WAYS[way]

    def scene():
        os.umask(0o022)
        before = look()
        tidy = Tidy(memory_max_mb=0, clock=clock)
        change()
        why = tidy.after_job()
        return [why, before == look()]

    assert in_a_horse(scene) == [None, True]


@pytest.mark.parametrize("way", WAYS)
def test_the_change_would_have_reached_the_next_job(in_a_horse, way):
    """Else the test above would see nothing."""
    change, look = WAYS[way]

    def scene():
        os.umask(0o022)
        before = look()
        change()
        return before == look()

    assert in_a_horse(scene) is False


def test_a_job_that_leaves_things_as_they_were_costs_no_look_at_a_file(in_a_horse, clock):
    """It runs thousands of times a second."""

    def scene():
        tidy = Tidy(memory_max_mb=100_000, clock=clock)
        seen = []
        sys.addaudithook(lambda event, _: seen.append(event))
        why = tidy.after_job()
        return [why, [event for event in seen if event.startswith(("open", "os."))]]

    assert in_a_horse(scene) == [None, []]


def test_the_name_of_the_job_is_the_horses_own_to_write(in_a_horse, clock):
    """Or each job would seem to have changed a variable."""

    def scene():
        os.environ["RQ_JOB_ID"] = "a"
        tidy = Tidy(memory_max_mb=0, clock=clock)
        os.environ["RQ_JOB_ID"] = "b"
        sys.modules["new_with_b"] = types.ModuleType("new_with_b")
        return [tidy.after_job(), os.environ["RQ_JOB_ID"]]

    assert in_a_horse(scene) == [None, "b"]


def test_a_seed_that_a_job_sets_is_not_the_next_ones(in_a_horse, clock):
    """Their tokens and their waits would be the same each time."""

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        thrown = []
        for seed in (7, None, 7, None):
            if seed is not None:
                random.seed(seed)
            thrown.append(random.random())
            assert tidy.after_job() is None
        return thrown

    mine, next_one, mine_again, its_next = in_a_horse(scene)
    assert mine == mine_again
    assert next_one != its_next


def test_jobs_that_throw_no_dice_do_not_pay_for_new_ones(in_a_horse, clock, monkeypatch):
    """That takes longer than all the rest."""
    seeded = []

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        monkeypatch.setattr("holdfast.workers.interpreter._seed", seeded.append)
        for _ in range(3):
            tidy.after_job()
        quiet = len(seeded)
        random.random()
        tidy.after_job()
        return [quiet, len(seeded)]

    assert in_a_horse(scene) == [0, 1]


def test_what_a_job_printed_is_written_before_the_next_begins(in_a_horse, clock, tmp_path):
    """The next one may kill the horse, and must not take this one's lines with it."""
    file = tmp_path / "out"

    def scene():
        sys.stdout = file.open("w")
        tidy = Tidy(memory_max_mb=0, clock=clock)
        print("a line")
        tidy.after_job()
        return file.read_text()

    assert in_a_horse(scene) == "a line\n"


def test_a_folder_that_a_job_removed_under_itself_is_left_for_the_one_before(in_a_horse, clock, tmp_path):
    """A temporary folder, most often."""

    def scene():
        before = Path.cwd()
        tidy = Tidy(memory_max_mb=0, clock=clock)
        (tmp_path / "x").mkdir()
        os.chdir(tmp_path / "x")
        (tmp_path / "x").rmdir()
        return [tidy.after_job(), Path.cwd() == before]

    assert in_a_horse(scene) == [None, True]
