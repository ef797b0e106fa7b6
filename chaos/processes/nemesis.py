"""Hurts a run as its plan says: each fault at its moment, and healed again after its time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis import Redis

    from holdfast.chaos.processes.fleet import Fleet, Wire
    from holdfast.chaos.processes.seat import Seat, Sitter

C = TypeVar("C", bound=type)
#: What undoes a fault.
Heal = Callable[[], None]


def is_healed() -> None:
    """Do nothing: for faults that are over when they have struck, whoever was hurt being replaced."""


@dataclass(frozen=True)
class Cast:
    """Whom faults may choose among, by name."""

    workers: tuple[str, ...]
    #: Those with a proxy before them, the producer among them.
    wired: tuple[str, ...]
    lease_ms: int


@dataclass(frozen=True)
class Pool:
    """All that can be hurt."""

    seat: Seat
    #: Straight to the server, with short patience.
    redis: Redis
    fleet: Fleet
    wires: dict[str, Wire]
    #: Tells whether a request, by its words, is this move: a script of ours, or what stock RQ does in its place.
    is_move: Callable[[str, tuple[bytes, ...]], bool]

    @property
    def server(self) -> Sitter:
        """The server that clients reach now."""
        return self.seat.server


class Missed(Exception):
    """There was nobody to hurt at that moment."""


class NotHere(Exception):
    """This machine lacks what the fault takes; the text says what."""


class Fault(Protocol):
    """One way to hurt a pool: small, and able to be undone."""

    mode: ClassVar[str]
    name: ClassVar[str]
    sentence: ClassVar[str]
    #: Whether it strikes the server, and so everybody.
    is_shared: ClassVar[bool]
    #: Whether the server forgets by it what it had acknowledged.
    is_lossy: ClassVar[bool]
    for_ms: int

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Fault:
        """Draw one of this kind."""
        ...

    @property
    def target(self) -> str:
        """Whom it strikes: a worker, the keeper, the producer or redis."""
        ...

    def harm(self, pool: Pool) -> Heal:
        """Do it, and give what undoes it. Raises Missed where there is nobody to hurt, NotHere where it never works."""
        ...


FAULTS: dict[str, type[Any]] = {}


def fault(mode: str, sentence: str, *, is_shared: bool = False, is_lossy: bool = False) -> Callable[[C], C]:
    """Register a kind of fault under its failure mode, with a sentence that says what happens."""

    def register(kind: C) -> C:
        about = {"mode": mode, "sentence": sentence, "is_shared": is_shared, "is_lossy": is_lossy}
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).strip("-")
        for attribute, value in (*about.items(), ("name", name)):
            setattr(kind, attribute, value)
        FAULTS[name] = kind
        return kind

    return register


@dataclass(frozen=True)
class Strike:
    """A fault and its moment, from the start of the run."""

    number: int
    at_ms: int
    fault: Fault

    @property
    def name(self) -> str:
        """What joins it to its lines in a history."""
        return f"strike {self.number}"

    def __str__(self) -> str:
        name = f"{self.fault.name} {getattr(self.fault, 'move', '')}".strip()
        return f"{self.fault.mode} {name}: {self.fault.sentence}"

    def to_json(self) -> dict[str, Any]:
        """Write it as it stands in plan.json."""
        about = asdict(self.fault)  # type: ignore[call-overload]
        return {"at_ms": self.at_ms, "mode": self.fault.mode, "fault": self.fault.name, **about}


#: From one fault to the next, on the average: those that strike one party, and those that strike the server.
_EVERY_MS, _SHARED_EVERY_MS = 4_000, 18_000
#: Before the first: workers take a second to start, and a fault that meets nobody shows nothing.
_QUIET_MS = 3_000


def draw_strikes(seed: int, storm_ms: int, cast: Cast, *, lossy: bool = False) -> list[Strike]:
    """Draw a run's faults: each kind comes before any comes again, one in each stretch of time.

    `lossy`: what strikes the server makes it forget, each time; else it never does.
    """
    rng = random.Random(f"{seed}/strikes")
    drawn: list[tuple[int, Fault]] = []
    for is_shared, every_ms in ((False, _EVERY_MS), (True, _SHARED_EVERY_MS)):
        kinds = [
            kind
            for _, kind in sorted(FAULTS.items())
            if kind.is_shared is is_shared and kind.is_lossy is (lossy and is_shared)
        ]
        count = max(1, (storm_ms - _QUIET_MS) // every_ms)
        stretch_ms = (storm_ms - _QUIET_MS) / count
        for number, kind in zip(range(count), _deal(rng, kinds), strict=False):
            at_ms = _QUIET_MS + int((number + rng.uniform(0, 0.6)) * stretch_ms)
            drawn.append((at_ms, kind.draw(rng, cast)))
    drawn.sort(key=lambda each: each[0])
    return [Strike(number, at_ms, each) for number, (at_ms, each) in enumerate(drawn, 1)]


def _deal(rng: random.Random, kinds: list[type[Any]]) -> Iterator[type[Any]]:
    while True:
        deck = list(kinds)
        rng.shuffle(deck)
        yield from deck


#: How long a fault that meets nobody waits for somebody: a horse lives for a moment, a place is empty for a second.
_PATIENCE_MS = 3_000
#: Called with a strike, what became of it: fault (it struck), missed, skipped, healed; and why, if it was skipped.
Told = Callable[[Strike, str, str], None]


@dataclass
class Nemesis:
    """Carries out a plan, stepped between other things."""

    pool: Pool
    strikes: Sequence[Strike]
    told: Told
    #: In seconds, from anywhere.
    clock: Callable[[], float] = time.monotonic
    _due: int = 0
    _waiting: list[Strike] = field(default_factory=list)
    _wounds: list[tuple[int, Strike, Heal]] = field(default_factory=list)

    def step(self, now_ms: int) -> None:
        """Heal and hurt what is due at this moment of the run."""
        self._wounds = [wound for wound in self._wounds if wound[0] > now_ms or not self._heal(wound)]
        while self._due < len(self.strikes) and self.strikes[self._due].at_ms <= now_ms:
            self._waiting.append(self.strikes[self._due])
            self._due += 1
        self._waiting = [strike for strike in self._waiting if not self._strike(strike, now_ms)]

    def _strike(self, strike: Strike, now_ms: int) -> bool:
        """Strike, and tell whether that is done with: it struck, or has waited for long enough."""
        began_s = self.clock()
        try:
            heal = strike.fault.harm(self.pool)
        except NotHere as lack:
            self.told(strike, "skipped", str(lack))
            return True
        except (Missed, RedisError):
            if now_ms < strike.at_ms + _PATIENCE_MS:
                return False
            self.told(strike, "missed", "")
            return True
        self.told(strike, "fault", "")
        # Some take seconds to strike: a replica must be in sync first.
        struck_ms = now_ms + int((self.clock() - began_s) * 1_000)
        self._wounds.append((struck_ms + strike.fault.for_ms, strike, heal))
        return True

    def _heal(self, wound: tuple[int, Strike, Heal]) -> bool:
        """Heal, and tell whether that is done with: a server that does not answer is asked again."""
        _, strike, heal = wound
        try:
            heal()
        except RedisError:
            return False
        if strike.fault.for_ms:
            self.told(strike, "healed", "")
        return True

    @property
    def is_over(self) -> bool:
        """Whether every fault has struck and was healed."""
        return self._due >= len(self.strikes) and not self._waiting and not self._wounds

    def heal_all(self) -> None:
        """Heal at once what is still hurt, the last first: the run ends early."""
        while self._wounds:
            self._heal(self._wounds.pop())
