"""What a person is told at once where a worker cannot begin, and the look at the server before RQ's own.

RQ's command line asks Redis before it makes a worker: a server that loads, a cluster, a port that is no Redis end it
with a traceback there. It imports the worker's class first, so that is the moment for a look of ours.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from holdfast.jobs.classes import overridden
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.errors import HoldfastError, SettingsError, Unreachable
from holdfast.jobs.rq_surface import NEVER_CALLED, NOT_CALLED_TO_RUN, Job, RQWorker, command_line_config
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier, derive
from holdfast.jobs.store.door import client_from, reach
from holdfast.workers.output import keep_low_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

logger = logging.getLogger("rq.worker")


@contextmanager
def one_line(log: logging.Logger, kind: type[HoldfastError] = HoldfastError) -> Iterator[None]:
    """Under a command line, say why a worker cannot go on, and exit with 1; elsewhere let the error through.

    RQ's command line would print a traceback, in which the one line that matters is the last.
    """
    try:
        yield
    except kind as error:
        if click.get_current_context(silent=True) is None:
            raise
        log.error("%s", error)  # noqa: TRY400 - a person's mistake has no traceback
        raise SystemExit(1) from error


def overridden_in_vain(worker_class: type, job_class: type) -> list[str]:
    """Give which methods of RQ's the app's classes override although they are never called here."""
    of_jobs = overridden(job_class, Job, NOT_CALLED_TO_RUN)
    return overridden(worker_class, RQWorker, NEVER_CALLED) + [f"{job_class.__name__}.{name}" for name in of_jobs]


def knock() -> None:
    """Look at the server of the `rq worker` or `rq worker-pool` that is starting in this process, if one is.

    Waits for one that says "not now"; ends the process with one line if it cannot be worked with.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name not in {"worker", "worker-pool"}:
        return
    if str(context.params.get("worker_class", "rq.Worker")).startswith("rq."):
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as process 1 of a container it would not be heard
    try:
        with one_line(logger):
            settings = Settings.from_environment(os.environ)
            client = _client_of(context, reply_ms=settings.reply_ms)
            clock = SystemClock()
            courier = Courier(
                client,
                clock,
                random.SystemRandom(),
                on_away=lambda error: logger.error("Redis is away (%s); waiting", error),
                on_back=lambda: logger.warning("Redis is back"),
            )
            reach(client, courier, clock, gives_up=lambda: False, before_rqs=True)
            client.close()
    finally:
        signal.signal(signal.SIGTERM, before)


def _client_of(context: click.Context, *, reply_ms: int) -> Redis:
    """Make a client as RQ's command line does, and say what is wrong with what was given for it.

    RQ imports us, and would blame on us an ImportError that leaves here.
    """
    config_of = command_line_config()
    given = {name: context.params[name] for name in ("url", "config", "connection_class")}
    if config := given["config"]:
        _read(config)  # even where -u overrides it for the connection: RQ reads it then, too
        keep_low_numbers()  # it may have closed some
    look_at = "-u and RQ_REDIS_URL" if given["url"] or not config else f"the settings module {config} (-c)"
    if context.get_parameter_source("connection_class") in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}:
        look_at += f", and at --connection-class {given['connection_class']}"
    try:
        return client_from(lambda: derive(config_of(**given).connection, reply_ms=reply_ms), look_at)
    except (AttributeError, ImportError, LookupError, click.BadParameter) as error:
        raise Unreachable(f"no Redis to work with: {error!r}. Look at {look_at}.") from error


def _read(config: str) -> None:
    """Import the settings module, or say why not: with a traceback where the error is in what it does."""
    try:
        importlib.import_module(config)
    except Exception as error:
        line = f"the settings module {config} (-c) cannot be read: {error}"
        if isinstance(error, ModuleNotFoundError) and f"{config}.".startswith(f"{error.name}."):
            raise SettingsError(f"{line}. It is looked for here, in --path, and in PYTHONPATH.") from error
        logger.exception("%s", line)
        raise SystemExit(1) from error
