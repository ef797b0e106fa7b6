"""What classes of an app's own, in the place of RQ's, cannot say here: other keys, and methods that nobody calls."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakSet

from holdfast.jobs.errors import SettingsError
from holdfast.jobs.rq_surface import NOT_CALLED_TO_ENQUEUE, WHERE_KEYS_ARE, Job
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("rq.queue")

#: What RQ's classes say of where their keys are. Our scripts have them from keys.py.
_WHERE = {name: keys.FAMILIES[family]("") for name, family in WHERE_KEYS_ARE.items()}

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


def overridden(kind: type, rqs: type, names: Iterable[str]) -> list[str]:
    """Give which of these names a class of the app's has otherwise than RQ's own: overridden, or put in its place."""
    return sorted(name for name in names if getattr(kind, name, None) is not getattr(rqs, name, None))


def tell_in_vain(job_class: type[Job]) -> None:
    """Say once, of each class, what an enqueue will not call of it."""
    if job_class in _known:
        return
    _known.add(job_class)
    if vain := overridden(job_class, Job, NOT_CALLED_TO_ENQUEUE):
        logger.warning(
            "Queue: %s.%s overrides what an enqueue here does not call: %s",
            job_class.__module__,
            job_class.__qualname__,
            ", ".join(vain),
        )
