"""A disk of a server's own, that can be full."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.chaos.processes.nemesis import NotHere

if TYPE_CHECKING:
    from pathlib import Path

#: More than the files of a run of an hour; it takes only as much memory as is in it.
_SIZE = 1 << 30
#: The server goes on writing while we look how much there is.
_TRIES = 20


class SmallDisk:
    """A tmpfs on a directory. Needs Linux, and root."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._why_not = "none was mounted"

    def mount(self) -> None:
        """Put it on the directory; where that cannot be done, `fill` says why."""
        self._why_not = self._try("-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "holdfast-chaos")

    def unmount(self) -> None:
        """Take it away with all that is on it."""
        if not self._why_not:
            subprocess.run(["umount", "-l", self._directory], check=False)  # noqa: S607 - wherever the system has it
            self._why_not = "it was taken away"

    def fill(self) -> None:
        """Leave no room: it is as big as what is on it. Raises NotHere where there is no such disk."""
        if self._why_not:
            raise NotHere(f"a disk that can be full takes a tmpfs: {self._why_not}")
        failure = ""
        for _ in range(_TRIES):
            told = os.statvfs(self._directory)
            used = max(1, told.f_blocks - told.f_bfree) * told.f_frsize
            failure = self._try("-o", f"remount,size={used}", "holdfast-chaos")
            if not failure:
                return
        raise NotHere(f"a tmpfs that cannot be made smaller: {failure}")

    def free(self) -> None:
        """Give all the room back."""
        self._try("-o", f"remount,size={_SIZE}", "holdfast-chaos")

    def _try(self, *options: str) -> str:
        """Mount, and tell what was said against it; nothing if it was done."""
        if sys.platform != "linux" or os.geteuid():
            return f"mounting one takes Linux and root (here: {sys.platform}, user {os.geteuid()})"
        with suppress(OSError):
            done = subprocess.run(
                ["mount", *options, self._directory],  # noqa: S607 - wherever the system has it
                capture_output=True,
                text=True,
                check=False,
            )
            return "" if done.returncode == 0 else done.stderr.strip() or f"mount ended with {done.returncode}"
        return "there is no mount command"
