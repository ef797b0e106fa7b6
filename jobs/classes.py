"""What classes of an app's own, in the place of RQ's, cannot say here: other keys, and methods that nobody calls."""

from __future__ import annotations

import logging
from weakref import WeakSet

from holdfast.jobs.errors import SettingsError
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys

logger = logging.getLogger("rq.queue")

#: By which attributes RQ's classes say where their keys are. Our scripts have them from keys.py.
_WHERE = {
    "redis_queue_namespace_prefix": keys.queue(""),
    "redis_queues_keys": keys.queues(),
    "redis_job_namespace_prefix": keys.job(""),
    "redis_worker_namespace_prefix": keys.worker(""),
    "redis_workers_keys": keys.workers(),
}
#: What RQ's queue calls of a job, in `_persist_job`, and ours does not: its record is written by the enqueue's script.
NOT_CALLED_TO_ENQUEUE = frozenset({"cleanup", "save", "set_status"})
#: What RQ's worker calls of a job, and ours does not: it claims and settles by scripts.
NOT_CALLED_TO_RUN = NOT_CALLED_TO_ENQUEUE | {
    "execute_success_callback",
    "get_retry_interval",
    "heartbeat",
    "prepare_for_execution",
    "retry",
}

_known: WeakSet[type[Job]] = WeakSet()


def check_keys(*kinds: type) -> None:
    """Refuse classes that have their keys elsewhere: a tenant's jobs would be put in the line that all share.

    Raises SettingsError.
    """
    for kind in kinds:
        for name, ours in _WHERE.items():
            given = getattr(kind, name, ours)
            if given != ours:
                raise SettingsError(
                    f"{kind.__module__}.{kind.__qualname__} has {name}={given!r}, and Holdfast's keys are RQ's own, "
                    f"{ours!r}: its jobs would be in one line with everybody's. To keep some apart, give them a Redis "
                    f"database of their own (the number at the end of the address), or queues of other names."
                )


def overridden_in_vain(job_class: type[Job], names: frozenset[str] = NOT_CALLED_TO_RUN) -> list[str]:
    """Give which of these methods of RQ's Job a class of the app's overrides although they are never called here."""
    return sorted(name for name in names if getattr(job_class, name) is not getattr(Job, name))


def tell_in_vain(job_class: type[Job]) -> None:
    """Say once, of each class, what an enqueue will not call of it."""
    if job_class in _known:
        return
    _known.add(job_class)
    if vain := overridden_in_vain(job_class, NOT_CALLED_TO_ENQUEUE):
        logger.warning(
            "Queue: %s.%s overrides what an enqueue here does not call: %s",
            job_class.__module__,
            job_class.__qualname__,
            ", ".join(vain),
        )
