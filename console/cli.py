"""The command `holdfast`."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys

import click
import redis
from redis.exceptions import RedisError

from holdfast.console.chaos import chaos
from holdfast.jobs import HoldfastError
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.events import Events
from holdfast.jobs.rq_surface import resolve_serializer
from holdfast.jobs.settings import Settings, SettingsError
from holdfast.jobs.store.connections import check_server, derive
from holdfast.jobs.store.scripts import Scripts
from holdfast.jobs.store.upkeep import Entrance
from holdfast.recovery.keeper import Keeper, all_chores
from holdfast.workers.say import Say

_URL = click.option(
    "--redis-url",
    envvar=["HOLDFAST_REDIS_URL", "RQ_REDIS_URL"],
    help="A server that is already there, such as redis://localhost:6379.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rq-holdfast")
def main() -> None:
    """Holdfast: a worker pool for RQ that survives dead workers. Workers start with `rq worker`."""


main.add_command(chaos)


@main.command()
@click.option("--orders", type=click.IntRange(12, 400), help="How many of the shop's orders; all unless told.")
@click.option("--plain", is_flag=True, help="Print lines instead of a live picture.")
@click.option("--seed", type=int, help="Whom to hurt, and when; drawn unless told.")
@_URL
def demo(orders: int | None, plain: bool, seed: int | None, redis_url: str | None) -> None:
    """Run a shop's orders on three workers, kill one, freeze one, stop one, and judge the result.

    Runs on a private server of its own unless --redis-url is given.
    """
    from holdfast.chaos.demo import demo as run_demo  # noqa: PLC0415 - only this command needs it

    sys.exit(run_demo(orders=orders, redis_url=redis_url, seed=seed, plain=plain))


@main.command()
@_URL
def keeper(redis_url: str | None) -> None:
    """Run the chores alone: reclaim from dead workers, put due jobs in line.

    Every worker does them too; a keeper of its own helps where all workers may be gone at once.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log = logging.getLogger("holdfast.keeper")
    with _plain_errors():
        settings = Settings.from_environment(os.environ)
        client = _connect(redis_url, settings)
        check_server(client)
        clock, rng = SystemClock(), random.SystemRandom()
        tell = Events(Say(log, "keeper", log_description=False))
        chores = all_chores(Scripts(client, record=settings.record_moves), clock, settings, tell)
        stops: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: stops.append(number))
        log.info("keeper: %s", settings.describe())
        trouble = lambda error: log.warning("keeper: Redis is away (%s); waiting", error)  # noqa: E731
        Keeper(chores, clock, rng, on_trouble=trouble).run(stops=lambda: bool(stops))


@main.command()
@click.argument("job_id")
@click.argument("effect")
@click.option("--happened/--did-not-happen", required=True, help="What you found out.")
@click.option("--value", help="What came of it, as text, for the job's own code.")
@click.option("--serializer", "-S", help="The one your workers use, if it is not RQ's default.")
@_URL
def resolve(
    job_id: str, effect: str, happened: bool, value: str | None, serializer: str | None, redis_url: str | None
) -> None:
    """Settle the doubt about an EFFECT of a job, so that it can be requeued."""
    data = b"" if value is None else resolve_serializer(serializer).dumps(value)
    with _plain_errors():
        client = _connect(redis_url, Settings.from_environment(os.environ))
        entrance = Entrance(Scripts(client))
        word = entrance.resolve_effect(job_id, effect, happened=happened, value=data)
        queue = entrance.queue_of(job_id)
    match word:
        case "resolved":
            click.echo(f"resolved: {effect} of {job_id} {'happened' if happened else 'did not happen'}.")
            click.echo(f"Put the job in line again with: rq requeue --queue {queue} {job_id}")
        case "running":
            raise click.ClickException(f"job {job_id} is being worked on. Wait until it is not, then ask again.")
        case _:
            raise click.ClickException(f"job {job_id} has no effect {effect!r} in doubt.")


def _connect(redis_url: str | None, settings: Settings) -> redis.Redis:
    return derive(redis.Redis.from_url(redis_url or "redis://localhost:6379"), reply_ms=settings.reply_ms)


class _plain_errors:  # noqa: N801 - read as a phrase
    """Say what went wrong in one line, without a traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (RedisError, HoldfastError, SettingsError)):
            raise click.ClickException(str(error)) from error
