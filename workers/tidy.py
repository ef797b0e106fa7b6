"""What keeps one job of a horse from the next: what is put back after each, and why a horse must leave."""

from __future__ import annotations

import os
import resource
import sys
import threading
from _thread import _count as count_threads
from asyncio import _get_running_loop as running_loop
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from holdfast.workers.contexts import Contexts
from holdfast.workers.current_loop import CurrentLoop
from holdfast.workers.interpreter import Dice
from holdfast.workers.process_state import ProcessState

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock

T = TypeVar("T")

_MB = 1024 * 1024
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
#: The threads of a worker itself: a guard may begin before a horse's first job, or with it.
_OUR_THREADS = "holdfast-"
#: How long a thread that was told to end may take. Another horse costs as much.
_LAST_STEPS_S = 0.005
#: How often open files and code on disk are looked at, at the most.
_LOOK_EVERY_MS = 1_000


class Tidy:
    """What a horse puts back after each job, and why it must leave.

    Made in a fresh horse, just before its first job: the state of the process at that moment is what is put back.
    `memory_max_mb` is the most resident memory, in MiB, that a horse goes on with; 0 for no ceiling. Of the main
    thread only.
    """

    def __init__(self, *, memory_max_mb: int, clock: Clock) -> None:
        self._memory_max_mb = memory_max_mb
        self._clock = clock
        self._looks_at_ms = clock.boot_ms() + _LOOK_EVERY_MS
        self._code = _Code(began_s=clock.wall_s())
        self._modules = len(sys.modules)
        self._state = ProcessState()
        self._threads = _Threads()
        self._contexts = Contexts()
        self._loop = CurrentLoop()
        self._dice = Dice()

    def apart(self, deed: Callable[[], T]) -> T:
        """Run app code in a context of its own."""
        return self._contexts.run(deed)

    def before_call(self) -> None:
        """Take what imports brought for the app's own. Called when a job's function is imported, and not yet called.

        Variables that a module reads from a file, a path that it adds, a thread that it starts: the next job imports
        nothing, and needs them as this one does. So with what it sets in the context, where `apart` is running then.
        """
        if self._has_imported():
            self._state = self._state.anew()
            self._threads = _Threads()
            self._contexts.take()
            self._loop = CurrentLoop()

    def after_job(self) -> str | None:
        """Put back what can be put back; give why this horse must leave, in words, or None.

        Raises nothing: how the job ended is perhaps not told yet. A horse that must leave runs no other job.
        """
        try:
            return self._put_back() or self._left()
        except BaseException as error:  # noqa: BLE001 - a job's signal handler may raise what it likes, here too
            return f"it could not be tidied up: {error!r}"

    def _put_back(self) -> str | None:
        changed = self._state.put_back()
        self._dice.begin_anew()
        if self._state.lost:
            return self._state.lost
        if self._has_imported() and (changed := changed or self._contexts.change()):
            # If it is put back, that module's users miss it; if it is kept, what is one job's own may reach the next.
            return f"{changed} changed while modules were imported, and it cannot be told for whom"
        self._contexts.forget()
        return None

    def _left(self) -> str | None:
        return (
            self._threads.left()
            or _child_left()
            or _loop_left()
            or self._loop.put_back()
            or self._memory_outgrown()
            or self._look_around()
        )

    def _has_imported(self) -> bool:
        if len(sys.modules) == self._modules:
            return False
        self._modules = len(sys.modules)
        return self._code.meet()

    def _memory_outgrown(self) -> str | None:
        # What it held at most is known without reading a file, and most horses never come near.
        if not self._memory_max_mb or peak_mb() <= self._memory_max_mb:
            return None
        now_mb = resident_mb()
        if now_mb <= self._memory_max_mb:
            return None
        return f"it holds {now_mb} MB of memory, and may go on with {self._memory_max_mb} at most"

    def _look_around(self) -> str | None:
        now_ms = self._clock.boot_ms()
        if now_ms < self._looks_at_ms:
            return None
        self._looks_at_ms = now_ms + _LOOK_EVERY_MS
        return self._code.changed() or _files_left()


