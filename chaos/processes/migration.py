"""A migration under fire: stock workers and ours side by side and killed alike, then one kind in every place."""

from __future__ import annotations

import itertools
import random
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from holdfast.chaos.processes.hurt_wire import KillAfter, KillBefore
from holdfast.chaos.processes.hurt_workers import KillHorse, KillKeeper, KillParent, KillTree, find
from holdfast.chaos.processes.nemesis import Heal, Pool, Strike, is_healed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Which kind of worker is left in the end.
Goal = Literal["ours", "stock"]

#: What ends the name of a stock worker, beside ours.
STOCK_MARK = "-stock"
#: The part of the storm that is over when one kind takes the places of the other.
_SHARE = 0.5
_QUIET_MS, _EVERY_MS = 3_000, 3_500
#: How long a blow at a move waits for the move.
_PATIENCE_MS = 4_000


@dataclass(frozen=True)
class Migrate:
    """Every worker of the kind that goes is asked to stop, as in a deploy; one of the other kind takes its place."""

    goal: Goal
    mode = "FM-053"
    name = "migrate"
    sentence = "all workers of one kind are asked to stop, and the other kind takes their places"
    is_shared = False
    is_lossy = False
    target = "all"
    for_ms = 0

    def harm(self, pool: Pool) -> Heal:
        for place in pool.fleet.places.values():
            if place.successor is not None:
                place.command, place.successor = place.successor, None
                place.mark = STOCK_MARK if self.goal == "stock" else ""
                if place.living:
                    place.living.tell(signal.SIGTERM)
        return is_healed


@dataclass(frozen=True)
class Retire:
    """The last of ours leaves."""

    mode = "FM-053"
    name = "retire"
    sentence = "the keeper is asked to stop, and nothing of ours is left"
    is_shared = False
    is_lossy = False
    target = "keeper"
    for_ms = 0

    def harm(self, pool: Pool) -> Heal:
        find(pool, "keeper").tell(signal.SIGTERM)
        del pool.fleet.places["keeper"]
        return is_healed


def seats(workers: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the places of the stock workers, which have a proxy before them, and those of ours."""
    names = tuple(f"w{number}" for number in range(1, workers + 1))
    return names[: workers // 2], names[workers // 2 :]


def draw_kills(seed: int, storm_ms: int, workers: int, goal: Goal, stay_ms: int) -> list[Strike]:
    """Draw who is killed when, and when one kind goes.

    `stay_ms`: how much longer our keeper stays than our workers, when ours go: until no lease of theirs can be left.
    """
    rng = random.Random(f"{seed}/migration")
    migrate_ms = int(storm_ms * _SHARE)
    drawn: list[tuple[int, Any]] = [(migrate_ms, Migrate(goal))]
    if goal == "stock":
        drawn.append((migrate_ms + stay_ms, Retire()))
    kinds = _deal(rng, workers)
    for at_ms in range(_QUIET_MS, storm_ms, _EVERY_MS):
        fault = next(kinds)()
        # What nobody of ours is left to repair would say nothing of either.
        if not (goal == "stock" and at_ms > migrate_ms and fault.name == "kill-keeper"):
            drawn.append((at_ms + rng.randrange(_EVERY_MS // 2), fault))
    drawn.sort(key=lambda each: each[0])
    return [Strike(number, at_ms, fault) for number, (at_ms, fault) in enumerate(drawn, 1)]


def _deal(rng: random.Random, workers: int) -> Iterator[Callable[[], Any]]:
    """Give kills of either kind in turn: from outside, and in the middle of what a stock worker does in steps."""
    stock, ours = seats(workers)

    # Registering a fault gives it what makes it one: no type checker sees that.
    def on(kind: type[Any], places: tuple[str, ...]) -> Callable[[], Any]:
        return lambda: kind(rng.choice(places))

    def at(kind: type[Any], move: str) -> Callable[[], Any]:
        return lambda: kind(rng.choice(stock), _PATIENCE_MS, move)

    return itertools.cycle(
        (
            on(KillTree, stock),
            # Of all blows the one that surely leaves a job in RQ's registry of started ones.
            at(KillBefore, "result"),
            on(KillTree, ours),
            at(KillAfter, "claim"),
            on(KillHorse, stock),
            on(KillHorse, ours),
            on(KillHorse, stock),
            # The one that takes from one queue: it has an intermediate list.
            lambda: KillAfter(stock[-1], _PATIENCE_MS, "claim"),
            on(KillParent, stock),
            KillKeeper,
            on(KillParent, ours),
            at(KillAfter, "complete"),
        )
    )
