"""What happens, told once: logs, metrics and histories are listeners to the same stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store import outcomes as out


class Event:
    """Something that has happened."""


# These two are made for every job, and read for some: so they are not frozen, and nothing in them is spelled yet.


@dataclass(slots=True)
class Claimed(Event):
    lease: Lease
    #: The job's record as it was claimed.
    record: dict[bytes, bytes]

    @property
    def description(self) -> str:
        """What the job is, as its record has it."""
        return self.record.get(b"description", b"").decode(errors="replace")


@dataclass(slots=True)
class Settled(Event):
    """A lease ended; `word` is the outcome: completed, postponed, buried, given back, crashed."""

    lease: Lease
    word: str
    #: Something that is spelled by str().
    detail: object = ""


@dataclass(frozen=True)
class Refused(Event):
    """A move was refused, because the lease had gone: fenced or lost."""

    lease: Lease
    by: out.Fenced | out.Lost | out.Closed


@dataclass(frozen=True)
class HorseStopped(Event):
    """A horse was killed for the sake of one execution."""

    lease: Lease
    why: str


@dataclass(frozen=True)
class HorseSpared(Event):
    """A horse was about to be killed for an execution that it had already ended."""

    lease: Lease
    why: str


@dataclass(frozen=True)
class Reclaimed(Event):
    taken: out.Reclaimed


@dataclass(frozen=True)
class HorseDied(Event):
    """A horse ended without a settle, and not by our wish to give its job back."""

    lease: Lease
    #: The job's record as it was claimed.
    record: dict[bytes, bytes]
    pid: int
    #: What waitpid() said.
    wait_status: int
    #: What it used, as resource.getrusage() has it, where the system tells.
    usage: Any = None


class HorsesSeen(Event):
    """Whether the horses of a worker begin anything."""


@dataclass(frozen=True)
class HorsesFailed(HorsesSeen):
    """So many in a row ended before they began anything; none is started for a while."""

    count: int
    why: str
    wait_ms: int


@dataclass(frozen=True)
class HorsesBegin(HorsesSeen):
    """After such a row, one has begun something."""


@dataclass(frozen=True)
class StopAsked(Event):
    """The worker was asked to stop, and has heard it."""

    #: What runs, and may for so long.
    job_id: str | None
    left_ms: int


@dataclass(frozen=True)
class Ignored(Event):
    """A command was heard, and there was nothing to be done."""

    command: str
    why: str


@dataclass(frozen=True)
class Rescued(Event):
    found: out.Rescued


@dataclass(frozen=True)
class PassedOver(Event):
    found: out.PassedOver


@dataclass(frozen=True)
class Spoken(Event):
    """What was left to tell of a buried job has been told."""

    left: out.Aftermath


@dataclass(frozen=True)
class Promoted(Event):
    count: int


@dataclass(frozen=True)
class HoldersGraced(Event):
    """After an outage, holders get a heartbeat before the reaper acts."""

    ms: int


@dataclass(frozen=True)
class RedisLeft(Event):
    error: str
    #: Whether it is there, and does not let us in: a person must do something.
    is_lockout: bool = False


@dataclass(frozen=True)
class RedisReturned(Event):
    pass


Listener = Callable[[Event], None]


class Events:
    """The stream. Listeners are called in order, in the teller's thread."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners: list[tuple[Listener, type[Event]]] = [(listener, Event) for listener in listeners]
        #: Who hears of one kind of event: found when the first of them is told.
        self._hearing: dict[type[Event], list[Listener]] = {}

    def listen(self, listener: Listener, kind: type[Event] = Event) -> None:
        """Add a listener, to events of one kind if told so."""
        self._listeners.append((listener, kind))
        self._hearing.clear()

    def tell(self, event: Event) -> None:
        """Tell all listeners that want to hear of it."""
        told = type(event)
        if told not in self._hearing:
            self._hearing[told] = [listener for listener, kind in self._listeners if issubclass(told, kind)]
        for listener in self._hearing[told]:
            listener(event)
