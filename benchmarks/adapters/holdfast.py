"""Holdfast, in any of its modes: they differ by settings in the environment, which cast.py gives."""

from __future__ import annotations

import os

import rq

import holdfast.jobs
from benchmarks.adapters import rq as stock
from benchmarks.adapters.protocol import MODE
from benchmarks.work import hold


class Adapted(stock.Adapted):
    """The mode says whose Queue jobs come in by: our own, or plain RQ's."""

    #: The profile has one from which something was taken out.
    worker_class = os.environ.get("BENCH_CLASS", "holdfast.workers.Worker")
    queue_class = rq.Queue if MODE == "rq.Queue" else holdfast.jobs.Queue
    options = ()

    async def enqueue_held(self) -> None:
        next(self._queues).enqueue(hold)
