"""What happened in a run, as its judge sees it: who invoked what, what the server did, what the world outside saw."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from holdfast.jobs import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.jobs.lease import Lease


@dataclass(frozen=True)
class Line:
    """One thing that happened, seen from outside the server."""

    us: int
    who: str
    did: str
    job: str = ""
    execution: str = ""
    fence: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Move:
    """One move, in the server's own order."""

    ms: int
    move: str
    job: str
    queue: str
    execution: str
    fence: int
    to: str
    who: str


def move_of(entry: dict[bytes, bytes]) -> Move:
    """Read an entry of the stream of moves."""
    told = {name.decode(): value.decode() for name, value in entry.items()}
    told["ms"], told["fence"] = int(told["ms"]), int(told["fence"] or 0)  # type: ignore[assignment]
    return Move(**told)  # type: ignore[arg-type]  # the two numbers were just made


@dataclass(frozen=True)
class Place:
    """Where a job is when all is over, by the server's records."""

    status: str
    #: Each structure it is in: line, scheduled, wip, leases, finished, failed, deferred, canceled.
    places: tuple[str, ...]
    ended: str = ""
    dead: str = ""
    executions: int = 0
    crashes: int = 0
    failures: int = 0


@dataclass
class History:
    """A run, complete enough to be judged without it."""

    lines: list[Line] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    #: By job id, once the run is over.
    final: dict[str, Place] = field(default_factory=dict)
    #: What entries in line or sets have no job behind them.
    ghosts: list[str] = field(default_factory=list)
    #: Once true, nothing more is written: the run has been looked at.
    is_closed: bool = False

    def note(self, us: int, who: str, did: str, job: str = "", **more: object) -> None:
        """Write a line."""
        if self.is_closed:
            return
        self.lines.append(Line(us, who, did, job, **more))  # type: ignore[arg-type]  # fields of Line

    def of(self, *did: str) -> Iterator[Line]:
        """Give the lines that tell of these things."""
        return (line for line in self.lines if line.did in did)

    def event(self, us: int, who: str, event: events.Event) -> None:
        """Write down what production code told."""
        match event:
            case events.Claimed(lease, _):
                self._lease(us, who, "claimed", lease)
            case events.Settled(lease, word, detail):
                self._lease(us, who, word, lease, str(detail))
            case events.Refused(lease, by):
                self._lease(us, who, "refused", lease, type(by).__name__.lower())
            case events.HorseStopped(lease, why):
                self._lease(us, who, "stopped horse", lease, why)
            case events.HorseSpared(lease, why):
                self._lease(us, who, "spared horse", lease, why)
            case events.Reclaimed(taken):
                self.note(
                    us,
                    who,
                    taken.word,
                    taken.job_id,
                    execution=taken.execution,
                    fence=taken.fence,
                    detail=f"{taken.late_ms} ms late",
                )
            case events.HoldersGraced(ms):
                self.note(us, who, "graced", detail=f"{ms} ms")

    def _lease(self, us: int, who: str, did: str, lease: Lease, detail: str = "") -> None:
        self.note(us, who, did, lease.job_id, execution=lease.execution, fence=lease.fence, detail=detail)

    def digest(self) -> str:
        """Give sixteen hex digits that tell this history from another."""
        everything = json.dumps(
            [
                [asdict(line) for line in self.lines],
                [asdict(move) for move in self.moves],
                {job: asdict(place) for job, place in sorted(self.final.items())},
                self.ghosts,
            ]
        )
        return hashlib.sha256(everything.encode()).hexdigest()[:16]
