"""How long a job waits for an idle worker: from just before its enqueue to the first line of its function.

    python benchmarks/idle_latency.py [--times 200] [--workers 1 3] [--queues 1 3] [--poll-ms 1000]

Stock `rq.Worker` and ours idle side by side on one private server, each on queues of its own, and get a job in turn, so
that whatever else the machine does hits all alike. The fork of the horse is part of the wait, with both.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import rq

import holdfast.jobs
from holdfast.chaos.server import PrivateServer
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

HERE = Path(__file__).parent
STOCK, OURS = "rq.Worker", "holdfast.workers.Worker"
#: How a job comes in and who waits for it. The first is what the others are compared with.
WAYS = (
    ("rq.Queue -> rq.Worker", STOCK, rq.Queue),
    ("rq.Queue -> ours", OURS, rq.Queue),
    ("our Queue -> ours", OURS, holdfast.jobs.Queue),
)
#: A worker that says `idle` is about to block: this long after it, it does.
SETTLES_S = 0.03
LONGEST_WAIT_S = 20.0


class Fleet:
    """Workers of one class on queues of their own."""

    def __init__(self, redis: Redis, worker_class: str, *, workers: int, queues: int) -> None:
        self._redis = redis
        self._class = worker_class
        self.queues = [f"{worker_class}-{number}" for number in range(queues)]
        self._names = [f"{worker_class}-{number}" for number in range(workers)]

    @contextmanager
    def running(self, url: str, poll_ms: int) -> Iterator[None]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
        path = os.pathsep.join(filter(None, [str(HERE), own.get("PYTHONPATH")]))
        own |= {"PYTHONPATH": path, "HOLDFAST_POLL_MS": str(poll_ms)}
        line = [sys.executable, "-m", "rq.cli", "worker", "-u", url, "-w", self._class, "--quiet"]
        started = [subprocess.Popen([*line, "--name", name, *self.queues], env=own) for name in self._names]
        try:
            self.wait_until_idle()
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()

    def wait_until_idle(self) -> None:
        """Return when all of them wait for a job. Raises TimeoutError."""
        until = time.monotonic() + LONGEST_WAIT_S
        while any(self._redis.hget(keys.worker(name), "state") != b"idle" for name in self._names):
            if time.monotonic() > until:
                raise TimeoutError(f"a worker of {self._class} was not idle after {LONGEST_WAIT_S} s")
            time.sleep(0.005)
        time.sleep(SETTLES_S)


class Pipe:
    """Where jobs say when they began."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "began")
        os.mkfifo(self.path)
        # Also for writing, or it would be at its end between two jobs.
        self._file = os.open(self.path, os.O_RDWR)

    def read(self) -> float:
        """Wait for the next job to say it. Raises TimeoutError."""
        if not select.select([self._file], [], [], LONGEST_WAIT_S)[0]:
            raise TimeoutError(f"a job was not begun after {LONGEST_WAIT_S} s")
        return float(struct.unpack("d", os.read(self._file, 8))[0])


def measure(*, times: int, workers: int, queues: int, poll_ms: int) -> dict[str, list[float]]:
    """Give the waits in ms, by way."""
    waits: dict[str, list[float]] = {label: [] for label, _, _ in WAYS}
    with ExitStack() as stack:
        server = stack.enter_context(PrivateServer())
        redis = stack.enter_context(server.client())
        pipe = Pipe(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        fleets = {each: Fleet(redis, each, workers=workers, queues=queues) for each in (STOCK, OURS)}
        for fleet in fleets.values():
            stack.enter_context(fleet.running(server.url, poll_ms))
        for number in range(times):
            for label, worker_class, queue_class in WAYS:
                fleet = fleets[worker_class]
                fleet.wait_until_idle()
                queue = queue_class(fleet.queues[number % queues], connection=redis)
                time.sleep(random.uniform(0, 0.02))
                enqueued = time.monotonic()
                queue.enqueue("work.say_when", pipe.path, result_ttl=0)
                waits[label].append((pipe.read() - enqueued) * 1000)
    return waits


def tell(title: str, waits: dict[str, list[float]]) -> None:
    """Print medians, tails, and how they compare with stock RQ's."""
    print(f"\n{title}\n{'':24}{'p50 ms':>10}{'p99 ms':>10}{'most ms':>10}{'p50 x stock':>14}")
    stock = median(waits[WAYS[0][0]])
    for label, found in waits.items():
        p99 = quantiles(found, n=100, method="inclusive")[98]
        print(f"{label:24}{median(found):10.1f}{p99:10.1f}{max(found):10.1f}{median(found) / stock:14.2f}")


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=200, help="jobs for each line of the table")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--queues", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--poll-ms", type=int, default=1_000, help="HOLDFAST_POLL_MS of our workers")
    asked = parser.parse_args(words)
    for workers in asked.workers:
        for queues in asked.queues:
            waits = measure(times=asked.times, workers=workers, queues=queues, poll_ms=asked.poll_ms)
            tell(f"{workers} idle workers, {queues} queues, {asked.times} times", waits)


if __name__ == "__main__":
    main()
