"""What a job leaves in its horse, and cannot be put back, costs that horse: it leaves before the next job."""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from _thread import start_new_thread

import pytest

from holdfast.workers.tidy import Tidy, resident_mb


@pytest.fixture
def why_it_leaves(in_a_horse, clock):
    """Run a job in a horse, and give why that horse must leave."""

    def run(job):
        def scene():
            tidy = Tidy(memory_max_mb=0, clock=clock)
            kept = job()
            why = tidy.after_job()
            del kept
            return why

        return in_a_horse(scene)

    return run


def sleep_in_a_thread(name, *, daemon=True):
    threading.Thread(target=time.sleep, args=(60,), name=name, daemon=daemon).start()


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_a_job_left_costs_the_horse(why_it_leaves, daemon):
    """It may still act for its job, beside the next one."""
    why = why_it_leaves(lambda: sleep_in_a_thread("uploader", daemon=daemon))
    assert why == "thread 'uploader' of the job still runs"


def test_a_thread_without_a_name_is_seen_too(why_it_leaves):
    """Not all who start one ask threading."""

    def start():
        begun = threading.Lock()
        begun.acquire()
        start_new_thread(lambda: (begun.release(), time.sleep(60)), ())
        begun.acquire()

    assert "no name" in why_it_leaves(start)


def test_a_thread_in_the_place_of_one_that_ended_is_seen(in_a_horse, clock):
    """A count would be the same."""

    def scene():
        stop = threading.Event()
        old = threading.Thread(target=stop.wait)
        old.start()
        tidy = Tidy(memory_max_mb=0, clock=clock)
        stop.set()
        old.join()
        sleep_in_a_thread("new")
        return tidy.after_job()

    assert "'new'" in in_a_horse(scene)


def test_threads_that_end_with_their_job_cost_nothing(in_a_horse, clock):
    """A pool that was shut down, a hundred times over."""

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        seen = set()
        for _ in range(100):
            threads = [threading.Thread(target=int) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            seen.add(tidy.after_job())
        return list(seen)

    assert in_a_horse(scene) == [None]


def test_a_thread_on_its_last_steps_is_waited_for(in_a_horse, clock, monkeypatch):
    """It was told to end, and not waited for: an event loop that is closed does so with its pool."""
    # 5 ms are enough, but for a machine that is busy with other tests.
    monkeypatch.setattr("holdfast.workers.tidy._LAST_STEPS_S", 5)

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        seen = set()
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(0.0005,)).start()
            seen.add(tidy.after_job())
        return list(seen)

    assert in_a_horse(scene) == [None]


def test_the_horses_own_guard_is_no_jobs_thread(in_a_horse, clock):
    """Whether it begins before the first job or with it."""

    def scene():
        sleep_in_a_thread("holdfast-guard")
        tidy = Tidy(memory_max_mb=0, clock=clock)
        first = tidy.after_job()
        sleep_in_a_thread("holdfast-guard")
        return [first, tidy.after_job(), tidy.after_job()]

    assert in_a_horse(scene) == [None, None, None]


def test_a_thread_of_c_code_that_called_python_is_not_counted(in_a_horse, clock):
    """It may be one of numpy: Python keeps an entry of it, and it may be gone."""
    kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

    def scene():
        names = []
        body = kind(lambda _: names.append(threading.current_thread().name))
        tidy = Tidy(memory_max_mb=0, clock=clock)
        thread = ctypes.c_ulong()
        ctypes.CDLL(None).pthread_create(ctypes.byref(thread), None, body, None)
        ctypes.CDLL(None).pthread_join(thread, None)
        return [names[0].startswith("Dummy"), tidy.after_job(), tidy.after_job()]

    assert in_a_horse(scene) == [True, None, None]


def test_a_child_that_still_runs_costs_the_horse(in_a_horse, clock):
    """What it does, it does beside the next job."""

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        child = subprocess.Popen(["/bin/sleep", "60"])
        why = tidy.after_job()
        child.kill()
        child.wait()
        return why

    assert in_a_horse(scene) == "a child process of the job still runs"


def test_a_child_that_was_left_dead_costs_the_horse(in_a_horse, clock):
    """Its end would be told to the next job that waits for any child."""

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        return tidy.after_job() == f"child process {child} of the job was left dead"

    assert in_a_horse(scene)


