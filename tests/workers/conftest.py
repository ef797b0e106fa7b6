"""Real workers on a private server: started, watched through what they leave behind, and ended to the last child."""

import json
import os
import secrets
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from holdfast.chaos.server import NoServer, PrivateServer
from holdfast.jobs.store import keys
from tests import patience

HERE = Path(__file__).parent
OURS = "holdfast.workers.Worker"
#: Real workers on a busy machine take their time.
patiently = partial(patience.wait_until, within=30.0)
#: Short, but long enough for a machine that is busy with other tests.
FAST = {
    "lease_ms": 4_000,
    "renew_ms": 300,
    "margin_ms": 300,
    "reap_ms": 200,
    "promote_ms": 100,
    "poll_ms": 200,
    "grace_ms": 5_000,
    "overtime_ms": 500,
    "record_moves": 1,
}


def state_of(pid):
    """Give the letter the kernel has for a process, or None where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def lives(pid):
    """Tell whether a process is there: a zombie is dead, whoever is to collect it."""
    return state_of(pid) not in {None, "Z", "X"}


class Worker:
    """A worker process, seen and hurt from outside."""

    def __init__(self, name, command, environment, log):
        self.name = name
        self._log = log
        # All that it ever starts carries the mark, whoever its parent is by then.
        self._mark = f"MARK_OF_A_TEST={secrets.token_hex(8)}"
        label, _, value = self._mark.partition("=")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environment | {label: value},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self._process.pid

    @property
    def has_ended(self):
        """Whether it is gone, and collected."""
        return self._process.poll() is not None

    @property
    def log(self):
        return self._log.read_text("utf-8", errors="replace")

    @property
    def family(self):
        """The worker and all it started that still run, the worker first."""
        # For a moment after it was started it has no environment that could be read.
        mark, found = self._mark.encode(), {self.pid}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    if mark in (folder / "environ").read_bytes().split(b"\0"):
                        found.add(int(folder.name))
        return sorted(filter(lives, found), key=lambda pid: pid != self.pid)

    @property
    def horse(self):
        """The process id of its horse, or None."""
        with suppress(FileNotFoundError):
            for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split():
                if lives(int(child)):
                    return int(child)
        return None

    @property
    def cpu_s(self):
        """Seconds of processor time the parent has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, number):
        """Signal the parent alone."""
        self._process.send_signal(number)

    def send_to_all(self, number):
        """Signal everything of it, the parent first, as a supervisor does with a control group."""
        for pid in self.family:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self):
        """Stop the parent alone, and return when it stands still."""
        self.send(signal.SIGSTOP)
        patiently(lambda: state_of(self.pid) == "T")

    def freeze_all(self):
        """Stop the whole tree: a virtual machine that is moved, a laptop that is shut."""
        self.send_to_all(signal.SIGSTOP)
        patiently(lambda: all(state_of(pid) == "T" for pid in self.family))

    def thaw(self):
        self.send(signal.SIGCONT)

    def thaw_all(self):
        self.send_to_all(signal.SIGCONT)

    def kill(self):
        """Kill the parent alone by SIGKILL."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def kill_all(self):
        """Kill the whole tree by SIGKILL: a machine that lost its power."""
        self.send_to_all(signal.SIGKILL)
        self._process.wait()

    def wait(self, within=30.0):
        """Wait until it has ended, and give its exit code."""
        return self._process.wait(within)


@pytest.fixture
def server():
    """Run a real server for this test alone, on a port, so that it may be hurt and stood behind a proxy."""
    try:
        with PrivateServer() as private:
            yield private
    except NoServer as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def start_worker(server, tmp_path):
    """Give a function that starts `rq worker` on these queues, with settings as `lease_ms=1_000`."""
    started = []

    def start(*queues, name=None, options=(), command="worker", url=None, worker_class=OURS, through=(), **settings):
        name = name or f"worker-{len(started) + 1}"
        where = [] if "-c" in options else ["-u", url or server.url]
        line = [*through, sys.executable, "-m", "rq.cli", command, *where, "-w", worker_class, *options]
        line += ["--name", name] if command == "worker" else []
        own = {key: value for key, value in os.environ.items() if not key.startswith(("HOLDFAST_", "RQ_"))}
        own |= {f"HOLDFAST_{key.upper()}": str(value) for key, value in (FAST | settings).items()}
        own |= {"PYTHONPATH": os.pathsep.join([str(HERE), own.get("PYTHONPATH", "")]), "PYTHONUNBUFFERED": "1"}
        log = tmp_path / f"{len(started) + 1}-{name}.log"
        started.append(Worker(name, [*line, *(queues or ["default"])], own, log))
        return started[-1]

    yield start
    for worker in started:
        worker.kill_all()
        told = "\n".join(worker.log.splitlines()[-60:])
        print(f"--- the end of what {worker.name} ({worker.pid}) said:\n{told}")


@pytest.fixture
def start_ready(start_worker, redis):
    """Start workers as start_worker does, and return when they wait for a job or have one."""

    def start(*queues, **how):
        worker = start_worker(*queues, **how)
        at_work = {b"idle", b"busy", b"suspended"}
        patiently(lambda: redis.hmget(keys.worker(worker.name), "state")[0] in at_work)
        return worker

    return start


@pytest.fixture
def wait_until():
    """Give a function that waits for a moment: `wait_until(condition, within=seconds)`."""
    return patiently


@pytest.fixture
def slow_ms():
    """Give what a machine that is busy with other tests may add to a bound."""
    return 2_000


@pytest.fixture
def is_alive():
    """Give a function that tells whether a process is there and no zombie."""
    return lives


class Notes:
    """A file in which jobs write a line each time something happens: what no Redis can take back."""

    def __init__(self, path):
        self.path = str(path)

    def __call__(self, first=""):
        """Give the lines so far, or those that start with a word."""
        try:
            lines = Path(self.path).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.startswith(first)]

    def say_go(self):
        """Let the jobs go on that wait for a word here."""
        with Path(self.path).open("a", encoding="utf-8") as file:
            file.write("go\n")

    def pids(self, first):
        """Give the process ids that such lines name."""
        return [int(line.split()[-1]) for line in self(first)]


@pytest.fixture
def notes(tmp_path):
    """Give a file for jobs to write in."""
    return Notes(tmp_path / "notes")


class Ledger:
    """What Redis says of a job, read behind everybody's back."""

    def __init__(self, redis: Redis):
        self._redis = redis

    def field(self, job, name):
        """Give a field of the job's record as text, or None."""
        value = self._redis.hget(keys.job(_id(job)), name)
        return None if value is None else value.decode()

    def status(self, job):
        return self.field(job, "status")

    def number(self, job, name):
        """Give a field that counts; 0 where it is not there."""
        return int(self.field(job, name) or 0)

    def moves(self, job=None, word=None):
        """Give the recorded moves, of one job or of all: a dict each, in the server's order."""
        entries = self._redis.xrange(keys.moves.spelling)
        found = [{name.decode(): value.decode() for name, value in entry.items()} for _, entry in entries]
        return [
            move
            for move in found
            if (job is None or move["job"] == _id(job)) and (word is None or move["move"] == word)
        ]

    def now_ms(self):
        """Tell the time by the server's clock."""
        seconds, micros = self._redis.time()
        return seconds * 1000 + micros // 1000


def _id(job):
    return getattr(job, "id", job)


@pytest.fixture
def ledger(redis):
    """Give a reader of what Redis says of jobs."""
    return Ledger(redis)


@pytest.fixture
def in_a_horse():
    """Play a scene in a child of its own, and give what it gave: pytest's process stays as it is."""

    def play(scene):
        reads, writes = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                told = {"gave": scene()}
            except BaseException:  # noqa: BLE001 - told by the parent
                told = {"broke": traceback.format_exc()}
            os.write(writes, json.dumps(told).encode())
            os._exit(0)
        os.close(writes)
        with os.fdopen(reads) as pipe:
            told = json.loads(pipe.read() or '{"broke": "it died"}')
        os.waitpid(pid, 0)
        assert "broke" not in told, told["broke"]
        return told["gave"]

    return play
