"""Enqueues the jobs of a run over time, and says what it was told of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import rq

from holdfast.chaos.processes.tasks import perform
from holdfast.chaos.processes.workload import QUEUES, Order
from holdfast.jobs import Queue

if TYPE_CHECKING:
    from redis import Redis

    from holdfast.jobs.settings import Settings

#: Longer than any run: what has ended must still be there to be judged.
_KEEP_S = 86_400

#: Called with an order and what became of its enqueue: enqueue (about to), accepted, unknown.
Told = Callable[[Order, str, str], None]


class Producer(threading.Thread):
    """App code in a thread: enqueues each order when it is time. `started_ms` is on the monotonic clock."""

    def __init__(self, orders: Sequence[Order], queues: dict[str, rq.Queue], told: Told, *, is_stock: bool) -> None:
        super().__init__(name="producer", daemon=True)
        self._orders = orders
        self._queues = queues
        self._told = told
        self._is_stock = is_stock
        self._leave = threading.Event()
        #: How many enqueues were tried.
        self.asked = 0

    def run(self) -> None:
        began = time.monotonic()
        for order in self._orders:
            if self._leave.wait(max(0.0, began + order.at_ms / 1_000 - time.monotonic())):
                return
            self._told(order, "enqueue", "")
            try:
                self._enqueue(order)
            except Exception as error:  # noqa: BLE001 - whatever it is, the app was not told yes
                self._told(order, "unknown", f"{type(error).__name__}: {error}"[:200])
            else:
                self._told(order, "accepted", "")
            self.asked += 1

    def stop(self) -> None:
        """Ask for no more, and wait until the enqueue under way has an answer."""
        self._leave.set()
        if self.is_alive():
            self.join()

    def _enqueue(self, order: Order) -> None:
        options: dict[str, Any] = {
            "job_id": order.job_id,
            "job_timeout": order.timeout_s,
            "result_ttl": _KEEP_S,
            "failure_ttl": _KEEP_S,
            "description": f"perform({order.job_id})",
        }
        if retry := self._retry_of(order):
            options["retry"] = retry
        if order.crashes is not None and not self._is_stock:
            options["crashes"] = order.crashes
        queue = self._queues[order.queue]
        if order.in_s is None:
            queue.enqueue(perform, order.job_id, order.wishes, **options)
        else:
            queue.enqueue_in(timedelta(seconds=order.in_s), perform, order.job_id, order.wishes, **options)

    def _retry_of(self, order: Order) -> rq.Retry | None:
        if order.retries:
            return rq.Retry(order.retries, order.interval_s)
        # A death is a failure to stock RQ, and without a retry the job's last. With us it needs none. What hangs would
        # hang again, for a minute each time.
        is_worth_it = self._is_stock and order.crashes is None and "hangs" not in order.wishes
        return rq.Retry(3) if is_worth_it else None


def open_queues(connection: Redis, settings: Settings, *, is_stock: bool) -> dict[str, rq.Queue]:
    """Give the run's queues as app code would make them."""
    if is_stock:
        return {name: rq.Queue(name, connection=connection) for name in QUEUES}
    return {name: Queue(name, connection=connection, settings=settings) for name in QUEUES}
