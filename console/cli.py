"""The command `holdfast`."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from contextlib import suppress
from typing import Any

import click

from holdfast.console.chaos import chaos
from holdfast.console.dead import dead
from holdfast.console.server import at_url, at_url_alone, connect, plain_errors
from holdfast.console.status import status
from holdfast.console.timeline import timeline
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.events import Events
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.door import is_lockout, outage_in_words, reach
from holdfast.jobs.store.scripts import Scripts
from holdfast.recovery.keeper import CHORES, Keeper, all_chores, log_refusal
from holdfast.workers.output import drop, write_out
from holdfast.workers.say import Say


class _Commands(click.Group):
    """Says in one line that it cannot print. Where a reader has left, click ends it in silence."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            try:
                return super().main(*args, **options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except OSError as error:
            if _can_print():
                raise
            with suppress(OSError):
                click.ClickException(f"this cannot be printed: {error}").show()
            for stream, _ in write_out():
                drop(stream)  # Python would try it once more when it ends
            sys.exit(1)


def _can_print() -> bool:
    try:
        print(flush=True)
    except OSError:
        return False
    return True


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rq-holdfast")
def main() -> None:
    """Holdfast: a worker pool for RQ that survives dead workers. Workers start with `rq worker`."""


for command in (chaos, dead, status, timeline):
    main.add_command(command)


@main.command()
@click.option("--orders", type=click.IntRange(12, 400), help="How many of the shop's orders; all unless told.")
@click.option("--plain", is_flag=True, help="Print lines instead of a live picture.")
@click.option("--seed", type=int, help="Whom to hurt, and when; drawn unless told.")
@at_url_alone
def demo(orders: int | None, plain: bool, seed: int | None, redis_url: str | None) -> None:
    """Run a shop's orders on three workers, kill one, freeze one, stop one, and judge the result.

    Runs on a private server of its own unless --redis-url is given: HOLDFAST_REDIS_URL and RQ_REDIS_URL are not read.
    """
    from holdfast.chaos.demo.performance import demo as run_demo  # noqa: PLC0415 - only this command needs it

    sys.exit(run_demo(orders=orders, redis_url=redis_url, seed=seed, plain=plain))


@main.command(
    short_help="Run the chores alone: repair what died, put due jobs in line.",
    help=f"""Run the chores alone: {", ".join(chore.does for chore, _ in CHORES)}.

    Every worker does them too; a keeper of its own helps where all workers may be gone at once.
    """,
)
@at_url
def keeper(redis_url: str | None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log = logging.getLogger("holdfast.keeper")
    with plain_errors():
        settings = Settings.from_environment(os.environ)
        client = connect(redis_url, settings)
        clock, rng = SystemClock(), random.SystemRandom()
        stops: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: stops.append(number))
        courier = Courier(
            client,
            clock,
            rng,
            on_away=lambda error: log.error("keeper: Redis is away (%s); waiting", outage_in_words(client, error)),
            on_back=lambda: log.warning("keeper: Redis is back"),
        )
        try:
            caution = reach(client, courier, clock, gives_up=lambda: bool(stops))
        except RedisAwayError:
            return
        if caution:
            log.warning("keeper: %s", caution)
        courier.outlasts = is_lockout
        tell = Events(Say(log, "keeper", clock, log_description=False))
        chores = all_chores(Scripts(client, record=settings.record_moves), clock, settings, tell)
        log.info("keeper: %s", settings.describe())
        Keeper(
            chores,
            clock,
            rng,
            on_answer=courier.note_answer,
            # Drops what leads to the old server, too: after a failover behind one address that refuses all writes.
            on_trouble=courier.take_note,
            on_refusal=log_refusal,
        ).run(stops=lambda: bool(stops))
