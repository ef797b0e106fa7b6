"""Starts workers by forking a process that has imported everything: what a start costs is the imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from holdfast.chaos.processes.family import Head

_LOOK_S = 0.002


class Nursery:
    """A zygote, and the workers forked from it. All end with the `with` block, or with this process.

    May be used from many threads.
    """

    def __init__(self, modules: Iterable[str], environment: Mapping[str, str], folder: Path) -> None:
        self._lock = threading.Lock()
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "holdfast.chaos.sweep.zygote", *modules],
            # `python -m` imports from where it stands: not from where somebody has a jobs.py of their own.
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its orders is its own: it kills what it has forked. So it does when this process dies.
        self._zygote.communicate()

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Head:
        """Start `rq`, with the arguments that follow in the command, in a session of its own."""
        order = {"command": list(command), "environment": dict(environment), "folder": str(folder), "log": str(log)}
        return _Worker(self, self.ask(order))

    def ask(self, order: Mapping[str, Any]) -> Any:
        """Send an order and give the answer. Raises RuntimeError if the zygote has ended."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        with self._lock:
            with suppress(BrokenPipeError):
                self._zygote.stdin.write(json.dumps(order) + "\n")
                self._zygote.stdin.flush()
            answer = self._zygote.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that starts the sweep's workers ended with {self._zygote.wait()}")
        return json.loads(answer)


class _Worker:
    """The head of a family that a zygote has forked."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._lock = threading.Lock()
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        with self._lock:
            if self._exit_code is None:
                self._exit_code = self._nursery.ask({"poll": self.pid})
            return self._exit_code

    def send_signal(self, sig: int) -> None:
        # Not collected before we have asked, so until then the pid is its own.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(_LOOK_S)
        return code
