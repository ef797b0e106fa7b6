"""The workers of a run: each in a place, perhaps behind a proxy, and put back when it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING

from holdfast.chaos.link import Act, Pass, Request
from holdfast.chaos.processes.family import Family
from holdfast.chaos.processes.migration import STOCK_MARK, seats
from holdfast.chaos.processes.tasks import FOLDER
from holdfast.chaos.processes.workload import QUEUES
from holdfast.jobs.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from holdfast.chaos.processes.migration import Goal
    from holdfast.chaos.proxy import FaultProxy

#: Short, so that a run of minutes sees many leases end.
SETTINGS = Settings(
    lease_ms=3_000,
    renew_ms=800,
    margin_ms=400,
    reap_ms=300,
    promote_ms=300,
    poll_ms=500,
    grace_ms=4_000,
    overtime_ms=1_000,
    record_moves=True,
)
#: Stock workers leave jobs in no place: ours are not to wait a minute for each.
#: And a fork for each job, or ours would leave the stock ones hardly any.
MIXED = replace(SETTINGS, orphaned_ms=5_000, orphans_ms=500, jobs_per_horse=1)
#: The shortest that stock RQ documents for noticing the dead; its own 60 s on top cannot be set.
STOCK_OPTIONS = (
    "--with-scheduler",
    "--worker-ttl",
    "16",
    "--maintenance-interval",
    "5",
    "--job-monitoring-interval",
    "1",
)

_KEEPER = "from holdfast.console.cli import main; main()"
_VACANT_S = 0.5
_LOOK_S = 0.02
_FADING_S = 0.2


class Wire:
    """A proxy before one client of the server. Rules may be added and taken away while others stand."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._rules: list[Callable[[Request], Act | None]] = []
        proxy.rule = self._judge

    def add(self, rule: Callable[[Request], Act | None]) -> Callable[[], None]:
        """Let a rule decide on requests, unless an older one has; give what takes it away again."""
        self._rules.append(rule)

        def take_away() -> None:
            if rule in self._rules:
                self._rules.remove(rule)

        return take_away

    def _judge(self, request: Request) -> Act:
        acts = (rule(request) for rule in tuple(self._rules))
        return next((act for act in acts if act is not None), Pass())


@dataclass
class Place:
    """Where a worker stands, or will stand again."""

    name: str
    command: Callable[[str], Sequence[str]]
    wire: Wire | None = None
    family: Family | None = None
    lives: int = 0
    vacant_until: float = 0.0
    #: What the next one here is told beside what all are.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Who stands here after a migration, if it is somebody else.
    successor: Callable[[str], Sequence[str]] | None = None
    #: What ends the name of whoever stands here.
    mark: str = ""

    @property
    def living(self) -> Family | None:
        """The process that runs here, if one does."""
        return self.family if self.family is not None and self.family.exit_code is None else None


class Fleet:
    """All places, and every process that ever stood in one. A supervisor: what ends is started again."""

    def __init__(self, places: Sequence[Place], folder: Path, environment: Mapping[str, str]) -> None:
        self.places = {place.name: place for place in places}
        self.families: list[Family] = []
        self.folder = folder
        self._environment = environment
        self._is_open = True
        #: Those whose head has ended, and who may have left somebody behind.
        self._fading: list[Family] = []
        self._look_at = 0.0

    def step(self) -> Iterator[tuple[Place, Family]]:
        """Put a new process where one has ended a while ago. Gives what has just ended."""
        if time.monotonic() >= self._look_at:
            # A family knows its own by a number that is somebody else's some time after the last of it has gone.
            self._fading = [family for family in self._fading if family.children()]
            self._look_at = time.monotonic() + _FADING_S
        for place in self.places.values():
            if place.family is not None and place.family.exit_code is not None:
                ended, place.family = place.family, None
                place.vacant_until = time.monotonic() + _VACANT_S
                self._fading.append(ended)
                yield place, ended
            if place.family is None and self._is_open and time.monotonic() >= place.vacant_until:
                self._fill(place)

    def _fill(self, place: Place) -> None:
        place.lives += 1
        name = f"{place.name}-{place.lives}{place.mark}"
        environment = {**self._environment, **place.environment}
        place.family = Family(name, place.command(name), environment, self.folder)
        self.families.append(place.family)

    def stop(self, within_s: float) -> None:
        """Ask all to stop, and end by SIGKILL what has not ended in time."""
        self._is_open = False
        for place in self.places.values():
            if place.living:
                place.living.tell(signal.SIGCONT, whole=True)
                place.living.tell(signal.SIGTERM)
        until = time.monotonic() + within_s
        while any(place.living for place in self.places.values()) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        self.kill()

    def kill(self) -> None:
        """End whatever still runs, and whatever outlived its head."""
        self._is_open = False
        for family in self.families:
            family.kill()


def make_places(
    workers: int, url: str, wires: Mapping[str, Wire], *, is_stock: bool = False, goal: Goal | None = None
) -> list[Place]:
    """Give a place for each worker, and one for the keeper of ours. A worker with a wire is behind its proxy.

    `goal`: half of them are stock, the first with a scheduler, the last on one queue; their successors are of the kind
    that is named.
    """
    stock_seats, _ = seats(workers) if goal else ((), ())
    places = []
    for number in range(1, workers + 1):
        name = f"w{number}"
        wire = wires.get(name)
        address = wire.proxy.url if wire else url
        ours = partial(_command, address, ("-w", "holdfast.workers.Worker"), QUEUES)
        stock = partial(_command, address, ("-w", "rq.Worker", *STOCK_OPTIONS), QUEUES)
        if not goal:
            places.append(Place(name, stock if is_stock else ours, wire))
        elif name in stock_seats:
            # From one queue, a stock worker takes by way of its intermediate list.
            queues = QUEUES[1:] if name == stock_seats[-1] else QUEUES
            options = STOCK_OPTIONS if name == stock_seats[0] else STOCK_OPTIONS[1:]
            stock = partial(_command, address, ("-w", "rq.Worker", *options), queues)
            places.append(Place(name, stock, wire, successor=ours if goal == "ours" else None, mark=STOCK_MARK))
        else:
            places.append(Place(name, ours, wire, successor=stock if goal == "stock" else None))
    if not is_stock:
        places.append(Place("keeper", lambda _: [sys.executable, "-c", _KEEPER, "keeper", "--redis-url", url]))
    return places


def _command(url: str, kind: Sequence[str], queues: Sequence[str], name: str) -> list[str]:
    return [sys.executable, "-m", "rq.cli", "worker", "-u", url, *kind, "--name", name, *queues]


def environment(folder: Path, settings: Settings = SETTINGS) -> dict[str, str]:
    """Give what a worker is told: nothing of what the caller has set for workers of their own."""
    told = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
    told |= {f"HOLDFAST_{each.name.upper()}": str(int(getattr(settings, each.name))) for each in fields(settings)}
    return told | {FOLDER: str(folder), "PYTHONUNBUFFERED": "1"}
