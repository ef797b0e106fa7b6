"""Where a worker prints is closed, full, gone or hardly a stream: jobs are run all the same, and the log goes on."""

import os
import resource
import sys
from pathlib import Path

import pytest
import rq

from holdfast.jobs.store import keys
from holdfast.workers import output
from holdfast.workers.tidy import Tidy

pytestmark = pytest.mark.processes

#: As in most deployments: what is printed waits in Python's buffer.
_BUFFERED = "unset PYTHONUNBUFFERED; exec"
_READER_GONE = "import os, sys; r, w = os.pipe(); os.dup2(w, 1); os.close(r); os.execvp(sys.argv[1], sys.argv[1:])"
_AS_A_LOG = "import sys; sys.stdout = type('ToLog', (), {'write': lambda self, text: None})()"


def by_shell(redirections=""):
    return ["sh", "-c", f'{_BUFFERED} "$@" {redirections}', "sh"]


def leads_to(pid):
    """Tell what stdin, stdout and stderr of a process are."""
    files = [Path(f"/proc/{pid}/fd/{number}") for number in range(3)]
    return [str(file.readlink()) for file in files if file.is_symlink()]


@pytest.fixture
def run_all(redis, wait_until, ledger):
    """Give a function that has a worker run jobs, some of which cost their horse, and tells what was made of them."""

    def run(worker, *more):
        queue = rq.Queue(connection=redis)
        calls = [("work.say",), ("neighbours.leave_a_thread",), ("work.say",), *more]
        jobs = [queue.enqueue(*call) for call in calls * 3]
        wait_until(lambda: all(ledger.status(job) == "finished" for job in jobs))
        words = {move["move"] for move in ledger.moves()}
        starts = redis.hget(keys.worker(worker.name), "hf_false_starts")
        worker.send(15)
        worker.wait()
        return words & {"give_back", "crash", "reclaim"}, starts or b"0"

    return run


WELL = (set(), b"0")
PRINT = ("builtins.print", "a line")


@pytest.mark.parametrize(
    "where",
    [">/dev/full", ">/dev/full 2>&1", ">&-", ">&- 2>&-", "<&- >&- 2>&-"],
    ids=["full", "both full", "none", "nor stderr", "nor stdin"],
)
@pytest.mark.parametrize("how", [{}, {"jobs_per_horse": 1}], ids=["plain", "a fork each"])
def test_jobs_are_run_whatever_becomes_of_what_is_printed(start_ready, run_all, where, how):
    """FM-056: the disk of the log was full, and no worker of the machine ran a job."""
    assert run_all(start_ready(through=by_shell(where), **how), PRINT) == WELL


def test_jobs_are_run_when_the_reader_of_the_log_has_gone(start_ready, run_all):
    """FM-056: `rq worker | tee log`, and somebody ended tee."""
    through = ["env", "-u", "PYTHONUNBUFFERED", sys.executable, "-c", _READER_GONE]
    assert run_all(start_ready(through=through), PRINT) == WELL


@pytest.mark.parametrize(
    ("setup", "where"),
    [
        (_AS_A_LOG, ""),
        ("import sys; sys.stdout.close()", ""),
        ("import os; os.close(1)", ""),
        ("print('-' * 100)", ">/dev/full"),
    ],
    ids=["without flush", "closed", "without its file", "printed to"],
)
def test_jobs_are_run_whatever_a_settings_module_does_to_stdout(start_ready, server, tmp_path, run_all, setup, where):
    """FM-056: a crash was charged to each job that such a worker took, and the fourth buried it."""
    (tmp_path / "odd_settings.py").write_text(f"REDIS_URL = {server.url!r}\n{setup}\n", "utf-8")
    options = ["-c", "odd_settings", "--path", str(tmp_path)]
    worker = start_ready(through=by_shell(where), options=options)
    assert not [name for name in leads_to(worker.pid) if name.startswith(("pipe:", "socket:", "anon_inode:"))]
    assert run_all(worker) == WELL


def test_a_pool_without_stdout_runs_its_jobs(start_worker, redis, ledger):
    """It ended with exit code 0, and left the job started."""
    jobs = [rq.Queue(connection=redis).enqueue("work.say") for _ in range(5)]
    pool = start_worker(command="worker-pool", through=by_shell(">&-"), options=["-n", "1", "--burst"])
    assert pool.wait() == 0
    assert {ledger.status(job) for job in jobs} == {"finished"}


def test_no_connection_has_a_number_that_is_printed_to(start_ready, redis, wait_until, notes):
    """What a job's child prints went to Redis, as part of whatever was said there."""
    worker = start_ready(through=by_shell("<&- >&- 2>&-"))
    rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    numbers = leads_to(worker.pid) + leads_to(worker.horse)
    notes.say_go()
    assert numbers == [os.devnull] * 6


def test_when_there_is_room_again_the_log_goes_on_and_says_nothing_twice(start_ready, redis, wait_until, ledger):
    """What the parent could not write is in the buffer of each horse that it forks then."""
    worker, queue = start_ready(through=by_shell()), rq.Queue(connection=redis)
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    first = queue.enqueue("work.say")
    for _ in range(2):
        job = queue.enqueue("neighbours.leave_a_thread")
        wait_until(lambda job=job: ledger.status(job) == "finished")
    held = queue.enqueue("work.nap", 1)
    wait_until(lambda: ledger.status(held) == "started" and worker.horse is not None)
    for pid in (worker.pid, worker.horse):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limit)
    last = queue.enqueue("builtins.print", "a line")
    wait_until(lambda: "a line" in worker.log and f"Job OK ({last.id})" in worker.log)
    worker.send(15)
    worker.wait()
    lines = [line for line in worker.log.splitlines() if " default: " in line]
    assert f"({first.id})" in "".join(lines)
    assert len(lines) == len(set(lines))


def test_what_a_job_printed_to_a_full_disk_costs_neither_the_horse_nor_a_later_job(in_a_horse, clock, tmp_path):
    """Stock RQ's horse ends and takes it along."""

    def scene():
        sys.stdout = Path("/dev/full").open("w")  # noqa: SIM115 - closed with its process
        tidy = Tidy(memory_max_mb=0, clock=clock)
        left = []
        for _ in range(3):
            print("a line")
            left.append(tidy.after_job())
        there_is_room = (tmp_path / "out").open("w")
        os.dup2(there_is_room.fileno(), sys.stdout.fileno())
        print("later", flush=True)
        return [left, (tmp_path / "out").read_text()]

    assert in_a_horse(scene) == [[None] * 3, "later\n"]


def test_a_job_that_put_another_file_in_the_place_of_stdout_costs_its_horse(in_a_horse, clock, tmp_path):
    """The next job's first print would be its failure."""

    def scene():
        sys.stdout = (tmp_path / "out").open("w")
        tidy = Tidy(memory_max_mb=0, clock=clock)
        print("a line")
        os.close(sys.stdout.fileno())
        return tidy.after_job()

    assert "what was printed cannot be written" in in_a_horse(scene)


def test_what_was_dropped_is_gone_and_the_stream_is_as_before(tmp_path):
    """A log handler holds that very stream."""
    with (tmp_path / "out").open("w") as stream:
        stream.write("dropped")
        output.drop(stream)
        assert (stream.write("kept"), os.get_inheritable(stream.fileno())) == (4, False)
    assert (tmp_path / "out").read_text() == "kept"
