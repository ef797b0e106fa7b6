"""The demo: a shop's orders on three real workers, hurt on purpose and watched live, and a verdict at the end."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import redis
from rich.console import Console

from holdfast.chaos.demo_faults import Plan
from holdfast.chaos.demo_fleet import Fleet, Worker
from holdfast.chaos.demo_judge import Evidence, Finding, judge
from holdfast.chaos.demo_scene import Scene
from holdfast.chaos.demo_server import GivenServer, Occupied, describe, finished_of, tidy
from holdfast.chaos.demo_view import Lines, Picture, View, print_verdict
from holdfast.chaos.server import NoServer, NotStarted, PrivateServer
from holdfast.examples.shop.ledger import Ledger
from holdfast.examples.shop.orders import Order, read_orders
from holdfast.examples.shop.produce import enqueue_orders
from holdfast.jobs import HoldfastError
from holdfast.jobs.clock import Clock, SystemClock
from holdfast.jobs.settings import Settings

if TYPE_CHECKING:
    from types import FrameType

#: With fewer, a worker may find nothing to hold at the moment it is to be hurt.
FEWEST_ORDERS = 12
#: Short, so that a death is mended while you watch.
SETTINGS = Settings(lease_ms=4_000, renew_ms=1_000, margin_ms=500, reap_ms=500, record_moves=True)
#: Within which a dead worker's job must be claimable again.
BOUND_MS = SETTINGS.lease_ms + SETTINGS.reap_ms + 1_000
WORKERS = 3

# From the first line of `demo` until the workers are sent home, whatever is missing then. What follows takes a
# few seconds more, and all of it less than a minute.
_PATIENCE_MS = 50_000
_HOME_S = 3.0
_LOOK_MS = 25
# Three workers share the packing; what an order costs beside it, a fork and some round trips, is some 30 ms.
_SHOW_MS = 24_000
_COST_MS = 30
_LONGEST_PACK_MS = 400
_FEWEST_ROWS = 20


class CannotRun(Exception):
    """The demo was asked for what it cannot do."""


def demo(
    *, orders: int | None = None, redis_url: str | None = None, seed: int | None = None, plain: bool = False
) -> int:
    """Run the demo in at most a minute, and give its exit status. Call it from the main thread.

    `orders`: how many of the shop's 400, at least 12; all unless told. `redis_url`: a server that is there, on which
    the queues `high` and `default` must be empty and unserved; a private one unless told. `seed`: whom to hurt, and
    when; drawn unless told. `plain`: lines in place of a live picture, as without a terminal.

    0: every promise held. 1: one did not; the evidence is kept. 2: it could not run. 130: interrupted.
    """
    clock, console = SystemClock(), Console()
    until_ms = clock.boot_ms() + _PATIENCE_MS
    seed = random.randrange(10_000) if seed is None else seed
    try:
        with _ended_in_good_order(), ExitStack() as stack:
            shop = _take(orders)
            folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
            keeps = stack.enter_context(_folder(folder, console))
            run = _open(stack, shop, folder, redis_url)
            findings = run.play(clock, console, seed=seed, until_ms=until_ms, plain=plain)
            keeps.append(any(finding.trouble for finding in findings))
            return int(keeps[0])
    except (CannotRun, HoldfastError, NoServer, NotStarted, Occupied, redis.RedisError) as error:
        Console(stderr=True).print(f"The demo could not run: {error}", style="bold red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted: the workers, the server and their folder are gone.", highlight=False)
        return 128 + signal.SIGINT