class _Threads:
    """The threads that were there before a job."""

    def __init__(self) -> None:
        self._seen = threading.enumerate()
        self._count = count_threads()

    def left(self) -> str | None:
        """Tell of a thread that was not there."""
        now, count = threading.enumerate(), count_threads()
        if now == self._seen and count == self._count:
            return None
        for thread in _pythons(now):
            if thread not in self._seen and not thread.name.startswith(_OUR_THREADS) and _goes_on(thread):
                return f"thread {thread.name!r} of the job still runs"
        now, count = threading.enumerate(), count_threads()
        if count - len(_pythons(now)) > self._count - len(_pythons(self._seen)):
            return "a thread of the job still runs, and has no name"
        self._seen, self._count = now, count
        return None


def _pythons(threads: list[threading.Thread]) -> list[threading.Thread]:
    # A thread of C's that once called Python has an entry too, which may outlive it.
    return [each for each in threads if not isinstance(each, threading._DummyThread)]  # noqa: SLF001


def _goes_on(thread: threading.Thread) -> bool:
    try:
        thread.join(_LAST_STEPS_S)
    except RuntimeError:
        return True  # it has not even begun
    return thread.is_alive()


def _child_left() -> str | None:
    """Tell of a child process that runs, or that nobody has waited for."""
    try:
        # This collects one that is dead, from under whoever may wait for it: nobody will, as the horse then leaves.
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return f"child process {pid} of the job was left dead" if pid else "a child process of the job still runs"


def _loop_left() -> str | None:
    # Tools that switch stacks may leave it so: no other job could run a coroutine.
    return "an event loop of the job still runs" if running_loop() else None


def peak_mb() -> int:
    """Give the most memory that was ever resident, in MiB, rounded up."""
    return -(-resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT // _MB)


def resident_mb() -> int:
    """Give the resident memory in MiB, rounded up; what it was at most where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return peak_mb()
    return -(-pages * resource.getpagesize() // _MB)


def _files_left() -> str | None:
    """Tell whether half of the files that may be open are: another job would be the one that gets no more."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        count = sum(1 for _ in Path("/dev/fd").iterdir())
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"its open files cannot be counted: {error}"
    if most == resource.RLIM_INFINITY or count <= most // 2:
        return None
    return f"it has {count} files open, of {most} at most"


class _Code:
    """The files of the modules that came in with jobs, as they were then: a horse of one job runs the newest."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._known = set(sys.modules)
        self._files: dict[str, tuple[int, ...] | None] = {}

    def meet(self) -> bool:
        """Look at the files of new modules, and tell whether there are any. Python's own set up nothing."""
        new = {name: module for name, module in list(sys.modules.items()) if name not in self._known}
        self._known.update(new)
        apps = [module for name, module in new.items() if name.partition(".")[0] not in sys.stdlib_module_names]
        for module in apps:
            file = _file_of(module)
            if file and (look := _look_at(file)):
                mark, written_s = look
                # Written since this horse began: before the import, or after it? Taken for a change.
                self._files[file] = mark if written_s < self._began_s else None
        return bool(apps)

    def changed(self) -> str | None:
        """Tell of a file that is not what it was."""
        self.meet()
        for file, mark in self._files.items():
            look = _look_at(file)
            if look is None or look[0] != mark:
                return f"{file} was changed while this horse lived"
        return None


def _file_of(module: object) -> str | None:
    if not isinstance(module, ModuleType):
        return None
    # Not asked as an attribute: one that is loaded when it is first used would be loaded now.
    file = object.__getattribute__(module, "__dict__").get("__file__")
    return file if isinstance(file, str) else None


def _look_at(file: str) -> tuple[tuple[int, ...], float] | None:
    """Give what tells a file from another under its name, and when it was written; None where there is none."""
    try:
        seen = Path(file).stat()
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_dev), seen.st_ctime
