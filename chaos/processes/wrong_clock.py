"""Makes the wall clock of a process wrong: compiles what is preloaded into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from holdfast.chaos.processes.nemesis import NotHere

if TYPE_CHECKING:
    from pathlib import Path

# Not libfaketime: up to 0.9.10 with its monotonic clock left alone, every time.sleep() of Python 3.11 ends in EINVAL.
_SOURCE = "wrong_clock.c"


def wrong_by(ms: int, folder: Path) -> dict[str, str]:
    """Give the environment of a process whose wall clock is ahead by `ms`, or behind if below 0.

    The library is compiled into `folder`, once. Raises NotHere where that cannot be done.
    """
    if sys.platform != "linux":
        raise NotHere(f"a clock is made wrong by LD_PRELOAD, which {sys.platform} has not")
    library = folder / "wrong_clock.so"
    if not library.exists():
        _compile(library)
    return {"LD_PRELOAD": str(library), "WRONG_CLOCK_MS": str(ms)}


def _compile(library: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotHere("a wrong clock takes a C compiler, and neither cc nor gcc is on PATH (apt-get install gcc)")
    with as_file(files("holdfast.chaos.processes") / _SOURCE) as source:
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"{compiler} cannot compile {_SOURCE}: {done.stderr.strip()[-200:]}")
