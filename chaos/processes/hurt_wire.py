"""Faults that strike the wire between one client and the server: slow, cut, deaf, or in the middle of a move."""

from __future__ import annotations

import itertools
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.chaos.link import Act, After, Before, DelayReply, DelayRequest, DropRequest, EatReply, Request
from holdfast.chaos.processes.nemesis import Cast, Heal, Missed, Pool, fault

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.chaos.processes.fleet import Wire

#: Moves that are worth a blow: each changes what a job is.
_MOVES = ("claim", "complete", "postpone", "renew", "begin_effect", "commit_effect")
#: How long a blow waits for its move to come by.
_PATIENCE_MS = 4_000


@dataclass(frozen=True)
class _OnWire:
    client: str
    for_ms: int

    @property
    def target(self) -> str:
        return self.client

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        return cls(rng.choice(cast.wired), rng.randrange(1_000, 6_000))

    def _wire(self, pool: Pool) -> Wire:
        return pool.wires[self.client]


@fault("FM-043", "each request and each reply takes 120 ms longer")
@dataclass(frozen=True)
class Slow(_OnWire):
    def harm(self, pool: Pool) -> Heal:
        proxy = self._wire(pool).proxy
        proxy.latency_ms = 120
        return lambda: setattr(proxy, "latency_ms", 0)


@fault("FM-042", "nothing passes, either way, and connections stay up; it goes on when it is over")
@dataclass(frozen=True)
class BlackHole(_OnWire):
    def harm(self, pool: Pool) -> Heal:
        proxy = self._wire(pool).proxy
        proxy.black_hole = True
        return lambda: setattr(proxy, "black_hole", False)


@fault("FM-007", "all connections are reset, and new ones are refused for a while")
@dataclass(frozen=True)
class Refuse(_OnWire):
    def harm(self, pool: Pool) -> Heal:
        proxy = self._wire(pool).proxy
        proxy.refuse = True
        proxy.cut()
        return lambda: setattr(proxy, "refuse", False)


@dataclass(frozen=True)
class _Every(_OnWire):
    """Do it to one request in seven; 20 would keep a client from ever getting through its handshake and more."""

    def harm(self, pool: Pool) -> Heal:
        numbers = itertools.count(1)
        return self._wire(pool).add(lambda _: self._act() if next(numbers) % 7 == 0 else None)

    def _act(self) -> Act:
        raise NotImplementedError


@fault("FM-008", "one reply in seven is lost: the server has done what it was asked, and nobody is told")
@dataclass(frozen=True)
class EatReplies(_Every):
    def _act(self) -> Act:
        return EatReply()


@fault("FM-007", "one request in seven is lost")
@dataclass(frozen=True)
class DropRequests(_Every):
    def _act(self) -> Act:
        return DropRequest()


@dataclass(frozen=True)
class _OnMove(_OnWire):
    """Wait for the next request that makes this move, and strike it."""

    move: str

    @classmethod
    def draw(cls, rng: random.Random, cast: Cast) -> Self:
        wired = [client for client in cast.wired if client in cast.workers]
        return cls(rng.choice(wired), _PATIENCE_MS, rng.choice(_MOVES))

    def harm(self, pool: Pool) -> Heal:
        strike = self._blow(pool)
        is_left = [True]

        def rule(request: Request) -> Act | None:
            if is_left and pool.is_move(self.move, request.words):
                is_left.clear()
                return strike()
            return None

        return self._wire(pool).add(rule)

    def _blow(self, pool: Pool) -> Callable[[], Act]:
        raise NotImplementedError


@fault("FM-008", "the reply to one move is lost")
@dataclass(frozen=True)
class EatReplyOf(_OnMove):
    def _blow(self, pool: Pool) -> Callable[[], Act]:  # noqa: ARG002 - the wire does it alone
        return EatReply


@fault("FM-010", "one move reaches the server after its sender has given it up")
@dataclass(frozen=True)
class DeliverLate(_OnMove):
    def _blow(self, pool: Pool) -> Callable[[], Act]:  # noqa: ARG002 - the wire does it alone
        return lambda: DelayRequest(2_000)


@fault("FM-010", "the reply to one move comes after its sender has given it up")
@dataclass(frozen=True)
class ReplyLate(_OnMove):
    def _blow(self, pool: Pool) -> Callable[[], Act]:  # noqa: ARG002 - the wire does it alone
        return lambda: DelayReply(2_000)


@dataclass(frozen=True)
class _KillAt(_OnMove):
    def _killer(self, pool: Pool) -> Callable[[], None]:
        family = pool.fleet.places[self.client].living
        if family is None:
            raise Missed
        return lambda: family.tell(signal.SIGKILL, whole=True)


@fault("FM-001", "a worker and its horse are killed as they send a move, which never arrives")
@dataclass(frozen=True)
class KillBefore(_KillAt):
    def _blow(self, pool: Pool) -> Callable[[], Act]:
        kill = self._killer(pool)
        return lambda: Before(kill)


@fault("FM-002", "a worker and its horse are killed once a move of theirs was made, its reply unread")
@dataclass(frozen=True)
class KillAfter(_KillAt):
    def _blow(self, pool: Pool) -> Callable[[], Act]:
        kill = self._killer(pool)
        return lambda: After(kill)
