"""What app code may change of its process by a call, and what can be put back by another."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from _signal import getsignal, pthread_sigmask  # type: ignore[import-not-found]  # enums would take 8 us more
from typing import Any

from holdfast.workers.interpreter import Interpreter
from holdfast.workers.job_variable import NAME as JOB_ID
from holdfast.workers.job_variable import variables_kept
from holdfast.workers.output import drop, mark_of, write_out

#: What app code sets handlers for. To ask for all of the 64 would cost more than the rest together.
_SIGNALS = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    *(signal.SIGWINCH, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU),
)
_ALARM = _SIGNALS.index(signal.SIGALRM)


class ProcessState:
    """The state of this process when it was made. Of the main thread only."""

    def __init__(self) -> None:
        #: Why it cannot be as it was, in words.
        self.lost: str | None = None
        self._environ = os.environ
        self._values = dict(_variables())
        self._folder = _folder()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._handlers = _handlers()
        self._wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(self._wakeup)
        self._blocked = pthread_sigmask(signal.SIG_BLOCK, ())
        self._path, self._places = sys.path, list(sys.path)
        self._socket_s = socket.getdefaulttimeout()
        self._interpreter = Interpreter()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._lead_to = {id(stream): mark_of(stream) for stream in self._streams[1:]}

    def anew(self) -> ProcessState:
        """Give the state as it is now. The alarm stays as it was: what is set is the timeout of a job."""
        now = ProcessState()
        now._handlers[_ALARM] = self._handlers[_ALARM]
        return now

    def put_back(self) -> str:
        """Put back what differs; name one thing that did, or nothing. What cannot be put back is said in `lost`."""
        # First of all: without its handler an alarm kills.
        signal.setitimer(signal.ITIMER_REAL, 0)
        changed = ""
        if _handlers() != self._handlers:
            changed = self._put_handlers_back()
        if signal.set_wakeup_fd(self._wakeup) != self._wakeup:
            changed = "the wakeup descriptor of signals"
        if pthread_sigmask(signal.SIG_BLOCK, ()) != self._blocked:
            # Not unblocked: what waits there would strike now.
            self.lost = "the job blocked signals, or let blocked ones through"
        if os.umask(self._umask) != self._umask:
            changed = "the umask"
        if sys.path is not self._path or self._path != self._places:
            sys.path = self._path
            sys.path[:] = self._places
            changed = "sys.path"
        if socket.getdefaulttimeout() != self._socket_s:
            socket.setdefaulttimeout(self._socket_s)
            changed = "the default timeout of sockets"
        if _folder() != self._folder:
            changed = self._go_back()
        if os.environ is not self._environ or self._has_other_variables():
            changed = self._put_variables_back()
        changed = self._interpreter.put_back() or changed
        return self._put_streams_back() or changed

    def _put_handlers_back(self) -> str:
        for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        for number, now, before in zip(_SIGNALS, _handlers(), self._handlers, strict=True):
            if now != before:
                signal.signal(number, before)
        return "a signal's handler"

    def _go_back(self) -> str:
        try:
            os.chdir(self._folder)
        except OSError as error:
            self.lost = f"the working directory of the job cannot be left for the one before: {error}"
        return "the working directory"

    def _has_other_variables(self) -> bool:
        now = _variables()
        # Written by the horse before each job: another value is no job's doing.
        if JOB_ID in now:
            self._values[JOB_ID] = now[JOB_ID]
        return now != self._values

    def _put_variables_back(self) -> str:
        os.environ = self._environ  # noqa: B003 - it is brought up to date below
        now = dict(_variables())
        for name in now.keys() - self._values.keys():
            del os.environb[name]
        for name, value in self._values.items():
            if now.get(name) != value:
                os.environb[name] = value
        if now.get(b"TZ") != self._values.get(b"TZ"):
            time.tzset()
        return "an environment variable"

    def _put_streams_back(self) -> str:
        changed = (sys.stdin, sys.stdout, sys.stderr) != self._streams
        sys.stdin, sys.stdout, sys.stderr = self._streams
        # What a job printed must not be lost with a later one that kills the horse.
        for stream, error in write_out():
            if mark_of(stream) != self._lead_to[id(stream)]:
                self.lost = f"what was printed cannot be written: {error}"
            else:
                drop(stream)  # the disk is full: what one job printed is not to be the next one's failure
        return "a standard stream" if changed else ""


def _handlers() -> list[Any]:
    return list(map(getsignal, _SIGNALS))


def _variables() -> dict[bytes, bytes]:
    kept = variables_kept()
    return dict(os.environb) if kept is None else kept


def _folder() -> str:
    """Give the working directory; empty where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - a Path costs more than the call
    except OSError:
        return ""