def test_a_child_that_was_waited_for_costs_nothing(why_it_leaves):
    """Most programs that a job runs."""
    assert why_it_leaves(lambda: subprocess.run(["/bin/true"], check=True)) is None


def test_an_event_loop_that_is_left_running_costs_the_horse(why_it_leaves):
    """Tools that switch between loops leave theirs so; a coroutine of the next job would be refused."""

    def leave_a_loop():
        loop = asyncio.new_event_loop()
        asyncio._set_running_loop(loop)
        return loop

    assert why_it_leaves(leave_a_loop) == "an event loop of the job still runs"
    assert why_it_leaves(lambda: asyncio.run(asyncio.sleep(0))) is None


def test_memory_above_the_ceiling_costs_the_horse_and_what_was_given_back_does_not(in_a_horse, clock):
    """The next job would meet the kernel's limit, which this one drove it to."""

    def scene():
        tidy = Tidy(memory_max_mb=resident_mb() + 60, clock=clock)
        before = tidy.after_job()
        held = bytearray(b"x") * (120 * 1024 * 1024)
        held_on = tidy.after_job()
        del held
        return [before, "it holds" in held_on, tidy.after_job()]

    assert in_a_horse(scene) == [None, True, None]


def test_without_a_ceiling_memory_is_not_looked_at(why_it_leaves):
    """0 is for none."""
    assert why_it_leaves(lambda: bytearray(b"x") * 50_000_000) is None


def test_files_that_jobs_left_open_cost_the_horse_before_there_are_no_more(in_a_horse, clock):
    """The job that gets no more would not be the one to blame."""

    def scene():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        tidy = Tidy(memory_max_mb=0, clock=clock)
        kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
        clock.advance(ms=1_000)
        few = tidy.after_job()
        kept += [os.open(os.devnull, os.O_RDONLY) for _ in range(60)]
        clock.advance(ms=1_000)
        return [few, "files open, of 200 at most" in tidy.after_job()]

    assert in_a_horse(scene) == [None, True]


def test_a_horse_whose_output_was_closed_leaves(in_a_horse, clock, tmp_path):
    """The next job's first print would be its failure."""

    def scene():
        sys.stdout = (tmp_path / "out").open("w")
        tidy = Tidy(memory_max_mb=0, clock=clock)
        sys.stdout.close()
        return tidy.after_job()

    assert "what was printed" in in_a_horse(scene)


def test_a_job_that_blocks_signals_costs_its_horse(why_it_leaves):
    """The next job's timeout is a signal; and what waits behind the block would strike once it is lifted."""
    assert "blocked signals" in why_it_leaves(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}))


def test_a_horse_whose_own_folder_was_removed_leaves(in_a_horse, clock, tmp_path):
    """A deploy did it, most often. There is no way back."""

    def scene():
        (tmp_path / "x").mkdir()
        os.chdir(tmp_path / "x")
        tidy = Tidy(memory_max_mb=0, clock=clock)
        (tmp_path / "x").rmdir()
        return tidy.after_job()

    assert "working directory" in in_a_horse(scene)


def test_a_horse_that_began_in_a_removed_folder_runs_many_jobs(in_a_horse, clock, tmp_path):
    """Its worker lives there: each horse would leave after one job, for ever."""

    def scene():
        (tmp_path / "x").mkdir()
        os.chdir(tmp_path / "x")
        (tmp_path / "x").rmdir()
        tidy = Tidy(memory_max_mb=0, clock=clock)
        stays = tidy.after_job()
        os.chdir("/")
        return [stays, tidy.after_job()]

    stays, leaves = in_a_horse(scene)
    assert stays is None
    assert "working directory" in leaves


def test_a_horse_that_cannot_be_tidied_up_leaves_without_an_error(why_it_leaves, monkeypatch):
    """How its job ended may still be to be told: an error now would make a crash of it."""

    def put_a_trap():
        def strike():
            raise KeyboardInterrupt("late")

        monkeypatch.setattr(os, "getcwd", strike)

    assert why_it_leaves(put_a_trap) == "it could not be tidied up: KeyboardInterrupt('late')"
