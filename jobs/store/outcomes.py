"""The words the moves answer, as small frozen things to `match` on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease


@dataclass(frozen=True)
class Queued:
    """In line."""

    job_id: str


@dataclass(frozen=True)
class Scheduled:
    """Waits in the scheduled set until it is due."""

    job_id: str


@dataclass(frozen=True)
class Duplicate:
    """The key, or the id, had already made this job."""

    job_id: str


@dataclass(frozen=True)
class Claimed:
    """The job is ours until the lease's deadline."""

    lease: Lease
    #: The job's record as it was just after the claim, but for what that itself wrote of ours: that may be as before.
    record: dict[bytes, bytes] = field(compare=False)


@dataclass(frozen=True)
class Aftermath:
    """Not a job: what is left to tell of one that was buried without a horse to speak for it."""

    queue: str
    job_id: str
    #: failed or stopped.
    status: str
    #: Names this telling of it; one that is told again has another.
    entry: str
    #: The job's record as it was just after the claim.
    record: dict[bytes, bytes]


@dataclass(frozen=True)
class Empty:
    """Nothing is due."""

    #: The queues at which the asker is the one to listen for plain producers: a hint.
    listens_at: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Again:
    """So much in line could not be taken that the claim stopped looking: there may be more behind it."""


@dataclass(frozen=True)
class Closed:
    """No claim is let through, or a later operation has been seen."""

    why: str


@dataclass(frozen=True)
class Renewed:
    """The lease is ours until then, by the server's clock."""

    deadline_ms: int


@dataclass(frozen=True)
class Fenced:
    """Someone newer holds the job."""

    by: int


@dataclass(frozen=True)
class Lost:
    """Nobody holds the job: it was reclaimed, settled, or ended by a person."""


@dataclass(frozen=True)
class Annotated:
    """The fields were written."""


@dataclass(frozen=True)
class Completed:
    """The job is finished."""


@dataclass(frozen=True)
class Postponed:
    """The job will be tried again."""


@dataclass(frozen=True)
class Buried:
    """The job failed for good."""


@dataclass(frozen=True)
class GivenBack:
    """The job is in line again, unharmed."""


@dataclass(frozen=True)
class Crashed:
    """A death was charged; the job will run again."""


@dataclass(frozen=True)
class Reclaimed:
    """A lease taken back from the dead."""

    #: reclaimed: it will run again; buried: its budget is used up; removed: there was no job to take back.
    word: str
    queue: str
    job_id: str
    execution: str
    fence: int
    worker: str
    #: How long past its deadline, in ms by the server's clock.
    late_ms: int


@dataclass(frozen=True)
class PassedOver:
    """A job that a chore left for a while, since something of it cannot be dealt with: what Redis said."""

    job_id: str
    why: str


@dataclass(frozen=True)
class Pass:
    """One pass of the reaper."""

    reclaimed: tuple[Reclaimed, ...]
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class Promoted:
    """One pass of the promoter."""

    count: int
    #: How many entries it looked at: as many as it may means there may be more.
    seen: int


@dataclass(frozen=True)
class Waiting:
    """Holders have that long to renew after an outage."""

    ms: int


@dataclass(frozen=True)
class Rescued:
    """A job that was in no place, and where it was missed: line, intermediate, scheduled, deferred or hands."""

    job_id: str
    queue: str
    place: str


#: What a look at suspects found.
Rescue: TypeAlias = tuple[Rescued | PassedOver, ...]


@dataclass(frozen=True)
class NotDue:
    """Someone did this just now; ask again in that many ms."""

    ms: int


@dataclass(frozen=True)
class First:
    """The effect is ours to make."""


@dataclass(frozen=True)
class Done:
    """The effect has taken place."""

    value: bytes


@dataclass(frozen=True)
class Doubtful:
    """An earlier attempt meant to make the effect, and did not say whether it did."""

    by: int


@dataclass(frozen=True)
class Withdrawn:
    """As if the effect had never been meant."""


@dataclass(frozen=True)
class Requeued:
    """What had ended is in line again."""

    job_id: str
    queue: str


@dataclass(frozen=True)
class Dropped:
    """Deleted for good."""

    job_id: str
    #: Jobs that waited for it, and wait for ever now.
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Resolved:
    """A doubt is settled: the next attempt will know."""

    job_id: str


@dataclass(frozen=True)
class Kept:
    """Left as it was, although a person asked."""

    job_id: str
    #: none: there is no such job; running: somebody works on it; not_ended: it has not failed; in_doubt; no_doubt;
    #: error: Redis gave none of these words.
    why: str
    #: not_ended: its status; in_doubt: the effects; no_doubt: the effect's marker, done or none; error: its text.
    details: tuple[str, ...]


#: The words of a move out of `started` that has no right to it.
Refused = Fenced | Lost | Closed

#: What a claim may answer. Lost: what it gave is gone by now.
Claim = tuple[Claimed, ...] | Aftermath | Empty | Again | Closed | Lost


@dataclass(frozen=True)
class Turned:
    """Leases ended, and a claim."""

    #: A word for each lease, in the order in which they were given.
    said: tuple[Completed | Refused, ...]
    next: Claim
