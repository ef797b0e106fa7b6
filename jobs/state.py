"""What a job can be, and the lawful moves between: RQ's words in RQ's field, ours beside them."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """RQ's status words. A foreign word in RQ's field would blind stock tools to the whole queue."""

    CREATED = "created"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELED = "canceled"


class Outside(StrEnum):
    """The names of the worker API, as an outside program sees them."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class RetryState(StrEnum):
    """What became of a failure: another attempt is due, or none is left."""

    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    EXHAUSTED = "EXHAUSTED"


#: Which outside name each of RQ's words belongs to.
OUTSIDE: dict[Status, Outside] = {
    Status.CREATED: Outside.PENDING,
    Status.QUEUED: Outside.PENDING,
    Status.SCHEDULED: Outside.PENDING,
    Status.DEFERRED: Outside.PENDING,
    Status.STARTED: Outside.RUNNING,
    Status.FINISHED: Outside.SUCCEEDED,
    Status.FAILED: Outside.FAILED,
    Status.STOPPED: Outside.FAILED,
    Status.CANCELED: Outside.CANCELED,
}

#: Each move of a job: from which words to which. The first line of each Lua file says the same, and a
#: test holds them together.
MOVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "enqueue": (("none",), ("queued", "scheduled")),
    "enqueue_many": (("none",), ("queued",)),
    "claim": (("queued",), ("started",)),
    "renew": (("started",), ("started",)),
    "annotate": (("started",), ("started",)),
    "complete": (("started",), ("finished", "queued", "scheduled", "deferred")),
    "turn": (("queued", "started"), ("started", "finished", "queued", "scheduled", "deferred")),
    "postpone": (("started",), ("queued", "scheduled", "deferred")),
    "bury": (("started",), ("failed", "stopped", "queued", "scheduled", "deferred")),
    "give_back": (("started",), ("queued", "scheduled", "failed", "deferred")),
    "crash": (("started",), ("queued", "scheduled", "failed", "deferred")),
    "reclaim": (("started",), ("queued", "scheduled", "failed", "deferred")),
    "promote": (("scheduled",), ("queued",)),
    "rescue": (("queued", "scheduled", "deferred", "started"), ("queued", "scheduled", "deferred", "failed")),
    "requeue": (("failed", "stopped", "canceled"), ("queued",)),
    "drop": (("failed", "stopped", "canceled"), ("none",)),
}

#: The same for an effect's marker.
EFFECT_MOVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "begin_effect": (("none", "intent"), ("intent",)),
    "commit_effect": (("intent",), ("done",)),
    "withdraw_effect": (("intent",), ("none",)),
    "resolve_effect": (("intent",), ("done", "none")),
}


def outside_name(status: str) -> Outside:
    """Tell what an outside program calls a job of this RQ status.

    Raises ValueError for a word that is not RQ's.
    """
    return OUTSIDE[Status(status)]
