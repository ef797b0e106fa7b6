"""What the sweep's jobs do. Workers import this by name; it must hold whatever kills them."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from holdfast.examples.shop.ledger import Ledger
from holdfast.jobs import DidNotHappen, Effect, Happened, effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The job whose worker is hurt, and those that wait for it: the second would also run if it failed.
JOB, CHILD, FORGIVING = "the-job", "the-child", "the-forgiving-child"
#: Jobs that stand in line together, in this order.
SEVERAL = (JOB, *(f"the-job-{number}" for number in range(2, 10)))
#: The one of them that is slow. A worker that may have six in hand has then one that ended and is not settled, one that
#: waits behind, and a turn under way that settles three and takes the last two.
SLOW = SEVERAL[5]

#: Longer than any case lasts: a gate that stays shut ends its job as failed, and the case with it.
_GATE_S = 60


class Meant(Exception):
    """Raised by what is to fail."""


def told(folder: str) -> Path:
    """Name the file in which jobs and callbacks say that they were called."""
    return Path(folder, "told")


def tell(folder: str, word: str, job: str = JOB) -> None:
    """Say so in one write, which no death can tear."""
    with told(folder).open("a") as file:
        file.write(f"{word} {job}\n")


@contextmanager
def body(folder: str, job: str = JOB) -> Iterator[None]:
    """Say that a job's body runs, and whether another one of the same job does. The kernel knows when one has died."""
    with Path(folder, f"body-of-{job}").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(folder, "two-at-once", job)
        tell(folder, "body", job)
        yield


def gate(folder: str, stage: int) -> Path:
    """Name the file whose being there lets a job go on from a stage."""
    return Path(folder, f"gate-{stage}")


def arrival(folder: str, stage: int) -> Path:
    """Name the file by which a job says that it waits at a gate."""
    return Path(folder, f"arrival-{stage}")


def pass_gate(folder: str, stage: int) -> None:
    """Wait until the sweep has seen the requests it wanted to see in this stage."""
    arrival(folder, stage).touch()
    until = time.monotonic() + _GATE_S
    while not gate(folder, stage).exists():
        if time.monotonic() > until:
            raise TimeoutError(f"gate {stage} in {folder} stayed shut for {_GATE_S} s: the sweep is gone or stuck")
        time.sleep(0.005)


def plain(folder: str, job: str = JOB) -> str:
    """Change nothing in the world."""
    with body(folder, job):
        pass_gate(folder, 1)
    return "done"


def at_once(folder: str, job: str = JOB) -> str:
    """Change nothing in the world, and wait for nothing."""
    with body(folder, job):
        return "done"


def fail(folder: str) -> NoReturn:
    """Raise what is meant to be raised."""
    with body(folder):
        pass_gate(folder, 1)
        raise Meant("this job is to fail")


def fail_at_once(folder: str) -> NoReturn:
    """Raise it, and wait for nothing."""
    with body(folder):
        raise Meant("this job is to fail")


def die_once(folder: str) -> str:
    """Take the horse along the first time."""
    with body(folder):
        pass_gate(folder, 1)
        with suppress(FileExistsError):
            Path(folder, "died").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        pass_gate(folder, 2)
    return "done"


def charge_or_stop(folder: str, ledger: str) -> int:
    """Charge once; when an earlier attempt left doubt about that, stop."""
    with body(folder):
        with effect("charge") as charge:
            _charge(charge, folder, ledger)
        pass_gate(folder, 2)
    return int(charge.value)


def charge_or_ask(folder: str, ledger: str) -> int:
    """Charge once; when an earlier attempt left doubt about that, ask the bank."""
    with body(folder):
        with effect("charge", on_doubt=_asker(ledger)) as charge:
            _charge(charge, folder, ledger)
        pass_gate(folder, 2)
    return int(charge.value)


def charge_as_it_comes(folder: str, ledger: str) -> int:
    """Charge without any care, as a job of a stock worker does."""
    return Ledger(ledger).charge(folder, 500, idempotency_key=folder)


def _charge(charge: Effect, folder: str, ledger: str) -> None:
    if charge.first:
        charge.value = Ledger(ledger).charge(folder, 500, idempotency_key=charge.key)
        pass_gate(folder, 1)


def _asker(ledger: str) -> Callable[[Effect], Happened | DidNotHappen]:
    def ask(charge: Effect) -> Happened | DidNotHappen:
        receipt = Ledger(ledger).find(charge.key)
        return DidNotHappen() if receipt is None else Happened(receipt)

    return ask


# -- callbacks: they say that they were called before they wait


def succeeded(job: Any, *_: object) -> None:
    """Hear that the job succeeded."""
    tell(job.args[0], "success")
    pass_gate(job.args[0], 1)


def succeeded_and_raise(job: Any, *_: object) -> NoReturn:
    """Hear that the job succeeded, and fail it by that."""
    succeeded(job)
    raise Meant("this callback is to fail")


def failed(job: Any, *_: object) -> None:
    """Hear that the job failed."""
    tell(job.args[0], "failure")


def failed_and_wait(job: Any, *_: object) -> None:
    """Hear that the job failed, and take some time over it."""
    failed(job)
    pass_gate(job.args[0], 1)


def failed_and_raise(job: Any, *_: object) -> NoReturn:
    """Hear that the job failed, and fail, too."""
    failed(job)
    pass_gate(job.args[0], 2)
    raise Meant("this callback is to fail")
