"""One system on one private server: its client, its workers, and their end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from benchmarks import environments
from benchmarks.stamps import Pipe, Stamps
from holdfast.chaos.server import PrivateServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.cast import System
    from benchmarks.machine import Cores

#: A client or a system that says nothing for so long has failed.
SILENT_S = 20.0
ENDS_S = 2.0
#: As a server comes: without a log. Of the snapshots that some make by themselves none is due within a minute.
AS_IT_COMES = ("--appendonly", "no", "--save", "")
#: As anybody has it who wants to keep jobs. A rewrite in the middle would hit one system only.
LOGGED = ("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")


class NotRun(Exception):
    """A system could not be measured; says why."""


class Stage:
    """A server, a client and up to some workers of one system, in a `with` block that ends them all."""

    def __init__(
        self,
        system: System,
        cores: Cores,
        *,
        server: str | None = None,
        pipe: bool = False,
        queues: int = 1,
        logged: bool = True,
    ) -> None:
        self.system = system
        self._cores = cores
        self._wanted = server
        self._piped = pipe
        self._queues = queues
        self._arguments = LOGGED if logged else AS_IT_COMES
        self._stack = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._client: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            shared = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
            folder = tempfile.TemporaryDirectory(prefix="bench-", dir=shared if shared.is_dir() else None)
            self._folder = Path(stack.enter_context(folder))
            with self._cores.of_server():
                self.server = stack.enter_context(PrivateServer(arguments=self._arguments, program=self._wanted))
            self.redis = stack.enter_context(self.server.client())
            stack.callback(self.end_client)
            stack.callback(self.end_workers)
            self.stamps = Stamps(self._folder / "stamps")
            self.pipe = Pipe(self._folder / "pipe")
            stack.callback(self.pipe.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def forget_stamps(self) -> None:
        """Forget the jobs of before."""
        self.stamps = Stamps(self._folder / "stamps")

    def ask(self, asked: str, count: int = 1, *, within_s: float = SILENT_S) -> Any:
        """Have the client do something. Raises NotRun when it fails or does not answer in time."""
        if self._client is None:
            self.start_client()
        client = self._client
        assert client is not None
        assert client.stdin is not None
        assert client.stdout is not None
        try:
            client.stdin.write(json.dumps([asked, count]) + "\n")
            client.stdin.flush()
        except BrokenPipeError:
            raise NotRun(f"its client ended: {self._last_words('client')}") from None
        if not select.select([client.stdout], [], [], within_s)[0]:
            raise NotRun(f"its client did not answer {asked} {count} within {within_s:.0f} s")
        line = client.stdout.readline()
        if not line:
            raise NotRun(f"its client ended: {self._last_words('client')}")
        return json.loads(line)

    def start_client(self, url: str | None = None) -> None:
        """Start the client, or another one in its place, on the server or on a relay before it."""
        self.end_client()
        with (self._folder / "client.log").open("wb") as log:
            self._client = subprocess.Popen(
                self._line("client"),
                env=self._environment(0, url),
                cwd=environments.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start_workers(self, count: int, url: str | None = None) -> None:
        """Start so many workers; it is for who measures to see when they serve."""
        for number in range(count):
            with (self._folder / f"worker-{number}.log").open("wb") as log:
                worker = subprocess.Popen(
                    self._line("worker"),
                    env=self._environment(number, url),
                    cwd=environments.ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._workers.append(worker)

    def check_workers(self) -> None:
        """Raise NotRun if one has ended by itself."""
        for number, worker in enumerate(self._workers):
            if (status := worker.poll()) is not None:
                raise NotRun(f"its worker ended with status {status}: {self._last_words(f'worker-{number}')}")

    def workers_cpu_s(self) -> float:
        """Give the processor time that the workers have taken, with their children, those that ended too."""
        family = [each for worker in self._workers for each in _family(worker)]
        spent = 0.0
        for each in family:
            with suppress(psutil.NoSuchProcess):
                spent += sum(each.cpu_times()[:4])  # own and waited-for children's, in user and system
        return spent

    def worker_pids(self, number: int) -> tuple[int, list[int]]:
        """Give the process of a worker, and those that it has started."""
        root, *others = [each.pid for each in _family(self._workers[number])] or [0]
        return root, others

    def kill_worker(self, number: int) -> None:
        """Kill a worker with all its children, as when its machine dies."""
        kill_tree(self._workers[number])

    def end_workers(self) -> None:
        """End them all, by SIGKILL: a server that is thrown away needs no goodbyes."""
        for worker in self._workers:
            kill_tree(worker)
        self._workers.clear()

    def wait_until_done(self, within_s: float) -> None:
        """Return when the system has nothing in line and nothing in hand. Raises NotRun."""
        until = time.monotonic() + within_s
        while left := self.ask("unfinished"):
            if time.monotonic() > until:
                raise NotRun(f"{left} jobs were begun and were not finished after {within_s:.0f} s")
            time.sleep(0.02)

    def end_client(self) -> None:
        """End the client; the next question starts another."""
        if self._client is not None:
            kill_tree(self._client)
            for end in (self._client.stdin, self._client.stdout):
                if end is not None:
                    end.close()
            self._client = None

    def _line(self, part: str) -> list[str]:
        interpreter = environments.python(self.system.environment)
        if not interpreter.exists():
            raise NotRun(f"{interpreter} is missing: python3 -m benchmarks.environments {self.system.environment}")
        return [str(interpreter), "-m", f"benchmarks.{part}", self.system.adapter]

    def _environment(self, number: int, url: str | None) -> Mapping[str, str]:
        ours = ("HOLDFAST_", "RQ_", "BENCH_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {
            **kept,
            **self.system.settings,
            "PYTHONPATH": str(environments.ROOT),
            "PYTHONWARNINGS": "ignore",
            "BENCH_URL": url or self.server.url,
            "BENCH_MODE": self.system.mode,
            "BENCH_CORE": self._cores.of_worker(number),
            "BENCH_QUEUES": str(self._queues),
            "BENCH_WORKER": str(number),
            "BENCH_STAMPS": str(self.pipe.path if self._piped else self.stamps.path),
        }

    def _last_words(self, name: str) -> str:
        said = (self._folder / f"{name}.log").read_text("utf-8", errors="replace").strip().splitlines()
        return said[-1][:300] if said else "it said nothing"


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kill a process that we started, and everything it started, as one: a horse that leads a session too."""
    # Frozen first, from the top: a parent that saw its child die would tell of it, as no dead machine can.
    with suppress(psutil.NoSuchProcess):
        psutil.Process(process.pid).suspend()
    family = _family(process)
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for each in family:
            with suppress(psutil.NoSuchProcess):
                act(each)
    process.wait(ENDS_S)


def _family(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """Give a process and all its descendants, from the top."""
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
