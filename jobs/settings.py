"""All settings, read once from `HOLDFAST_*`, checked against each other, and printed at start."""

from __future__ import annotations

import logging
import re
from dataclasses import Field, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.jobs.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("rq.queue")

_PREFIX = "HOLDFAST_"
#: Names under the prefix that are not settings: where the console finds the server.
_NOT_SETTINGS = {"HOLDFAST_REDIS_URL"}
#: Nor are these: Kubernetes puts them into each pod of a namespace with a Service called holdfast, or holdfast-redis.
_SERVICE_LINK = re.compile(r"HOLDFAST_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")

#: So that no script holds the server for more than some ms.
MOST_PREFETCHED = 100
#: Longer than any answer is worth a core: 10 ms.
MOST_SPUN_US = 10_000
#: A holder must hear of its lease several times before it must stop, and no reply is waited for less than 100 ms.
_LEAST_HELD_MS = 400
#: Ten years in ms. More is a slip, and grows past what the server's scripts and our shared memory count in.
MOST_MS = 315_360_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long things may take. Times in ms unless the name says otherwise."""

    #: From claim or renewal to deadline. A dead worker's job waits this long.
    lease_ms: int = 10_000
    #: Between renewals. Two in a row may be lost before the lease is.
    renew_ms: int = 3_000
    #: How long before the deadline a holder that could not renew stops its own work.
    margin_ms: int = 1_000
    #: Between two passes of the fleet's reaper.
    reap_ms: int = 1_000
    #: Between two passes of the fleet's promoter.
    promote_ms: int = 1_000
    #: How long an idle worker waits for a bell before it looks by itself.
    poll_ms: int = 1_000
    #: Between two looks of the fleet through a page of all records, for jobs that are in no place.
    orphans_ms: int = 2_000
    #: For how long a job must have been seen in no place before it is put back.
    orphaned_ms: int = 60_000
    #: From SIGTERM until a running job is given back.
    grace_ms: int = 25_000
    #: Past a job's own timeout, until a horse that ignores it is killed.
    overtime_ms: int = 5_000
    #: How many deaths of its worker a job may cause before it is buried, unless it says otherwise.
    crashes: int = 3
    #: For how long a key given with an enqueue keeps a second one out.
    key_horizon_ms: int = 86_400_000
    #: How many jobs a horse runs before it is replaced. 1 is RQ's fork per job.
    jobs_per_horse: int = 10_000
    #: How many jobs a worker may have in hand. Above 1, quick ones are claimed several a trip.
    prefetch: int = 1
    #: For how long, in us, a horse looks out for the answer to its turn before it sleeps. 0: it sleeps at once.
    spin_us: int = 500
    #: A horse that takes more memory than this, in MiB, is replaced after its job. 0: no ceiling.
    horse_memory_max_mb: int = 0
    #: Whether a job's return value is kept in RQ's result stream, most of what a finished job takes of Redis.
    keep_results: bool = True
    #: Whether every move is also written to one capped stream, in the server's order.
    record_moves: bool = False

    def __post_init__(self) -> None:
        times = (each.name for each in fields(self) if each.name.endswith("_ms"))
        ceilings = dict.fromkeys(("horse_memory_max_mb", *times), MOST_MS)
        ceilings |= {"prefetch": MOST_PREFETCHED, "spin_us": MOST_SPUN_US}
        for name, most in ceilings.items():
            said = f"{self.as_found(name)}: it must be at most {most}. {self._usual(name)}"
            self._require(getattr(self, name) <= most, said)
        chores = ("reap_ms", "promote_ms", "orphans_ms")
        for name in ("lease_ms", "renew_ms", "margin_ms", *chores, "poll_ms", "key_horizon_ms"):
            said = f"{self.as_found(name)}: it must be above 0. {self._usual(name)}"
            self._require(getattr(self, name) > 0, said)
        for name in ("grace_ms", "overtime_ms", "orphaned_ms", "crashes", "horse_memory_max_mb", "spin_us"):
            said = f"{self.as_found(name)}: it must not be negative. {self._usual(name)}"
            self._require(getattr(self, name) >= 0, said)
        self._require(
            self.lease_ms > 3 * self.renew_ms,
            f"{self.as_found('lease_ms')}: it must exceed 3 x HOLDFAST_RENEW_MS ({self.renew_ms}), so that two lost "
            f"renewals do not cost a lease. Raise it, or lower HOLDFAST_RENEW_MS.",
        )
        self._require(
            self.margin_ms < self.lease_ms - self.renew_ms,
            f"{self.as_found('margin_ms')}: it must be below HOLDFAST_LEASE_MS - HOLDFAST_RENEW_MS ({self.lease_ms} - "
            f"{self.renew_ms}), or a holder stops before it could have renewed. Lower it, or raise HOLDFAST_LEASE_MS.",
        )
        self._require(
            self.lease_ms - self.margin_ms >= _LEAST_HELD_MS,
            f"{self.as_found('lease_ms')}: it must be at least HOLDFAST_MARGIN_MS ({self.margin_ms}) + "
            f"{_LEAST_HELD_MS}, so that four replies of 100 ms fit before a holder must stop. Raise it, or lower "
            f"HOLDFAST_MARGIN_MS.",
        )
        for name in ("jobs_per_horse", "prefetch"):
            said = f"{self.as_found(name)}: it must be at least 1. {self._usual(name)}"
            self._require(getattr(self, name) >= 1, said)

    @staticmethod
    def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - a condition is a bool
        if not holds:
            raise SettingsError(otherwise)

    def as_found(self, name: str) -> str:
        """Say a setting and its value by both of its names: most people set it outside, some in Python."""
        return f"{_PREFIX}{name.upper()} ({name}) is {getattr(self, name)}"

    @staticmethod
    def _usual(name: str) -> str:
        return f"Without a value of yours it is {getattr(Settings, name)}."

    @property
    def reply_ms(self) -> int:
        """How long one reply of Redis is waited for: several tries must fit before the stop-by moment."""
        return min(3_000, (self.lease_ms - self.margin_ms) // 4)

    @property
    def listen_ms(self) -> int:
        """How long an idle worker is the listener of its queues without asking again."""
        return 2 * self.poll_ms + 500

    @property
    def holder_grace_ms(self) -> int:
        """How long holders get to renew after an outage before the reaper acts: one heartbeat."""
        return self.renew_ms + self.reply_ms

    @property
    def late_reaper_ms(self) -> int:
        """How long a fleet may be without a pass of a reaper: one may be long where much is to be done."""
        return max(self.lease_ms, 5 * self.reap_ms)

    def describe(self) -> str:
        """Say every setting in one line, as at the start of a worker."""
        return " ".join(f"{each.name}={getattr(self, each.name)}" for each in fields(self))

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, on_unknown: Callable[[str], None] | None = None
    ) -> Settings:
        """Read `HOLDFAST_LEASE_MS` and so on.

        Raises SettingsError for a value that is no number, or a contradiction; and for a name we do not know, unless
        there is somebody to tell.
        """
        known = {_PREFIX + each.name.upper(): each for each in fields(cls)}
        given = {name: value for name, value in environment.items() if name.startswith(_PREFIX)}
        ours = given.keys() - _NOT_SETTINGS
        unknown = sorted(name for name in ours - known.keys() if not _SERVICE_LINK.fullmatch(name))
        if unknown:
            said = f"unknown setting {', '.join(unknown)}; the ones there are: {', '.join(sorted(known))}"
            if on_unknown is None:
                raise SettingsError(said)
            on_unknown(said)
        values: dict[str, Any] = {
            known[name].name: _read(name, value, known[name]) for name, value in given.items() if name in known
        }
        return cls(**values)

    @classmethod
    def of_a_producer(cls, environment: Mapping[str, str]) -> Settings:
        """Read them for a Queue of an app's: unknown names are told once, and ignored.

        Two of all settings concern a producer. It is often deployed after its workers, and must not go down over a
        name that only they know yet.
        """
        return _of_a_producer(tuple((name, environment[name]) for name in environment if name.startswith(_PREFIX)))


@lru_cache(maxsize=8)
def _of_a_producer(given: tuple[tuple[str, str], ...]) -> Settings:
    # Apps make Queue objects freely, in every request: what was read of the same environment is read already.
    return Settings.from_environment(dict(given), on_unknown=lambda said: logger.warning("Queue: ignored: %s", said))


def _read(name: str, value: str, field: Field[Any]) -> int:
    if field.type == "bool":
        if value.lower() not in {"0", "1", "true", "false"}:
            raise SettingsError(f"{name} is {value!r}; it takes 1 or 0")
        return value.lower() in {"1", "true"}
    try:
        return int(value)
    except ValueError:
        raise SettingsError(f"{name} is {value!r}; it takes a whole number") from None
