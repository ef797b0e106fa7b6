"""What a job is: the API that app code uses."""

from holdfast.jobs.effects import DidNotHappen, Effect, Happened, effect
from holdfast.jobs.errors import (
    DeadLetter,
    EffectMisused,
    HoldfastError,
    InDoubt,
    KeyTaken,
    LeaseEnded,
    NotDone,
    NotInAJob,
    RedisAwayError,
)
from holdfast.jobs.queue import Queue
from holdfast.jobs.retry import Exponential, Fixed, Retry
from holdfast.jobs.running import fence

__all__ = [
    "DeadLetter",
    "DidNotHappen",
    "Effect",
    "EffectMisused",
    "Exponential",
    "Fixed",
    "Happened",
    "HoldfastError",
    "InDoubt",
    "KeyTaken",
    "LeaseEnded",
    "NotDone",
    "NotInAJob",
    "Queue",
    "RedisAwayError",
    "Retry",
    "effect",
    "fence",
]
