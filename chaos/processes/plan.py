"""A run, complete before it begins: drawn from its seed, and written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from holdfast.chaos.processes.fleet import MIXED, SETTINGS
from holdfast.chaos.processes.migration import Goal, draw_kills
from holdfast.chaos.processes.nemesis import Cast, Strike, draw_strikes
from holdfast.chaos.processes.workload import Order, draw_orders
from holdfast.chaos.terms import Terms, uncharged_with

if TYPE_CHECKING:
    from holdfast.jobs.settings import Settings

# Each registers its faults.
for _kinds in ("hurt_workers", "hurt_wire", "hurt_server"):
    import_module(f"holdfast.chaos.processes.{_kinds}")

PRODUCER = "producer"
#: What a run is like unless it is told otherwise.
JOBS, MINUTES, WORKERS, PREFETCH = 2_000, 5.0, 4, 1
#: After the last wound has healed, until it is calm: leases that ended unseen meanwhile are reclaimed late, and
#: rightly, as their holders are given a heartbeat first.
_SETTLES_MS = SETTINGS.holder_grace_ms + SETTINGS.lease_ms


@dataclass(frozen=True)
class Plan:
    """What is asked for, and what is done to whom."""

    seed: int
    workers: int
    storm_ms: int
    orders: tuple[Order, ...]
    strikes: tuple[Strike, ...]
    #: Which kind of worker is left of a fleet of both; None where there is one kind only.
    goal: Goal | None = None
    #: How many jobs a worker of ours may have in hand.
    prefetch: int = PREFETCH

    @classmethod
    def draw(
        cls,
        seed: int,
        *,
        jobs: int,
        minutes: float,
        workers: int,
        lossy: bool = False,
        goal: Goal | None = None,
        prefetch: int = PREFETCH,
    ) -> Plan:
        """Draw it. Half of the workers, and the producer, are behind a proxy.

        `lossy`: the server forgets. `goal`: half of the workers are stock, and halfway one kind replaces the other.
        `prefetch`: above 1, jobs are small and come in bursts, since only such are taken several at a time.
        """
        storm_ms = int(minutes * 60_000)
        if goal:
            kills = draw_kills(seed, storm_ms, workers, goal, SETTINGS.grace_ms + _SETTLES_MS)
            drawn = enumerate(draw_orders(seed, jobs, storm_ms))
            mixed = tuple(replace(order, is_plain=number % 2 == 0) for number, order in drawn)
            return cls(seed, workers, storm_ms, mixed, tuple(kills), goal)
        cast = Cast(tuple(f"w{number}" for number in range(1, workers + 1)), wired(workers), SETTINGS.lease_ms)
        orders = draw_orders(seed, jobs, storm_ms, are_small=prefetch > 1)
        strikes = draw_strikes(seed, storm_ms, cast, lossy=lossy)
        return cls(seed, workers, storm_ms, tuple(orders), tuple(strikes), prefetch=prefetch)

    @property
    def settings(self) -> Settings:
        """What workers of ours are told."""
        return MIXED if self.goal else replace(SETTINGS, prefetch=self.prefetch)

    def terms(self, calm_from_us: int) -> Terms:
        """Give what the judge must know of it. `calm_from_us`: when the last fault was healed."""
        return Terms(
            lease_ms=SETTINGS.lease_ms,
            reap_ms=SETTINGS.reap_ms,
            crashes=SETTINGS.crashes,
            are_all_ours=False,
            at_most_once=frozenset(order.job_id for order in self.orders if order.crashes == 0),
            effects=frozenset(order.job_id for order in self.orders if "effect" in order.wishes),
            delays_ms=tuple((order.job_id, int(order.in_s * 1_000)) for order in self.orders if order.in_s is not None),
            calm_from_us=calm_from_us + _SETTLES_MS * 1_000,
            uncharged=uncharged_with(self.prefetch),
        )

    def to_json(self) -> str:
        """Write it as plan.json has it: one line for each job and each fault."""
        about = {name: getattr(self, name) for name in ("seed", "workers", "storm_ms", "goal", "prefetch")}
        lines = [json.dumps(about)[:-1] + ', "strikes": [']
        lines.append(",\n".join(json.dumps(strike.to_json()) for strike in self.strikes))
        lines.append('], "orders": [')
        lines.append(",\n".join(json.dumps(asdict(order)) for order in self.orders))
        return "\n".join([*lines, "]}", ""])


def wired(workers: int) -> tuple[str, ...]:
    """Name those behind a proxy: the first half of the workers, and the producer."""
    return (*(f"w{number}" for number in range(1, workers // 2 + 1)), PRODUCER)
