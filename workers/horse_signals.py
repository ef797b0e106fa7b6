"""Signals of a worker's processes: a horse goes on when it is asked to stop, and what a job forks does not."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

_STOPS = (signal.SIGTERM, signal.SIGINT)

#: What each thread blocked before it forked: a job may have blocked something itself.
_before = threading.local()


def name_of(number: int) -> str:
    """Name a signal. Of those for real time Python knows only the first and the last."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def let_children_be_waited_for() -> None:
    """Undo an ignored SIGCHLD, which a supervisor or a shell hands down: how a horse ended would never be known."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # Only the main thread may: from another, it stays as it was.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def go_on_when_asked_to_stop() -> None:
    """Let this process, a horse, go on at SIGTERM and SIGINT, and what it forks heed them as any process does.

    Supervisors that signal every process must not turn a deploy into crashes. A handler, not SIG_IGN: that would be
    inherited by programs the job starts, which then could not be terminated.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    os.register_at_fork(before=_hold, after_in_parent=_let, after_in_child=_heed)


def _hold() -> None:
    # A signal that comes between the fork and _heed must not be swallowed by the horse's handler.
    _before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def _let() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)


def _heed() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _let()
