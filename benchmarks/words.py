"""What may be asked of `make bench`, and the plan that is made of it."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environments
from benchmarks.cast import SYSTEMS
from benchmarks.plan import MEASURES, QUICK, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where a whole run goes, and where one goes that leaves something out.
WHOLE, PARTIAL = environments.ROOT / "benchmarks" / "results", environments.HOME / "results"


def parser() -> argparse.ArgumentParser:
    """Say what may be asked for."""
    asks = argparse.ArgumentParser(
        prog="make bench", description="Measures Holdfast beside its peers, and writes tables and pictures."
    )
    asks.add_argument("--quick", action="store_true", help="one short round, in a few minutes")
    asks.add_argument("--rounds", type=int, help="how often each system is run")
    asks.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=", ".join(MEASURES))
    asks.add_argument("--systems", nargs="+", metavar="WORD", help="those with one of these words in their name")
    asks.add_argument("--drain-s", type=float, help="how long a drain should take")
    asks.add_argument("--waits", type=int, help="how many waits for an idle worker a round")
    asks.add_argument("--idle-workers", type=int, help="how many workers are idle together")
    asks.add_argument("--idle-queues", type=int, help="on how many queues; only RQ's family has more than one")
    asks.add_argument("--recovery-s", type=float, help="how long a killed worker's job is waited for")
    asks.add_argument("--leases", type=int, help="how many leases the reaper finds")
    asks.add_argument("--depths", type=int, nargs="+", help="how many jobs are in line as the queue grows")
    asks.add_argument("--server", help="the server's program, as in redis-server")
    asks.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="one more for Holdfast")
    asks.add_argument("--results", type=Path, help=f"the folder to write to; {WHOLE} for a run with no other words")
    return asks


def _refuse_what_means_nothing(asks: argparse.ArgumentParser, chosen: Sequence[str], settings: Sequence[str]) -> None:
    for word in chosen:
        if not any(word in system.name for system in SYSTEMS):
            asks.error(f"--systems: no name has {word!r} in it; they are: {'; '.join(each.name for each in SYSTEMS)}")
    for pair in settings:
        if "=" not in pair:
            asks.error(f"--setting: {pair!r} is not NAME=VALUE")


def plan(words: Sequence[str] | None) -> tuple[Plan, Path]:
    """Make a plan of a command line."""
    asks = parser()
    asked = vars(asks.parse_args(words))
    chosen, more, folder = asked.pop("systems"), asked.pop("setting"), asked.pop("results")
    _refuse_what_means_nothing(asks, chosen or (), more)
    given: dict[str, Any] = dict(QUICK) if asked.pop("quick") else {}
    if (only := asked.pop("only")) is not None:
        given["measures"] = tuple(only)
    given |= {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items() if value}
    extra = dict(pair.split("=", 1) for pair in more)
    systems = [
        replace(system, settings={**system.settings, **extra}) if system.adapter == "holdfast" else system
        for system in SYSTEMS
        if chosen is None or any(word in system.name for word in chosen)
    ]
    if given.get("idle_queues", 1) > 1:
        systems = [system for system in systems if system.environment == "own"]
    if not shutil.which("redis-server"):
        given.setdefault("server", None)
    made = Plan(systems=tuple(systems), **{"server": "redis-server", **given})
    return made, folder or (WHOLE if made.is_whole else PARTIAL)
