"""The demo's workers: real `rq worker` processes, hurt and ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.chaos.demo.judge import short
from holdfast.chaos.programs import DIE_WITH_STARTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

QUEUES = ("high", "default")
#: How long a process may take to stand still, or to be gone, after its signal.
_SIGNAL_S = 2.0


class Worker:
    """One worker process and its horse. Everything it starts is in its session, and known by that."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        #: What it is, for the picture: starting, alive, killed, asleep, stopping or gone.
        self.state = "starting"
        #: Why it stands where another stood, for the picture.
        self.story = ""
        self._log = folder / f"{name}.log"
        self._read = 0
        self._is_gone = False
        command = [sys.executable, "-m", "rq.cli", "worker", "-w", "holdfast.workers.Worker"]
        command += ["--name", name, *QUEUES]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", DIE_WITH_STARTER, str(os.getpid()), *command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                # `python -m` imports from where it stands: not from where somebody has a jobs.py of their own.
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo. And its family is then known by its session.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it lives; negative for a signal."""
        return self._process.poll()

    def family(self) -> list[int]:
        """Give the worker and everything it started that still runs, the worker first."""
        if self._is_gone:
            return []  # by now its number may be somebody else's
        found = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        return sorted((pid for pid in found if self._is_ours(pid)), key=lambda pid: pid != self.pid)

    def _is_ours(self, pid: int) -> bool:
        state, session = _state_of(pid)
        return session == self.pid and state not in {"Z", "X"}

    def freeze(self) -> None:
        """Stop the whole family and return when it stands still: a laptop that is shut, a machine that is moved."""
        self._signal_all(signal.SIGSTOP)
        _wait_until(lambda: all(_state_of(pid)[0] in {"T", "Z", ""} for pid in self.family()))

    def thaw(self) -> None:
        """Let the family go on."""
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole family by SIGKILL and return when it is gone: a machine that lost its power."""
        self._signal_all(signal.SIGKILL)
        self._process.wait()
        self._is_gone = _wait_until(lambda: not self.family())

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the worker alone, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        # The worker first, so that it starts nothing behind our back.
        if self.exit_code is None:
            self._process.send_signal(number)
        for pid in self.family():
            if pid != self.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def last_words(self) -> str:
        """Give its exit code and the last line of its log."""
        lines = self._log.read_text("utf-8", errors="replace").splitlines()
        return f"exit {self.exit_code}: {lines[-1] if lines else 'no log'}"

    def new_log(self) -> str:
        """Give the whole lines that its log has gained since the last look."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            gained = log.read()
        whole = gained[: gained.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace")


class Fleet:
    """Places with a worker in each. One that is replaced is remembered."""

    def __init__(self, start: Callable[[str], Worker]) -> None:
        self._start = start
        #: Every worker there ever was, in the order they came.
        self.all: list[Worker] = []
        #: The one in each place now.
        self.places: list[Worker] = []

    def fill(self, places: int) -> None:
        """Start a worker in each of so many places."""
        for _ in range(places):
            self.places.append(self._add())

    def _add(self) -> Worker:
        self.all.append(self._start(f"w{len(self.all) + 1}"))
        return self.all[-1]

    def replace(self, place: int, why: str) -> Worker:
        """Put a new worker where one has ended."""
        self.places[place] = worker = self._add()
        worker.story = why
        return worker

    def fallen(self) -> list[str]:
        """Name the workers that ended although nobody asked them to, each with its last words."""
        unasked = (worker for worker in self.all if worker.state in {"starting", "alive"})
        return [f"{short(worker.name)} ({worker.last_words()})" for worker in unasked if worker.exit_code is not None]

    def stop(self, within_s: float) -> None:
        """Ask all to stop, and end by SIGKILL what has not ended in time."""
        for worker in self.places:
            if worker.exit_code is None:
                worker.state = "stopping"
                worker.thaw()
                worker.ask_to_stop()
        _wait_until(lambda: all(worker.exit_code is not None for worker in self.all), within_s)
        self.kill()

    def kill(self) -> None:
        """End by SIGKILL whatever still runs of any worker there ever was."""
        for worker in self.all:
            worker.kill()


def _state_of(pid: int) -> tuple[str, int]:
    """Give the letter the kernel has for a process, and its session; an empty one if there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return told[0], int(told[3])


def _wait_until(holds: Callable[[], bool], within_s: float = _SIGNAL_S) -> bool:
    until = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.005)
    return held
