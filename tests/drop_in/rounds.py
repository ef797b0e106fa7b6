"""One run of RQ's tests, on a private server, in a family of processes that all end with it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.chaos.processes.family import Family
from holdfast.chaos.server import PrivateServer
from tests.drop_in.judge import read

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.drop_in.judge import Outcome

_SUBSTITUTE = Path(__file__).parent / "substitute"
#: A run takes a minute and a half, a single test at most some ten seconds.
_LONGEST_S = 400
_LONGEST_TEST_S = 90
_LEAVES_WITHIN_S = 5


def run(
    tests: Path, folder: Path, ours: str, names: Collection[str], settings: Mapping[str, str] | None = None
) -> Outcome:
    """Run these of RQ's tests with `ours` in place of RQ's, in a folder that is made anew.

    `settings` are what our workers find in their environment; by default nothing.

    Raises RuntimeError when pytest came to no end within 400 s.
    """
    shutil.copytree(tests, folder / "tests")
    with PrivateServer() as server:
        for file in (folder / "tests").glob("*.py"):
            file.write_text(file.read_text("utf-8").replace("6379", str(server.port)), "utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RQ_", "HOLDFAST_"))}
        environment |= settings or {}
        environment |= {
            "RQ_SUITE_PORT": str(server.port),
            "RQ_SUITE_OURS": ours,
            "PYTHONPATH": os.pathsep.join([str(_SUBSTITUTE), *filter(None, [environment.get("PYTHONPATH")])]),
            # Some of RQ's tests start `rq` by its name.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
        }
        report = folder / "report.xml"
        # -v: when a test hangs, the last line names it.
        pytest = [sys.executable, "-m", "pytest", "-v", "--no-header", "--tb=no", f"--timeout={_LONGEST_TEST_S}"]
        pytest += ["-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore", f"--junitxml={report}"]
        suite = Family("pytest", [*pytest, *(f"tests/{name}" for name in sorted(names))], environment, folder)
        try:
            _wait_for(suite, report)
        finally:
            suite.kill()
    return read(report)


def _wait_for(suite: Family, report: Path) -> None:
    """Wait until the report is written: a test may leave a process for which pytest's Python waits at its end."""
    gives_up_s = time.monotonic() + _LONGEST_S
    while suite.exit_code is None and time.monotonic() < gives_up_s:
        if report.exists():
            gives_up_s = min(gives_up_s, time.monotonic() + _LEAVES_WITHIN_S)
        time.sleep(0.2)
