"""Runs RQ's own tests with our Worker, and then also our Queue, in place of RQ's: `make rq-suite`.

The workers run as they do by default: many jobs in one horse. `make rq-suite ARGS="--mode prefetch"` has them also take
several at a time, `--mode fork` fork for each job as RQ does.

The tests are those of the installed release, out of its source distribution; the server is private. What fails without
being on our list is run once more, alone, and then with stock RQ: a test that stock RQ fails here says nothing of us.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.drop_in.differences import DIFFERENCES, DIFFERENCES_OF_QUEUE
from tests.drop_in.judge import judge
from tests.drop_in.rounds import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.drop_in.judge import Findings

#: RQ's test files that are run, as in test_worker.py. What a worker does, and what enters and leaves its queues.
TOPICS = {
    *("worker", "worker_pool", "worker_registration", "spawn_worker", "commands", "timeouts"),
    *("retry", "repeat", "results", "callbacks", "webhooks", "executions", "registry"),
    *("dependencies", "job_dependency", "group", "scheduler", "intermediate_queue"),
    *("job", "decorator", "queue_unique"),
}
#: What RQ's tests import, beside RQ and pytest.
NEEDED = ("psutil", "pytest_timeout")


@dataclass(frozen=True)
class Round:
    """One run of all chosen tests."""

    #: What is put in place, as substitute/sitecustomize.py reads it.
    ours: str
    says: str
    differences: dict[str, str]


ROUNDS = (
    Round("worker", "holdfast.workers.Worker in place of rq.Worker", DIFFERENCES),
    Round(
        "worker,queue",
        "holdfast.workers.Worker and holdfast.jobs.Queue in place of rq.Worker and rq.Queue",
        DIFFERENCES | DIFFERENCES_OF_QUEUE,
    ),
)


#: How our workers run jobs, as their environment says it.
MODES = {
    "fork": {"HOLDFAST_JOBS_PER_HORSE": "1"},
    "many-jobs": {"HOLDFAST_JOBS_PER_HORSE": "1000"},
    "prefetch": {"HOLDFAST_JOBS_PER_HORSE": "1000", "HOLDFAST_PREFETCH": "16"},
}


class Missing(Exception):
    """The suite cannot run here; says what it lacks, and what to do."""


def fetch(folder: Path) -> Path:
    """Fetch the source distribution of the installed RQ, and give its folder of tests. Raises Missing."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        raise Missing(f"RQ's tests need {', '.join(lacking)}: pip install -e '.[dev]', as `make venv` does.")
    wanted = f"rq=={version('rq')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-binary", "rq", "--dest", str(folder), wanted], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Missing(
            f"`pip download` did not get the source distribution of {wanted}, which brings RQ's tests. "
            f"This needs a package index that pip can reach. pip said:\n{done.stderr[-1500:]}"
        )
    (archive,) = folder.glob("rq-*.tar.gz")
    with tarfile.open(archive) as packed:
        # Python 3.11.4 is the first that takes a filter.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(folder)
    return folder / archive.name.removesuffix(".tar.gz") / "tests"


def hold(one: Round, tests: Path, folder: Path, settings: Mapping[str, str]) -> Findings:
    """Run one round, and what fails in it again: alone, then with stock RQ. In a folder of its own in `folder`."""
    folder /= one.ours
    shown = run(tests, folder / "all", one.ours, [f"test_{topic}.py" for topic in TOPICS], settings)
    unexpected = shown.failed - set(one.differences)
    if not unexpected:
        return judge(shown, one.differences)
    again = run(tests, folder / "again", one.ours, unexpected, settings).failed & unexpected
    stock = run(tests, folder / "stock", "", again).failed if again else frozenset()
    return judge(shown, one.differences, fails_again=again, stock_fails=stock)


def tell_plan(tests: Path) -> None:
    """Say what is run, and what is not."""
    files = {file.stem.removeprefix("test_") for file in tests.glob("test_*.py")}
    print(f"RQ {version('rq')}'s own tests, on a private server.")
    print(f"Run:      {' '.join(sorted(files & TOPICS))}")
    print(f"Not run:  {' '.join(sorted(files - TOPICS))} (not about what a worker does)", flush=True)


def main() -> int:
    """Run the rounds, and tell. 1: something is wrong; 2: it could not be run."""
    asks = argparse.ArgumentParser(description="Run RQ's own tests with our classes in place of RQ's.")
    asks.add_argument("--mode", choices=MODES, default="many-jobs", help="how our workers run jobs")
    asks.add_argument("--only", choices=[one.ours for one in ROUNDS], help="this round alone")
    asked = asks.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-rq-") as made:
        try:
            tests = fetch(Path(made))
        except Missing as missing:
            print(f"RQ's tests were not run. {missing}", file=sys.stderr)
            return 2
        tell_plan(tests)
        rounds = [each for each in ROUNDS if asked.only in {None, each.ours}]
        to_hold = partial(hold, tests=tests, folder=Path(made), settings=MODES[asked.mode])
        # At once, as a round mostly waits. In processes of their own, so that Ctrl-C ends each in its own way.
        with ProcessPoolExecutor(len(rounds)) as pool:
            for each, found in zip(rounds, pool.map(to_hold, rounds), strict=True):
                print(f"\n{each.says} ({asked.mode}):\n{found.tell(each.differences)}", flush=True)
                wrong += len(found.wrong)
    print("\nAs the list says: see docs/rq-suite.md." if not wrong else f"\nNOT as the list says: {wrong} wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
