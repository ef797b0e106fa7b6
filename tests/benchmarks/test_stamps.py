"""What is taken from the stamps of jobs: the time in which all workers served."""

import threading

import pytest

from benchmarks.stamps import Pipe, Stamp, Stamps, steady
from benchmarks.work import STAMP


def served(worker, begin, jobs, each=1.0):
    return [Stamp(begin + number * each, worker, held=False) for number in range(jobs)]


def test_the_start_of_a_worker_is_no_part_of_its_rate():
    """A tenth of its jobs is left out, and so is all that came before."""
    window = steady(served(0, 5.0, 101), 1)
    assert (window.begun, window.ended, window.jobs) == (15.0, 105.0, 90)
    assert window.per_s == 1.0


def test_the_rate_of_two_begins_when_both_serve():
    """The first worker's time alone would tell of one."""
    window = steady(sorted(served(0, 0.0, 200) + served(1, 100.0, 100)), 2)
    assert window.begun > 100.0
    assert window.per_s == pytest.approx(2.0, rel=0.05)


def test_too_few_jobs_are_no_rate():
    """Where the second worker came when nearly all was done, or never."""
    assert steady(sorted(served(0, 0.0, 200) + served(1, 195.0, 5)), 2) is None
    assert steady(served(0, 0.0, 200), 2) is None
    assert steady([], 1) is None


def test_a_file_counts_and_gives_what_was_stamped(tmp_path):
    """In order, though threads race for the file."""
    stamps = Stamps(tmp_path / "stamps")
    stamps.path.write_bytes(STAMP.pack(2.0, 1, 0) + STAMP.pack(1.0, 0, 1))
    assert stamps.count() == 2
    assert stamps.read() == [(1.0, 0, True), (2.0, 1, False)]


def test_a_pipe_waits_for_a_held_job_and_passes_over_others(tmp_path):
    """And gives nothing when there was none in time."""
    pipe = Pipe(tmp_path / "pipe")
    writer = threading.Thread(
        target=pipe.path.write_bytes, args=(STAMP.pack(1.0, 0, 0) + STAMP.pack(2.0, 1, 1) + STAMP.pack(3.0, 0, 0),)
    )
    writer.start()
    assert pipe.next(10, held=True) == (2.0, 1, True)
    assert pipe.next(10) == (3.0, 0, False)
    assert pipe.next(0) is None
    writer.join()
    pipe.close()
