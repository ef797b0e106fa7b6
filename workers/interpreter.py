"""What app code may change of the interpreter that runs it, and of the random numbers that it gives."""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
import threading
from typing import Any

#: Of the generator that all share, even if a job has put others in their place.
_throw, _seed = random.random, random.seed


class Interpreter:
    """Its settings when this was made."""

    def __init__(self) -> None:
        self._settings = _settings()
        self._argv, self._words = sys.argv, list(sys.argv)
        self._folder = tempfile.tempdir

    def put_back(self) -> str:
        """Put back what differs; name one thing that did, or nothing."""
        changed = ""
        if _settings() != self._settings:
            changed = self._put_settings_back()
        if sys.argv is not self._argv or self._argv != self._words:
            sys.argv = self._argv
            sys.argv[:] = self._words
            changed = "sys.argv"
        # Whoever asks for it first sets it: that is no change worth naming.
        tempfile.tempdir = self._folder
        return changed

    def _put_settings_back(self) -> str:
        trace, profile, limit, interval_s, stack_bytes, is_collecting, thresholds = self._settings
        sys.settrace(trace)
        sys.setprofile(profile)
        sys.setrecursionlimit(limit)
        sys.setswitchinterval(interval_s)
        threading.stack_size(stack_bytes)
        (gc.enable if is_collecting else gc.disable)()
        gc.set_threshold(*thresholds)
        return "a setting of the interpreter"


def _settings() -> tuple[Any, ...]:
    return (
        sys.gettrace(),
        sys.getprofile(),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        threading.stack_size(),
        gc.isenabled(),
        gc.get_threshold(),
    )


class Dice:
    """Random numbers from which one job cannot tell those of the next, even if it has set the seed."""

    def __init__(self) -> None:
        #: Throws what the shared one will throw, until somebody uses that.
        self._twin = random.Random()
        self._begin()

    def begin_anew(self) -> None:
        """Take another seed, if anybody has thrown. Any other way to find that out would cost more."""
        if _throw() != self._twin.random():
            self._begin()

    def _begin(self) -> None:
        seed = int.from_bytes(os.urandom(32), "big")
        _seed(seed)
        self._twin.seed(seed)
