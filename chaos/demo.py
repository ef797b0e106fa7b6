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
from holdfast.chaos.demo_judge import Evidence, judge
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

#: With fewer, a worker may hold nothing at the moment it is to be hurt.
FEWEST_ORDERS = 12
#: Short, so that a death is mended while you watch.
SETTINGS = Settings(lease_ms=4_000, renew_ms=1_000, margin_ms=500, reap_ms=500, record_moves=True)
#: Within which a dead worker's job must be back in line.
BOUND_MS = SETTINGS.lease_ms + SETTINGS.reap_ms + 1_000

_WORKERS = 3
# From the first line of `demo` until the verdict on what there is then. What follows takes a few seconds more.
_PATIENCE_MS = 50_000
_HOME_S = 3.0
_LOOK_MS = 25
# What three workers have for packing, and what an order costs beside it: a fork and some round trips.
_PACKING_MS = 72_000
_OVERHEAD_MS = 30
_LONGEST_PACK_MS = 400
_SMALLEST_PICTURE = (72, 20)


class CannotRun(Exception):
    """The demo was asked for what it cannot do."""


def demo(
    *, orders: int | None = None, redis_url: str | None = None, seed: int | None = None, plain: bool = False
) -> int:
    """Run the demo in less than a minute and give its exit status. Call it from the main thread.

    `orders`: how many of the shop's 400, at least 12; all unless told. `redis_url`: a server that is there, on which
    the queues `high` and `default` must be empty and unserved; unless told, a private one is started. `seed`: whom to
    hurt, and when; drawn unless told. `plain`: lines in place of a live picture, as where there is no terminal.

    0: every promise held. 1: one did not; the evidence is kept. 2: it could not run. 130: interrupted.
    """
    clock, console = SystemClock(), Console()
    until_ms = clock.boot_ms() + _PATIENCE_MS
    seed = random.randrange(10_000) if seed is None else seed
    try:
        with _signals_tidy_up(), ExitStack() as stack:
            shop = _take(orders)
            folder = stack.enter_context(_RunFolder(console))
            server = GivenServer(redis_url) if redis_url else PrivateServer(folder.path / "server", unix_socket=True)
            run = _Run(shop, folder.path, stack.enter_context(server), stack.enter_context(server.client()))
            # The last one in is the first one out: workers end before their server does.
            if redis_url:
                stack.callback(tidy, run.scene)
            stack.callback(run.fleet.kill)
            view = _choose_view(console, run.header(seed), plain=plain)
            run.play(view, Plan.draw(seed, len(shop)), clock, until_ms)
            ...
    except (CannotRun, HoldfastError, NoServer, NotStarted, Occupied, redis.RedisError) as error:
        Console(stderr=True).print(f"The demo could not run: {error}", style="bold red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted. The workers, the server and their folder are gone.", highlight=False)
        return 128 + signal.SIGINT
