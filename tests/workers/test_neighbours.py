"""Jobs share a horse, and one of them behaves badly: it costs that horse at most, and never its neighbours."""

import os

import pytest
import rq

pytestmark = pytest.mark.processes


@pytest.fixture
def run(start_worker, redis):
    """Run calls in one line by a worker whose horses run up to a hundred jobs; give their results and the log."""

    def play(*calls, **settings):
        queue = rq.Queue(connection=redis)
        jobs = [queue.enqueue(f"neighbours.{name}", *given) for name, *given in calls]
        worker = start_worker(options=["--burst"], **{"jobs_per_horse": 100} | settings)
        assert worker.wait(within=30) == 0
        return [job.return_value(refresh=True) for job in jobs], jobs, worker.log

    return play


def test_what_a_job_changes_does_not_reach_its_neighbour(run):
    """Variables, context, folder, handlers, alarm; what its module set up when it was imported is there for all."""
    (before, pid, after), _, log = run(["look"], ["leave_a_mess"], ["look"])
    assert before == after
    assert before[0] == pid
    assert before[1][:3] == [None, None, "k"]
    assert before[1][-2:] == ["shop", "0.3333"]
    assert "replaced" not in log


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["leave_a_thread"], "thread 'uploader' of the job still runs"),
        (["leave_a_child"], "a child process of the job still runs"),
        (["leave_signals_blocked"], "the job blocked signals"),
        (["eat", 200], "MB of memory, and may go on with 150 at most"),
    ],
)
def test_what_cannot_be_put_back_costs_the_horse_and_no_job(run, call, words):
    """The neighbour before ran in that horse, the one after runs in another, and the log says why."""
    (before, pid, after), jobs, log = run(["look"], call, ["look"], horse_memory_max_mb=150)
    assert before[0] == pid
    assert after[0] != pid
    assert before[1] == after[1]
    assert [line for line in log.splitlines() if "This horse is replaced: " in line and words in line]
    assert {job.get_status() for job in jobs} == {"finished"}


def test_a_job_that_kills_its_horse_costs_its_neighbours_nothing(run, tmp_path, ledger):
    """One crash, of the one that died; the others run once, before and after."""
    (first, _, last), jobs, log = run(["look"], ["die_once", str(tmp_path / "died")], ["look"])
    assert first[0] != last[0]
    assert [ledger.number(job, "hf_crashes") for job in jobs] == [0, 1, 0]
    assert {job.get_status() for job in jobs} == {"finished"}
    assert log.count("crashed") == 1


@pytest.mark.parametrize("settings", [{"jobs_per_horse": 1}, {}, {"prefetch": 20}], ids=["plain", "many", "ahead"])
def test_a_job_that_closes_the_files_of_its_horse_has_run_once(run, tmp_path, ledger, settings):
    """It is settled all the same, the next horse has the others, and what it opened gets no words of ours."""
    file = tmp_path / "file"
    calls = [["look"], ["close_files", str(file)], *[["look"]] * 4]
    _, jobs, log = run(*calls, **settings)
    assert {job.get_status() for job in jobs} == {"finished"}
    assert [len(ledger.moves(job, "complete")) for job in jobs] == [1] * len(jobs)
    assert not ledger.moves(word="crash")
    assert not ledger.moves(word="reclaim")
    assert "killed" not in log
    assert file.read_bytes() == b""
    assert log.count("closed files that are not its own") == 1


def test_a_job_that_comes_back_as_two_has_run_once(run, ledger):
    """The one that began it speaks for it; the other ends without a word, and takes none that is in line."""
    _, jobs, _ = run(["look"], ["become_two"], *[["look"]] * 20)
    assert {job.get_status() for job in jobs} == {"finished"}
    assert [ledger.number(job, "hf_executions") for job in jobs] == [1] * len(jobs)
    assert [ledger.number(job, "hf_crashes") for job in jobs] == [0] * len(jobs)


def test_coroutines_share_a_horse(run):
    """Each has an event loop of its own, which ends with it, and so do the threads of its pool."""
    (one, other), _, log = run(["say"], ["say"])
    assert one == other
    assert "replaced" not in log


def test_code_that_was_deployed_beside_a_running_horse_is_what_runs_soon(
    start_worker, redis, tmp_path, monkeypatch, wait_until
):
    """As with a fork for each job, if a second later; and nobody restarted the worker."""
    code = tmp_path / "deployed.py"
    code.write_text("import os\ndef version():\n    return os.getpid(), 'old'\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    start_worker(jobs_per_horse=1_000)
    queue = rq.Queue(connection=redis)

    def version():
        job = queue.enqueue("deployed.version")
        wait_until(lambda: job.get_status(refresh=True).value == "finished")
        return job.return_value()

    old = version()
    assert old == version()
    code.write_text("import os\ndef version():\n    return os.getpid(), 'newer'\n", "utf-8")
    new = wait_until(lambda: (found := version())[1] == "newer" and found, within=5)
    assert new[0] != old[0]
