"""Read by every Python that RQ's tests start: another port for Redis, and our classes in place of RQ's.

RQ_SUITE_PORT: the private server. RQ_SUITE_OURS: `worker`, `worker,queue`, or nothing for stock RQ.
"""

# ruff: noqa: PLC0415 - other Pythons on the machine read this file, too, and are to be left alone

import inspect
import os
import sys


def _connect_to(port):
    """Let a client that is told no port connect to this one, never to somebody's 6379."""
    from redis import Redis
    from redis.connection import Connection

    for constructor in (Redis.__init__, Connection.__init__):
        plain = inspect.unwrap(constructor)
        named = [each for each in inspect.signature(plain).parameters.values() if each.default is not each.empty]
        placed = [each for each in named if each.kind is each.POSITIONAL_OR_KEYWORD]
        plain.__defaults__ = tuple(port if each.name == "port" else each.default for each in placed)


def _put_in_place_of(original, ours):
    for name, module in list(sys.modules.items()):
        if name != "rq" and not name.startswith("rq."):
            continue
        kinds = [each for each in vars(module).values() if isinstance(each, type) and each.__module__.startswith("rq.")]
        for place in (module, *kinds):
            for attribute, value in list(vars(place).items()):
                if value is original:
                    setattr(place, attribute, ours)
                defaults = getattr(value, "__defaults__", None) or ()
                if original in defaults:
                    value.__defaults__ = tuple(ours if each is original else each for each in defaults)


def _substitute(wanted):
    import rq
    import rq.cli
    import rq.worker_pool

    if "queue" in wanted:
        from holdfast.jobs import Queue

        _put_in_place_of(rq.Queue, Queue)
    if "worker" in wanted:
        from holdfast.workers import Worker

        _put_in_place_of(rq.Worker, Worker)


if "RQ_SUITE_PORT" in os.environ:
    _connect_to(int(os.environ["RQ_SUITE_PORT"]))
    _substitute(os.environ.get("RQ_SUITE_OURS", "").split(","))
