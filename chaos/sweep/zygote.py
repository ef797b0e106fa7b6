"""A process that has imported all that workers need, and forks one on request: they start in no time.

Run as `python -m holdfast.chaos.sweep.zygote MODULE...` by the nursery, which speaks to it in lines of JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rq.cli.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO


def serve(orders: Iterable[str], answers: TextIO) -> dict[str, Any] | None:
    """Fork for each order to start, and tell of each child that is asked about how it ended.

    Gives the order in the child that is to follow it, and None in the zygote, once nobody orders any more.
    """
    children: set[int] = set()
    for line in orders:
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            children -= {pid}
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return dict(order)
            children.add(answer)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    for pid in children:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return None


def become(order: dict[str, Any]) -> None:
    """Turn this process into what a program started anew would be: its own session, log, folder and environment."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 64)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["command"]


if __name__ == "__main__":
    # A worker that cannot import something says so itself.
    for module in sys.argv[1:]:
        with suppress(ImportError):
            importlib.import_module(module)
    # Else a collection in a child would copy every page of what is shared.
    gc.freeze()
    if order := serve(sys.stdin, os.fdopen(os.dup(1), "w")):
        become(order)
        main()
