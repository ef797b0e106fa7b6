"""The kinds of work that the sweep puts before a worker, and who the worker is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.cases import SIDES, Case, Fault, Setting, Side
from holdfast.chaos.sweep.judge import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.chaos.sweep.judge import Verdict
    from holdfast.chaos.sweep.stage import Played

#: Short, so that a death costs a second and a half; long enough for a machine that is busy with other cases.
_SETTINGS = {
    "HOLDFAST_LEASE_MS": "1500",
    "HOLDFAST_RENEW_MS": "400",
    "HOLDFAST_MARGIN_MS": "300",
    "HOLDFAST_REAP_MS": "200",
    "HOLDFAST_PROMOTE_MS": "300",
    "HOLDFAST_POLL_MS": "100",
    "HOLDFAST_GRACE_MS": "5000",
    "HOLDFAST_RECORD_MOVES": "1",
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the job is."""

    function: Callable[..., Any]
    #: How many gates it has to pass.
    gates: int = 0
    has_ledger: bool = True
    #: How many retries it is enqueued with.
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Which workers play what: the one that is hurt, the healthy one that finishes what it left, and their judge."""

    works: Mapping[str, Work]
    faults: Mapping[Fault, tuple[Side, ...]]
    judge: Callable[[Case | None, str, Played], Verdict]
    worker: str
    options: tuple[str, ...] = ()
    healthy_worker: str
    healthy_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    #: What the worker repeats by the clock. The job is held at each gate until all of it was seen.
    clockwork: frozenset[str] = frozenset()
    #: How many seconds a case may last before it counts as stuck.
    patience_s: float = 30
    #: How many seconds the worker may help itself after a fault that it survives.
    alone_s: float = 4

    @property
    def settings(self) -> list[Setting]:
        """Every work, on one queue and as the last of two."""
        return [Setting(queues, work) for work in self.works for queues in (1, 2)]


_BEAT = ("hset-worker-last_heartbeat", "expire-worker", "time", "hset-worker-hf_instance")


OURS = Cast(
    works={
        "plain": Work(function=tasks.plain, gates=1, has_ledger=False),
        "effect": Work(function=tasks.charge_or_stop, gates=2),
        "probe": Work(function=tasks.charge_or_ask, gates=2),
    },
    faults=SIDES,
    judge=judge,
    worker="holdfast.workers.Worker",
    healthy_worker="holdfast.workers.Worker",
    environment=_SETTINGS,
    clockwork=frozenset({"renew", "reclaim", "promote", *_BEAT}),
)
