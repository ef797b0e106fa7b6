"""Worker processes: started, watched and killed from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: A process that was sent SIGKILL is gone in microseconds; one in the middle of a page-in takes longer.
_GONE_S = 10

# `python -m rq.cli`, killed by the kernel when the thread that started it ends: a sweep that is itself killed must
# not leave workers behind that wait for their server for ever.
_RQ = """
import ctypes, os, runpy, signal, sys
PR_SET_PDEATHSIG = 1
if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv.pop(1)):
    runpy.run_module('rq.cli', run_name='__main__', alter_sys=True)
"""


class WorkerProcess:
    """One `rq worker`, in a session of its own, and all that it forks. A `with` block starts it and ends all of it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-c", _RQ, str(os.getpid()), "worker", *arguments]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
        self._environment = inherited | {"PYTHONUNBUFFERED": "1"} | dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_tree()
        self._started.wait()

    @property
    def log(self) -> str:
        """All that it has said so far."""
        return self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""

    @property
    def exit_code(self) -> int | None:
        """How the parent ended, below zero by a signal; None while it runs."""
        return self._started.poll()

    @property
    def horse_pid(self) -> int | None:
        """The process id of the horse, or None where there is none."""
        return next(iter(_children_of(self._started.pid)), None)

    def terminate(self) -> None:
        """Send the parent SIGTERM, and nobody else."""
        self._started.terminate()

    def kill_parent(self) -> None:
        """Kill the parent, and return when it is gone. Its horse is told by the kernel."""
        _kill([self._started.pid])

    def kill_horse(self) -> bool:
        """Kill the horse, and return when it is gone. Tells whether there was one."""
        horse = self.horse_pid
        _kill([] if horse is None else [horse])
        return horse is not None

    def kill_tree(self) -> None:
        """Kill the parent and all it forked, the horse in its own process group too, as a machine's end does."""
        if self.exit_code is not None:
            return
        # So that it forks no other while we look.
        os.kill(self._started.pid, signal.SIGSTOP)
        _kill([self._started.pid, *_descendants_of(self._started.pid)])

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("This worker was not started: enter its `with` block.")
        return self._process


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + _GONE_S
    while any(map(_lives, pids)):
        if time.monotonic() > until:
            raise TimeoutError(f"processes {pids} were sent SIGKILL {_GONE_S} s ago and are still there")
        time.sleep(0.0005)


def _lives(pid: int) -> bool:
    """Tell whether a process may still act: a zombie may not, whoever is to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children_of(pid: int) -> list[int]:
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [child for child in map(int, told.split()) if _lives(child)]


def _descendants_of(pid: int) -> Iterable[int]:
    for child in _children_of(pid):
        yield child
        yield from _descendants_of(child)
