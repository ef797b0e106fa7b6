"""The kinds of work that the sweep puts before a worker, and who the worker is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.chaos.sweep import tasks
from holdfast.chaos.sweep.boundaries import Rhythm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Short, so that a death costs a second and a half; long enough for a machine that is busy with other cases.
SETTINGS = {
    "HOLDFAST_LEASE_MS": "1500",
    "HOLDFAST_RENEW_MS": "400",
    "HOLDFAST_MARGIN_MS": "300",
    "HOLDFAST_REAP_MS": "200",
    "HOLDFAST_PROMOTE_MS": "300",
    "HOLDFAST_POLL_MS": "100",
    "HOLDFAST_GRACE_MS": "5000",
    "HOLDFAST_RECORD_MOVES": "1",
}
_BEAT = ("hset-worker-last_heartbeat", "expire-worker", "time", "hset-worker-hf_instance")
_CLOCKWORK = frozenset({"renew", "reclaim", "promote", *_BEAT})


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Which workers play: the one that is hurt, and the healthy one that finishes what it left."""

    worker: str
    options: tuple[str, ...] = ()
    healthy_worker: str
    healthy_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Where the classes are found, if they are not installed.
    python_path: str = ""
    #: How long a case may last before it counts as stranded.
    patience_s: float = 30
    #: How long the worker may try to help itself after a fault that it survives.
    alone_s: float = 4


OURS = Cast(
    worker="holdfast.workers.Worker", healthy_worker="holdfast.workers.Worker", environment=SETTINGS
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job of which one end is right."""

    function: Callable[..., Any]
    rhythm: Rhythm
    has_ledger: bool
    #: How many retries the job is enqueued with.
    retries: int = 0


def _in_stages(*openings: str) -> Rhythm:
    return Rhythm(openings, recurring=_CLOCKWORK, needed=_CLOCKWORK)


WORKS: dict[str, Work] = {
    "plain": Work(function=tasks.plain, rhythm=_in_stages("claim"), has_ledger=False),
    "effect": Work(
        function=tasks.charge_or_stop, rhythm=_in_stages("begin_effect", "commit_effect"), has_ledger=True
    ),
    "probe": Work(function=tasks.charge_or_ask, rhythm=_in_stages("begin_effect", "commit_effect"), has_ledger=True),
}
