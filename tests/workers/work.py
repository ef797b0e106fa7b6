"""What the workers of these tests are asked to do. Imported by them, by name, never by the tests."""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from rq import Queue, Retry, get_current_job
from rq.job import Job

from holdfast.workers import Worker


class LoudJob(Job):
    """A job class of an app's own."""

    def shout(self):
        return self.id.upper()


def shout():
    return get_current_job().shout()


def note(path, text):
    """Write a line, whole or not at all, whoever else writes."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{text}\n".encode())
    os.close(file)


def noted(path, first):
    try:
        return sum(line.startswith(first) for line in Path(path).read_text("utf-8").splitlines())
    except FileNotFoundError:
        return 0


def say(value=None):
    return value


def nap(seconds, value=None):
    time.sleep(seconds)
    return value


def noted_nap(path, seconds, text="began"):
    """Leave a trace of each execution."""
    note(path, f"{text} {os.getpid()}")
    time.sleep(seconds)
    note(path, f"ended {os.getpid()}")
    return text


def boom(text="boom"):
    raise ValueError(text)


def fail_at_first(path, times):
    """Fail that many times, then succeed."""
    note(path, f"tried {time.time():.3f}")
    if noted(path, "tried") <= times:
        raise ValueError("not yet")
    return "at last"


def ask_again(path, times):
    """Return a Retry that many times, then a value: RQ's way of trying again without an error."""
    note(path, f"tried {time.time():.3f}")
    return Retry(max=times) if noted(path, "tried") <= times else "at last"


def progress(path):
    """Say in meta how far it is, and wait to be let go."""
    job = get_current_job()
    job.meta["step"] = "half"
    job.save_meta()
    note(path, f"began {os.getpid()}")
    _wait_for(path, "go")
    job.meta["step"] = "done"
    job.save_meta()


def tell_who():
    job = get_current_job()
    return {"job": job.id, "origin": job.origin, "env": os.environ["RQ_JOB_ID"], "worker": os.environ["RQ_WORKER_ID"]}


def look_up():
    """Ask RQ what the server has of this job."""
    return get_current_job().get_status().value


def held(path, text="began"):
    """Say so, and wait to be let go."""
    note(path, f"{text} {os.getpid()}")
    _wait_for(path, "go")
    return text


def _wait_for(path, word):
    until = time.monotonic() + 60
    while not noted(path, word) and time.monotonic() < until:
        time.sleep(0.01)


# -- deaths


def die_once(path, how):
    """Die the first time it runs, and finish the second."""
    note(path, f"began {os.getpid()}")
    if noted(path, "began") == 1:
        die(how)
    return "survived"


def die(how, path=None):
    if path:
        note(path, f"began {os.getpid()}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    match how:
        case "kill" | int():
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else how)
        case "leave":
            os._exit(0)
        case "kill the worker":
            os.kill(os.getppid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
    time.sleep(60)


def leave_a_child(path, then):
    """Start a program that outlives the job, then end in one way or another."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    note(path, f"child {child.pid}")
    match then:
        case "return":
            child.returncode = 0  # not ours to wait for
            return "left it"
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return None


# -- timeouts


def ignore_the_alarm(path):
    """Python code that took the alarm for itself."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    note(path, f"began {os.getpid()}")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass


def hold_the_interpreter(path, seconds=60):
    """C code that lets no other thread run, and hears no signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    note(path, f"began {os.getpid()}")
    ctypes.PyDLL(None).sleep(seconds)
    note(path, f"ended {os.getpid()}")


# -- sleepers


def sleep_through(path):
    """Wait to be let go the first time, however long that takes; the second time be quick. Try to write then."""
    first = not noted(path, "began")
    note(path, f"began {os.getpid()}")
    if first:
        _wait_for(path, "go")
        note(path, f"woke {os.getpid()}")
    return _write(path, "sleeper" if first else "finisher")


def sleep_unguarded(path):
    """Do so beyond the reach of the guard, as C code that holds the interpreter lock is for a while."""
    end = os._exit

    def end_unless_guard(code):
        if threading.current_thread() is threading.main_thread():
            end(code)
        note(path, "guard")

    if not noted(path, "began"):
        os._exit = end_unless_guard
    return sleep_through(path)


def _write(path, who):
    job = get_current_job()
    job.meta["by"] = who
    try:
        job.save_meta()
    except BaseException as error:
        note(path, f"refused {who} {type(error).__name__}")
        raise
    note(path, f"wrote {who}")
    return who


# -- callbacks: the job's first argument says where they write


def on_success(job, connection, result):
    note(job.args[0], f"success {result}")


def on_failure(job, connection, kind, error, trace):
    note(job.args[0], f"failure {kind.__name__} {error}")


def on_stopped(job, connection):
    note(job.args[0], "stopped")


def on_stopped_slowly(job, connection):
    note(job.args[0], "cleaning")
    time.sleep(1)
    note(job.args[0], "cleaned")


def spoil_success(job, connection, result):
    raise RuntimeError("the callback broke")


def spoil_failure(job, connection, kind, error, trace):
    raise RuntimeError("that callback broke too")


def die_telling(job, connection, kind, error, trace):
    note(job.args[0], "telling")
    die("kill")


def hang(job, connection, result):
    note(job.args[0], "hanging")
    time.sleep(60)


def noted_boom(path):
    note(path, f"began {os.getpid()}")
    raise ValueError("boom")


# -- what the code of jobs does


def start_and_end_a_process(path):
    """Start a helper as multiprocessing does, and end it before it is done."""
    helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    helper.start()
    helper.terminate()
    helper.join()
    note(path, f"ended with {helper.exitcode}")


def count_in_a_pool(numbers):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(abs, numbers))


def leave(code):
    sys.exit(code)


async def say_later(value):
    await asyncio.sleep(0.01)
    return value


def talk_to_redis(times):
    """Use the connection RQ hands to a job, and see that each answer belongs to its question."""
    connection = get_current_job().connection
    for number in range(times):
        connection.set("talk", number)
        if int(connection.get("talk")) != number:
            raise AssertionError(number)
    return times


def enqueue_another(path):
    job = get_current_job()
    Queue(job.origin, connection=job.connection).enqueue(note, path, "child")


def handle_error(job, kind, error, trace):
    """Be told of a failure, as an exception handler of the command line."""
    note(job.args[0], f"handled {kind.__name__}")
    return False


class MournfulWorker(Worker):
    """Says of each horse that was killed what RQ tells it."""

    def __init__(self, *args, **options):
        super().__init__(*args, work_horse_killed_handler=self.mourn, **options)

    @staticmethod
    def mourn(job, pid, status, usage):
        note(job.args[0], f"mourned {pid} {status} {usage.ru_maxrss > 0}")


def say_when(path):
    """Say, first of all, what time it is by the clock that all processes of a machine share."""
    note(path, f"at {time.monotonic()}")
