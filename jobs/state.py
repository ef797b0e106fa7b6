"""What a job and the marker of an effect can be, and the lawful moves between."""

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
