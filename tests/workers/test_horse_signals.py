"""Signals that a worker and its horse are born with, are sent, or hand down to what a job starts."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import rq

from holdfast.workers import horse_signals
from holdfast.workers.runtime import SystemRuntime, birth_of


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (34, "SIGRTMIN"), (40, "SIGRTMIN+6"), (64, "SIGRTMAX")])
def test_every_signal_has_a_name(number, name):
    """Python has none for most of those for real time."""
    assert horse_signals.name_of(number) == name


def ended_in_time(horse):
    """Give how it ended."""
    until = time.monotonic() + 10
    while (ending := horse.ended()) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert ending is not None
    return ending


@pytest.mark.processes
def test_a_worker_that_was_started_with_sigchld_ignored_knows_how_its_horses_end(start_worker, redis, wait_until):
    """Some supervisors and shells hand that down."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        worker = start_worker(jobs_per_horse=1)
    finally:
        signal.signal(signal.SIGCHLD, before)
    queue = rq.Queue(connection=redis)
    jobs = [queue.enqueue("work.say", 1), queue.enqueue("subprocess.check_call", ["true"])]
    wait_until(lambda: [job.get_status() for job in jobs] == ["finished"] * 2)
    assert not worker.has_ended


def test_a_horse_is_watched_where_the_system_refuses_to_give_a_file_for_it(monkeypatch):
    """An old kernel, or a filter of system calls: it is there by name all the same. It is looked at now and then."""

    def refuse(pid):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    horse = SystemRuntime().start_horse(lambda bit: 7)
    assert not horse.is_watched
    assert ended_in_time(horse).exit_code == 7


def test_a_horse_whose_parent_died_before_the_kernel_was_asked_to_watch_it_runs_nothing(monkeypatch):
    """FM-004: that death is over by then, and would be told to nobody; the horse is another's child already."""
    monkeypatch.setattr(os, "getppid", lambda: 1)
    horse = SystemRuntime().start_horse(lambda bit: bit.say(("ran",)) or 0)
    assert (ended_in_time(horse).exit_code, horse.heard()) == (1, [])


def test_a_process_whose_name_is_cut_in_the_middle_of_a_character_has_a_birth():
    """The kernel keeps fifteen bytes of a name."""
    renamed = "import sys; open('/proc/self/comm', 'wb').write(b'worker-\\xc3'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", renamed], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert birth_of(process.pid).isdigit()


MASKS = """
import os, signal
from holdfast.workers import horse_signals
horse_signals.go_on_when_asked_to_stop()
for blocked in [set(), {signal.SIGTERM}]:
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if os.fork() == 0:
        print("child", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])) == sorted(blocked), flush=True)
        print("ends", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, flush=True)
        os._exit(0)
    os.wait()
    print("parent", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])) == sorted(blocked), flush=True)
"""


def test_what_a_job_had_blocked_is_blocked_after_a_fork():
    """In the horse and in what it forked."""
    told = subprocess.run([sys.executable, "-c", MASKS], capture_output=True, text=True, check=True).stdout.split("\n")
    assert told == ["child True", "ends True", "parent True"] * 2 + [""]
