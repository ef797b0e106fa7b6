"""What the parent keeps of the job its horse works on, and for how long it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.jobs.lease import Lease
from holdfast.jobs.store.moves import Spell
from holdfast.workers.runtime import LEASE_ENDED

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store import outcomes as out
    from holdfast.workers.runtime import Ending, Horse

_DEFAULT_TIMEOUT_S = 180
_CALLBACKS = (b"success_callback", b"failure_callback")
_CALLBACK_TIMEOUT_S = 60


@dataclass
class Hold:
    """One lease in the hands of one horse."""

    lease: Lease
    #: The job's record as it was claimed.
    record: dict[bytes, bytes]
    horse: Horse
    #: The operation that claimed it.
    op: int
    begun_ms: int
    #: When the next renewal is due, on the boot clock.
    renew_at: int
    #: When a horse that ignores the job's timeout is killed, or None.
    overdue_at: int | None
    #: When we first saw that its job is settled, on the boot clock.
    settled_ms: int | None = None
    #: How long its horse may then go on, to send webhooks and leave.
    linger_ms: int = 60_000
    #: Why we killed the horse, if we did.
    stopped_for: str | None = None

    @classmethod
    def of_aftermath(cls, left: out.Aftermath, horse: Horse, now_ms: int) -> Hold:
        """Keep what a horse does that holds no lease: it tells what is left to tell of a job."""
        job_id, _, execution = left.entry.split(" ", 2)[2].rpartition(":")
        lease = Lease(left.queue, job_id, execution, 0, 0, "")
        timeout_s = _seconds(left.record.get(f"{left.status}_callback_timeout".encode()), _CALLBACK_TIMEOUT_S)
        linger_ms = cls.linger_ms + int(timeout_s * 1000)
        return cls(lease, left.record, horse, 0, now_ms, now_ms, None, settled_ms=now_ms, linger_ms=linger_ms)

    def why(self, ending: Ending, *, is_stopping: bool, is_late: bool) -> str:
        """Say what an unsettled end means: gone, stopped, overdue, killed, unharmed, or the cause of a crash."""
        match self.stopped_for:
            case "gone" | "stopped" | "overdue" | "killed" as why:
                return why
            case "stop-by" | "grace":
                return "unharmed"
        # Its guard killed it, or it was refused: nobody's fault. While we stop, a supervisor may kill all of us.
        if is_late or is_stopping or ending.exit_code == LEASE_ENDED:
            return "unharmed"
        return str(ending)

    def spell(self, clock: Clock) -> Spell:
        """Tell how long it worked."""
        ended_s = clock.wall_s()
        return Spell(ended_s - (clock.boot_ms() - self.begun_ms) / 1000, ended_s)


class Patience:
    """How long things may take, derived from the settings once."""

    def __init__(self, settings: Settings) -> None:
        #: From the first sending of a claim or renewal until a holder without news stops.
        self.hold_ms = settings.lease_ms - settings.margin_ms
        #: For how long a claim is sent again under its number; after that its lease would be too old to begin with.
        self.claim_ms = self.hold_ms // 2
        #: Until a renewal that was not answered is tried again.
        self.renew_again_ms = max(20, settings.renew_ms // 10)
        self._overtime_ms = settings.overtime_ms

    def overdue_ms(self, record: dict[bytes, bytes], now_ms: int) -> int | None:
        """Tell when a job must be over at the latest: its own timeout, its callbacks', and some more."""
        timeout_s = _seconds(record.get(b"timeout"), _DEFAULT_TIMEOUT_S)
        if timeout_s <= 0:
            return None
        for callback in _CALLBACKS:
            if record.get(callback + b"_name"):
                timeout_s += _seconds(record.get(callback + b"_timeout"), _CALLBACK_TIMEOUT_S)
        return now_ms + int(timeout_s * 1000) + self._overtime_ms


def _seconds(value: bytes | None, default: float) -> float:
    """Read a number from a record that anyone may have written: the parent must not fall over it."""
    try:
        return float(value or default)
    except ValueError:
        return default
