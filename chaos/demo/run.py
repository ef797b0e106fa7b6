"""One run of the demo: a shop, a fleet and a server, played to the end and told as evidence."""

from __future__ import annotations

import os
import secrets
from dataclasses import fields
from typing import TYPE_CHECKING

from holdfast.chaos.demo.fleet import QUEUES, Fleet, Worker
from holdfast.chaos.demo.judge import Evidence
from holdfast.chaos.demo.scene import Scene
from holdfast.chaos.demo.server import describe, finished_of, spoken
from holdfast.examples.shop.ledger import Ledger
from holdfast.examples.shop.produce import enqueue_orders
from holdfast.jobs.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from redis import Redis

    from holdfast.chaos.demo.faults import Plan, Script
    from holdfast.chaos.demo.view import View
    from holdfast.examples.shop.orders import Order
    from holdfast.jobs.clock import Clock

#: Short, so that a death is mended while you watch.
SETTINGS = Settings(lease_ms=4_000, renew_ms=1_000, margin_ms=500, reap_ms=500, record_moves=True)
#: Within which a dead worker's job must be back in line.
BOUND_MS = SETTINGS.lease_ms + SETTINGS.reap_ms + 1_000

_WORKERS = 3
_LOOK_MS = 25
#: How long the workers get to stop at the end.
_HOME_S = 3.0
# What three workers have for packing, and what an order costs beside it: a fork and some round trips.
_PACKING_MS = 60_000
_OVERHEAD_MS = 30
_SHORTEST_PACK_MS, _LONGEST_PACK_MS = 20, 400
_OVER = object()


class Run:
    """Workers that fulfil a shop's orders, and what is done to them."""

    def __init__(self, shop: Sequence[Order], folder: Path, url: str, redis: Redis) -> None:
        self._shop = shop
        self._folder = folder
        self._url = url
        self._redis = redis
        # Beside others on a given server, a name must be nobody else's.
        self._tag = secrets.token_hex(2)
        self._pack_ms = _PACKING_MS // len(shop) - _OVERHEAD_MS
        self._pack_ms = max(_SHORTEST_PACK_MS, min(self._pack_ms, _LONGEST_PACK_MS))
        self._ledger = Ledger(folder / "ledger.db")
        self.fleet = Fleet(self._start_worker)
        self.scene = Scene(redis, self.fleet)

    def _start_worker(self, name: str) -> Worker:
        return Worker(f"{name}-{self._tag}", self._folder, self._environment())

    def _environment(self) -> dict[str, str]:
        """Give what a worker is told: nothing of what the caller has set for workers of their own."""
        told = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "RQ_"))}
        told |= {f"HOLDFAST_{each.name.upper()}": str(int(getattr(SETTINGS, each.name))) for each in fields(SETTINGS)}
        # In the environment, not on the command line: an address may have a password in it.
        told |= {"RQ_REDIS_URL": self._url}
        return told | {"SHOP_LEDGER": str(self._ledger.path), "SHOP_PACK_MS": str(self._pack_ms)}

    def header(self, seed: int) -> list[str]:
        """Say in three lines what is run, where, and with which settings."""
        usual = Settings()
        changed = [each.name for each in fields(SETTINGS) if getattr(SETTINGS, each.name) != getattr(usual, each.name)]
        settings = " ".join(f"{name.upper()}={int(getattr(SETTINGS, name))}" for name in changed)
        return [
            f"Holdfast demo: {len(self._shop)} orders, queues {' and '.join(QUEUES)}, {_WORKERS} workers; seed {seed}",
            f"{describe(self._redis)} at {spoken(self._url)}; SHOP_PACK_MS={self._pack_ms}",
            f"HOLDFAST_ {settings}",
        ]

    def play(self, view: View, plan: Plan, clock: Clock, until_ms: int) -> None:
        """Let it happen, until all is done, a worker falls by itself, or it is `until_ms` on the boot clock."""
        with view:
            for _ in self._whole(plan):
                self.scene.hear(wait_ms=_LOOK_MS)
                view.show(self.scene)
                if clock.boot_ms() >= until_ms:
                    self.scene.now = "time is up"
                    break
                if self.fleet.fallen():
                    self.scene.now = "a worker fell by itself"
                    break
            view.show(self.scene, is_last=True)

    def _whole(self, plan: Plan) -> Script:
        scene = self.scene
        self.fleet.fill(_WORKERS)
        yield from scene.until(lambda: all(worker.state == "alive" for worker in self.fleet.places))
        jobs = enqueue_orders(self._redis, self._shop)
        scene.open_shop(dict(zip((order.order_id for order in self._shop), jobs, strict=True)))
        scene.now = "the shop is open, and three workers fulfil its orders"
        yield from _together(plan.scripts(scene))
        scene.now = "all that was to be done to the workers is done"
        yield from scene.until(lambda: len(scene.story.finished) == len(scene.jobs))
        scene.now = "every order is finished"

    def evidence(self) -> Evidence:
        """Send the workers home, and tell the judge what there is then."""
        fallen = tuple(self.fleet.fallen())
        self.fleet.stop(_HOME_S)
        scene = self.scene
        scene.hear_the_rest()
        return Evidence(
            jobs=scene.jobs,
            finished=finished_of(self._redis, scene.jobs.values()),
            charges=self._ledger.rows_per_order(),
            moves=tuple(scene.story.moves),
            killed=scene.scars.killed,
            slept=scene.scars.slept,
            stopped=scene.scars.stopped,
            refused=frozenset(scene.refusals),
            fallen=fallen,
            bound_ms=BOUND_MS,
        )


def _together(scripts: list[Script]) -> Script:
    """Step several scripts at once, to the end of the last."""
    while scripts:
        scripts = [script for script in scripts if next(script, _OVER) is not _OVER]
        yield
