"""What the parent knows of a job in its hands, and how long things may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.jobs.rq_surface import CALLBACK_TIMEOUT, Queue
from holdfast.jobs.store.work import Stint
from holdfast.workers.runtime import LEASE_ENDED, SETTLED_ALONE

if TYPE_CHECKING:
    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.workers.ends import End
    from holdfast.workers.runtime import Ending

_DEFAULT_TIMEOUT_S = Queue.DEFAULT_TIMEOUT
_CALLBACKS = (b"success_callback", b"failure_callback")
_CALLBACK_TIMEOUT_S = CALLBACK_TIMEOUT


@dataclass(eq=False)
class Hold:
    """One lease in our hands."""

    lease: Lease
    #: The job's record as it was claimed.
    record: dict[bytes, bytes]
    #: When the next renewal is due, on the boot clock.
    renew_at: int
    #: When it is to be let go if no renewal was answered, on the boot clock.
    stop_by_ms: int
    #: For how long it may run before a horse that ignores the job's timeout is killed, in ms, or None.
    limit_ms: int | None
    #: The number under which our horse was handed it; 0: not yet.
    number: int = 0
    #: Since when it is the horse's first, on the boot clock.
    begun_ms: int | None = None
    #: How it ended, as its horse said.
    end: End | None = None
    #: Whether the horse settles that itself.
    is_kept: bool = False
    #: Why we killed the horse, if we did.
    stopped_for: str | None = None

    @property
    def overdue_at(self) -> int | None:
        """When a horse that is still at it is killed, on the boot clock."""
        if self.begun_ms is None or self.limit_ms is None:
            return None
        return self.begun_ms + self.limit_ms

    def why(self, ending: Ending, *, is_stopping: bool, is_late: bool) -> str:
        """Say what an unsettled end means: gone, stopped, overdue, killed, unharmed, or the cause of a crash."""
        if ending.exit_code == SETTLED_ALONE:
            return "gone"
        match self.stopped_for:
            case "gone" | "stopped" | "overdue" | "killed" as why:
                return why
            case "stop-by" | "grace" | "stuck":
                return "unharmed"
        # Its guard killed it: nobody's fault. While we stop, a supervisor may kill all of us.
        if is_late or is_stopping or ending.exit_code == LEASE_ENDED:
            return "unharmed"
        return str(ending)

    def stint(self, clock: Clock) -> Stint:
        """Tell how long it worked."""
        ended_s = clock.wall_s()
        begun_ms = clock.boot_ms() if self.begun_ms is None else self.begun_ms
        return Stint(ended_s - (clock.boot_ms() - begun_ms) / 1000, ended_s)


@dataclass
class Turn:
    """A settle and claim that a horse makes by itself: what is needed to make it once more under its number."""

    op: int
    seen_fence: int
    #: From when the leases that it gives count, on the boot clock.
    asked_ms: int
    #: What it ends.
    ends: list[Hold]
    #: On which of its lanes.
    lane: int = 0
    #: Whether it ends nothing and may stand at the bell: it is not finished, but withdrawn under the next number.
    is_look: bool = False


class Patience:
    """How long things may take, derived from the settings once."""

    def __init__(self, settings: Settings) -> None:
        #: From the first sending of a claim or renewal until a holder without news stops.
        self.hold_ms = settings.lease_ms - settings.margin_ms
        #: For how long a claim is sent again under its number; after that its lease would be too old to begin with.
        self.claim_ms = self.hold_ms // 2
        #: Until a renewal that was not answered is tried again.
        self.renew_again_ms = max(20, settings.renew_ms // 10)
        #: From the sending of a claim or renewal until the next renewal is due.
        self.renew_ms = settings.renew_ms
        #: For how long a horse's claim may stand: taken later than that, its lease would be half over.
        self.stand_ms = min(settings.poll_ms, settings.renew_ms // 2)
        #: How often a horse that looks for a job is asked whether it has found one.
        self.look_ms = min(500, settings.renew_ms // 4)
        self._overtime_ms = settings.overtime_ms

    def hold(self, lease: Lease, record: dict[bytes, bytes], asked_ms: int) -> Hold:
        """Take a lease in hand that was asked for at that moment."""
        renew_at, stop_by_ms = asked_ms + self.renew_ms, asked_ms + self.hold_ms
        return Hold(lease, record, renew_at, stop_by_ms, self._limit_ms(record))

    def _limit_ms(self, record: dict[bytes, bytes]) -> int | None:
        """Tell for how long a job may run at the most: its own timeout, its callbacks', and some more."""
        timeout_s = _seconds(record.get(b"timeout"), _DEFAULT_TIMEOUT_S)
        if timeout_s <= 0:
            return None
        for callback in _CALLBACKS:
            if record.get(callback + b"_name"):
                timeout_s += _seconds(record.get(callback + b"_timeout"), _CALLBACK_TIMEOUT_S)
        return int(timeout_s * 1000) + self._overtime_ms

    @staticmethod
    def telling_ms(record: dict[bytes, bytes]) -> int:
        """Tell how long a horse may take over what is left to tell of the dead, in ms."""
        names = (b"failure_callback_timeout", b"stopped_callback_timeout")
        return LINGER_MS + int(max(_seconds(record.get(name), _CALLBACK_TIMEOUT_S) for name in names) * 1000)


#: For how long a horse that holds nothing may go on, to send webhooks and leave.
LINGER_MS = 60_000


def _seconds(value: bytes | None, default: float) -> float:
    """Read a number from a record that anyone may have written: the parent must not fall over it."""
    try:
        seconds = float(value or default)
    except ValueError:
        return default
    return seconds if math.isfinite(seconds) else default
