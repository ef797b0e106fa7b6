"""How long the reaper takes for thousands of leases that ran out at once, and how long one script holds the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.growth import QUEUE, Line
from benchmarks.stage import NotRun
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.events import Events
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import Upkeep
from holdfast.recovery.reaper import Reaper

if TYPE_CHECKING:
    from benchmarks.stage import Stage

#: Over before anybody looks.
SHORT = Settings(lease_ms=410, renew_ms=100, margin_ms=10)
LONGEST_S = 120.0
#: The server's slow log names what took longer. The commands within a script, which it names too, do not.
SLOW_US = 100


@dataclass(frozen=True)
class Reaped:
    """One pass over all of them."""

    leases: int
    seconds: float
    scripts: int
    longest_ms: float


def measure(stage: Stage, leases: int) -> Reaped:
    """Claim so many jobs as workers that then fall silent, and let the reaper take them back. Raises NotRun."""
    redis: Any = stage.redis
    Line(stage).grow_to(leases)
    clock, scripts = SystemClock(), Scripts(stage.redis)
    for number in range(leases):
        dead = Moves(scripts, clock, SHORT, Caller("dead", f"{number + 1:016x}"))
        dead.claim(1, [QUEUE], seen_fence=0)
    if (held := redis.zcard(keys.leases(QUEUE))) != leases:
        raise NotRun(f"{held} of {leases} jobs were claimed")
    time.sleep(SHORT.lease_ms / 1000)
    reaper = Reaper(Upkeep(scripts, clock, Settings()), Events(), every_ms=Settings().reap_ms)
    redis.config_set("slowlog-log-slower-than", SLOW_US)
    redis.slowlog_reset()
    redis.config_resetstat()
    until = time.monotonic() + LONGEST_S
    seconds, goes_on = 0.0, False
    while redis.zcard(keys.leases(QUEUE)):
        if time.monotonic() > until:
            raise NotRun(f"{redis.zcard(keys.leases(QUEUE))} of {leases} leases were left after {LONGEST_S:.0f} s")
        begun = time.monotonic()
        wait_ms = reaper.run_once(goes_on=goes_on)
        goes_on = wait_ms == 0
        seconds += time.monotonic() - begun
        if redis.zcard(keys.leases(QUEUE)):
            clock.sleep(wait_ms / 1000)
    scripts_run = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    slow = [entry["duration"] for entry in redis.slowlog_get(leases) if entry["command"].startswith(b"EVALSHA")]
    return Reaped(leases, seconds, scripts_run, max([SLOW_US, *slow]) / 1000)
