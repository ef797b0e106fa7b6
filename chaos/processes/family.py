"""A process with all that it forks, hurt and ended from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.chaos.programs import DIE_WITH_STARTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SIGNAL_S = 2.0


class Head(Protocol):
    """The first process of a family, as its starter knows it: what subprocess.Popen can do and we need."""

    @property
    def pid(self) -> int:
        """Its process id, and that of its session."""
        ...

    def poll(self) -> int | None:
        """Tell how it ended, or None while it lives; negative for a signal."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it lives."""
        ...

    def wait(self) -> Any:
        """Return when it has ended."""
        ...


def start_anew(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Head:
    """Start a program in a session of its own. On Linux it is killed when the *thread* that called this ends."""
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", DIE_WITH_STARTER, str(os.getpid()), *command]
    with log.open("ab") as told:
        return subprocess.Popen(
            list(command),
            # `python -m` imports from where it stands: not from where somebody has a jobs.py of their own.
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Family:
    """A process in a session of its own, by which what it forks is known, started as `start` does."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        start: Callable[[Sequence[str], Mapping[str, str], Path, Path], Head] = start_anew,
    ) -> None:
        self.name = name
        #: Whether it was told to end, or killed: an end that nobody asked for is worth a line.
        self.is_doomed = False
        self.log = folder / f"{name}.log"
        self._is_gone = False
        self._process = start(command, environment, folder, self.log)

    @property
    def pid(self) -> int:
        """The process id of its head."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How its head ended, or None while it lives; negative for a signal."""
        return self._process.poll()

    def children(self) -> list[int]:
        """Give all that the head started and that still runs, also after its own end."""
        if self._is_gone:
            return []  # by now its number may be somebody else's
        is_headless = self.exit_code is not None
        found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        found = [pid for pid in found if pid != self.pid and _stat(pid)[2:] == (self.pid,)]
        self._is_gone = is_headless and not found
        return found

    def horses(self) -> list[int]:
        """Give the children that run jobs: each leads a process group of its own, as RQ's do and ours."""
        return [pid for pid in self.children() if _stat(pid)[1:2] == (pid,)]

    def tell(self, number: signal.Signals, *, whole: bool = False) -> None:
        """Send a signal to the head, or to the whole family, the head first."""
        if number in {signal.SIGTERM, signal.SIGKILL}:
            self.is_doomed = True
        if self.exit_code is None:
            self._process.send_signal(number)
        if whole:
            self.tell_each(self.children(), number)

    def tell_each(self, pids: Sequence[int], number: signal.Signals) -> None:
        """Send a signal to some of the family."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End the whole family by SIGKILL and return when it is gone: a machine that lost its power."""
        # So that the head forks no other while we look.
        self.tell(signal.SIGSTOP)
        self.tell_each(self.children(), signal.SIGKILL)
        self.tell(signal.SIGKILL, whole=True)
        self._process.wait()
        until = time.monotonic() + _SIGNAL_S
        while self.children() and time.monotonic() < until:
            time.sleep(0.002)


def _stat(pid: int) -> tuple[str, int, int] | tuple[()]:
    """Give what the kernel says of a process that may still act: its state, process group and session."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return () if told[0] in {"Z", "X"} else (told[0], int(told[2]), int(told[3]))
