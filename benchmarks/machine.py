"""The machine: its cores and who gets which, and what must stand beside every number."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

from contextlib import contextmanager

#: Above this, somebody else is at work.
BUSY = 0.7
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cores:
    """The server has the first core for itself as long as there are others; on one core nothing is pinned."""

    all: tuple[int, ...]

    @classmethod
    def here(cls) -> Cores:
        """Take the cores that this process may use."""
        return cls(tuple(sorted(os.sched_getaffinity(0))))

    @property
    def pinned(self) -> bool:
        """Whether there is more than one core to choose from."""
        return len(self.all) > 1

    def of_worker(self, number: int) -> str:
        """Name the core of a worker, from 0; empty when nothing is pinned. The client shares that of worker 0."""
        return str(self.all[(1 + number) % len(self.all)]) if self.pinned else ""

    def of_server(self) -> AbstractContextManager[None]:
        """Let what is started meanwhile have the server's core; then go to the first worker's."""
        return self._on({self.all[0]})

    @contextmanager
    def _on(self, cores: set[int]) -> Iterator[None]:
        if not self.pinned:
            yield
            return
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.all[1]})

    def describe(self) -> str:
        """Say it in a sentence for the head of the tables."""
        if not self.pinned:
            return "One core: nothing is pinned, and every system shares it with its server."
        second = "shares the server's" if len(self.all) < 3 else "has its own"  # noqa: PLR2004 - a server and two
        return (
            f"{len(self.all)} cores: the server has one, the client and the first worker have another; "
            f"a second worker {second}."
        )


def describe() -> dict[str, str]:
    """Name the processor, the cores, what an idle one does, the kernel and the load before the first round."""
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "idle cores": idle(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": load(),
    }


def idle(system: Path = Path("/sys")) -> str:
    """Say who lets an idle core sleep, and for how long a guest looks out before: a server is woken once a trip."""
    governor = _lines(str(system / "devices/system/cpu/cpuidle/current_governor"))
    polls_ns = _lines(str(system / "module/haltpoll/parameters/guest_halt_poll_ns"))
    if governor == ["haltpoll"] and polls_ns:
        return f"haltpoll, guest_halt_poll_ns {polls_ns[0]}"
    return governor[0] if governor else "unknown"


def processor_s(pid: int) -> float:
    """Give the processor time that a process has taken, with all its threads; 0 for one that is gone."""
    # Not psutil's: its ticks of 10 ms are long beside what is measured.
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(line.split()[0]) for thread in threads for line in _lines(str(thread))) / 1e9


def load() -> str:
    """Give the load of the last 1, 5 and 15 minutes."""
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def warning(before: str) -> str:
    """Say what the load before the first round makes of the numbers; nothing where there was little."""
    last_minute = before.partition(" ")[0]
    if float(last_minute) < BUSY:
        return ""
    return (
        f"**The machine had other work (load {last_minute} before the first round). Where processes fork and wait for "
        "each other that costs more than where one runs through, so ratios to what forks come out too high: run it "
        "again when the machine is quiet.**"
    )


def _cpu() -> str:
    known = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return known[0] if known else platform.processor() or "unknown"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def commit() -> str:
    """Name the commit that is measured, and whether the tree differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
        return done.stdout.strip()

    found = git("rev-parse", "--short", "HEAD")
    # The results of the last run are no change of what is measured.
    changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return f"{found or 'unknown'}{' with changes that are not committed' if changed else ''}"
