"""Processes and signals: the seam that a simulation replaces."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from holdfast.workers import horse_signals, output
from holdfast.workers.reins import pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.workers.messages import FromHorse, FromParent
    from holdfast.workers.reins import Bit, Reins

_PR_SET_PDEATHSIG = 1
_FREEZE_PATIENCE_S = 1.0
#: How long a process is given to stop where nobody says that it has.
_FREEZE_UNSEEN_S = 0.05
_CGROUP_EVENTS = Path("/sys/fs/cgroup/memory.events")

#: Exit code of a horse whose lease ended under it: nothing is to be charged.
LEASE_ENDED = 75
#: And of one that settled by itself what it had begun, as nobody could hear it any more.
SETTLED_ALONE = 176

#: A clock that only grows, in seconds.
now_s = time.monotonic
#: Offers the core to whoever wants it. Where the system has no word for that, a sleep of no length comes near.
give_way: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))

# Loaded before any fork: a child of a process with threads should not import.
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Ending:
    """How a horse ended."""

    exit_code: int | None
    signal: int | None
    out_of_memory: bool = False
    #: What waitpid() said, and what the process used, where the system tells.
    wait_status: int = 0
    usage: Any = None

    def __str__(self) -> str:
        if self.out_of_memory:
            return "killed by the kernel: out of memory"
        if self.signal is not None:
            return f"signal {self.signal} ({horse_signals.name_of(self.signal)})"
        return f"exit code {self.exit_code} without settling"


class NoProcess(Exception):
    """The system has none to give, or no pipes to lead it by."""


class Horse(Protocol):
    """A child that runs job functions."""

    pid: int

    def files(self) -> dict[int, bool]:
        """Give the descriptors that become readable when it ends or has said something.

        True: also wait until it can be written to.
        """
        ...

    @property
    def is_watched(self) -> bool:
        """Whether one of its files becomes readable when it ends, whoever else holds its ends of the reins."""
        ...

    def say(self, *messages: FromParent) -> None:
        """Tell it something, without waiting."""
        ...

    def heard(self) -> list[FromHorse]:
        """Give what it has said since; also when it has ended."""
        ...

    def ended(self) -> Ending | None:
        """Tell how it ended, or None while it lives."""
        ...

    def freeze(self) -> None:
        """Stop it where it stands, so that what it works on can be read."""
        ...

    def thaw(self) -> None:
        """Let it go on."""
        ...

    def kill(self) -> Ending:
        """Kill it with its whole process group, and wait until it is gone."""
        ...


class Runtime(Protocol):
    """What the engine asks of the operating system."""

    def start_horse(self, run: Callable[[Bit], int]) -> Horse:
        """Start a child that runs `run` and exits with what it returns. Raises NoProcess."""
        ...


def _pidfd_of(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # a system without, an old kernel, a filter of system calls
        return -1


class ForkedHorse:
    """A forked child and its process group."""

    def __init__(self, pid: int, reins: Reins, ooms_before: int) -> None:
        self.pid = pid
        self._reins = reins
        self._last_words: list[FromHorse] = []
        self._ooms_before = ooms_before
        self._ending: Ending | None = None
        self._pidfd = _pidfd_of(pid)

    def files(self) -> dict[int, bool]:
        if self._ending is not None:
            return {}
        files = self._reins.files()
        if self._pidfd >= 0:
            files[self._pidfd] = False
        return files

    @property
    def is_watched(self) -> bool:
        return self._pidfd >= 0

    def say(self, *messages: FromParent) -> None:
        self._reins.say(*messages)

    def heard(self) -> list[FromHorse]:
        if self._ending is not None:
            said, self._last_words = self._last_words, []
            return said
        self._reins.go_on()
        return self._reins.heard()

    def ended(self) -> Ending | None:
        if self._ending is None:
            self._collect(os.WNOHANG)
        return self._ending

    def freeze(self) -> None:
        if self._ending is not None:
            return  # collected: the pid may be a stranger's by now
        self._signal(signal.SIGSTOP, os.kill)
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            time.sleep(_FREEZE_UNSEEN_S)
            return
        # In an uninterruptible call it stops later, but before it runs any code of its own again.
        until = time.monotonic() + _FREEZE_PATIENCE_S
        flags = os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG
        while time.monotonic() < until and os.waitid(os.P_PID, self.pid, flags) is None:
            time.sleep(0.0002)

    def thaw(self) -> None:
        if self._ending is None:
            self._signal(signal.SIGCONT, os.kill)

    def kill(self) -> Ending:
        if self._ending is None:
            self._signal(signal.SIGKILL, os.killpg)
            self._signal(signal.SIGKILL, os.kill)
            self._collect(0)
        assert self._ending is not None
        return self._ending

    def _signal(self, number: signal.Signals, send: Callable[[int, int], None]) -> None:
        # Not yet collected, so the pid is still its own; the group is gone or not yet made at worst.
        with contextlib.suppress(ProcessLookupError):
            send(self.pid, number)

    def _collect(self, flags: int) -> None:
        pid, status, usage = os.wait4(self.pid, flags)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        is_oom = code == -signal.SIGKILL and oom_kills() > self._ooms_before
        self._ending = Ending(code if code >= 0 else None, -code if code < 0 else None, is_oom, status, usage)
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        self._last_words = self._reins.heard()
        self._reins.close()
        if code != 0:
            # What a job started must not go on acting for it. After an orderly end it may, as in RQ.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


class SystemRuntime:
    """Fork, and what belongs to it. Used from one thread only: PDEATHSIG fires when the *thread* that forked ends.

    A horse wakes its parent for every `most_unheard` things it says, and when it has nothing more to do.
    """

    def __init__(self, most_unheard: int = 1) -> None:
        self._most_unheard = most_unheard

    def start_horse(self, run: Callable[[Bit], int]) -> Horse:
        horse_signals.let_children_be_waited_for()
        parent = os.getpid()
        ooms = oom_kills()
        # Else a horse would write it once more.
        unwritten = [stream for stream, _ in output.write_out()]
        try:
            reins, bit = pair(self._most_unheard, now_s)
            pid = os.fork()
        except OSError as error:
            raise NoProcess(f"no process could be started: {error}") from error
        if pid == 0:
            reins.close()
            for stream in unwritten:
                output.drop(stream)
            _be_a_horse(parent, lambda: run(bit))
        bit.close()
        return ForkedHorse(pid, reins, ooms)


def _be_a_horse(parent: int, run: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        if sys.platform == "linux":
            LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before it could be watched
        horse_signals.go_on_when_asked_to_stop()
        code = run()
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here and must say so
        sys.excepthook(*sys.exc_info())
    finally:
        output.write_out()
        os._exit(code)


def guard(is_out_of_time: Callable[[], bool], left_ms: Callable[[], int]) -> None:
    """End this process once it is out of time, whatever its main thread does, even when its parent is frozen.

    Code that holds the interpreter lock is stopped late; the fence refuses what it then writes.
    """

    def watch() -> None:
        while not is_out_of_time():
            time.sleep(min(max(left_ms(), 5), 1_000) / 1000)
        # Not a signal: the parent must be able to tell this from a crash.
        os._exit(LEASE_ENDED)

    threading.Thread(target=watch, name="holdfast-guard", daemon=True).start()


def birth_of(pid: int) -> str:
    """Tell when a process was started, in ticks since boot; empty for one that is gone or a zombie.

    Also empty where there is no /proc.
    """
    try:
        # Its name, in brackets, may hold anything, and half a character: what follows is counted from the last one.
        state, *numbers = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else numbers[18]


def is_alive(pid: int, born: str = "") -> bool:
    """Tell whether a process with that pid runs on this machine, and is the one that was born then, if that is known.

    A pid is given out again, in a container within seconds.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self/stat").exists() or (birth_of(pid) != "" and born in {"", birth_of(pid)})


def oom_kills() -> int:
    """Count the kernel's out-of-memory kills in this control group; 0 where it does not say."""
    try:
        for line in _CGROUP_EVENTS.read_text("ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except (OSError, ValueError):
        pass
    return 0
