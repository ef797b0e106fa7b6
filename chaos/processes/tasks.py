"""What the jobs do. Workers import this by name, ours and stock ones; it must hold whatever kills them."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from holdfast.chaos.processes.outside import Outside
from holdfast.jobs import DidNotHappen, Effect, Happened, NotInAJob, effect
from holdfast.jobs.running import current

#: Where the run's files are: told to every worker.
FOLDER = "CHAOS_FOLDER"
_HOARD_BYTES = 48 << 20


@dataclass(frozen=True)
class _Self:
    """Who runs this job, as far as it can tell: a stock worker's job has no lease."""

    outside: Outside
    who: str
    job: str
    execution: str
    fence: int
    has_lease: bool

    def note(self, did: str) -> None:
        self.outside.note(self.who, did, self.job, self.execution, self.fence)

    def act(self, key: str) -> None:
        self.outside.act(self.who, self.job, self.execution, self.fence, key)


def _introduce(job: str) -> _Self:
    outside, who = Outside(Path(os.environ[FOLDER])), os.environ.get("RQ_WORKER_ID", str(os.getppid()))
    try:
        lease = current("a chaos job").lease
    except NotInAJob:
        return _Self(outside, who, job, "", 0, has_lease=False)
    return _Self(outside, who, job, lease.execution, lease.fence, has_lease=True)


def perform(job: str, wishes: dict[str, Any]) -> str:
    """Do what a job was told to do: work, and perhaps die, hang, fail, or change the world once."""
    me = _introduce(job)
    me.note("begin")
    time.sleep(wishes["work_s"])
    if wishes.get("dies"):
        _die(wishes["dies"])
    while wishes.get("hangs"):
        _sleep_through_anything()
    if wishes.get("fails") and me.outside.fail_again(job, wishes["fails"]):
        me.note("raised")
        raise RuntimeError("a failure that was asked for")
    if wishes.get("effect"):
        _change_the_world(me, wishes)
    me.note("end")
    return job


def _change_the_world(me: _Self, wishes: dict[str, Any]) -> None:
    if not me.has_lease:
        # What a careful app does without us: the same key each time, and a look before the act.
        if wishes["effect"] == "fail" or not me.outside.has_acted(me.job):
            me.act(me.job)
            time.sleep(wishes["lingers_s"])
        return

    def ask(doubtful: Effect) -> Happened | DidNotHappen:
        me.note("asked")
        return Happened() if me.outside.has_acted(doubtful.key) else DidNotHappen()

    with effect("act", on_doubt=ask if wishes["effect"] == "probe" else "fail") as act:
        if act.first:
            me.act(act.key)
            time.sleep(wishes["lingers_s"])


def _die(how: str) -> NoReturn:
    # Its death is meant; a core file of each is not.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    match how:
        case "exits":
            os._exit(3)
        case "segfaults":
            ctypes.string_at(0)
        case _:
            # What the kernel does to it once memory is short, without making it short for the others.
            hoard = bytearray(_HOARD_BYTES)
            os.kill(os.getpid(), signal.SIGKILL)
            del hoard
    raise AssertionError(f"{how} did not end the process")


def _sleep_through_anything() -> None:
    """Sleep as code does that catches what should have ended it: RQ's timeout is an Exception."""
    with suppress(Exception):
        time.sleep(3_600)
