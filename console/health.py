"""Health checks for a supervisor, started every few seconds: python -m holdfast.console.health WORKER."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from holdfast.console.server import at_url, connect, plain_errors
from holdfast.console.words import duration, refusal, say
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.vitals import false_starts_of, silence_of_reapers_ms, silence_of_worker_ms

if TYPE_CHECKING:
    from redis import Redis


@click.command()
@click.argument("worker", required=False)
@at_url
def health(worker: str | None, redis_url: str | None) -> None:
    """Exit with 0 if WORKER lives; without a WORKER, if some reaper of the fleet passes.

    Both are asked of Redis, so that a Redis that cannot be asked means 1 as well.
    """
    with plain_errors():
        settings = Settings.from_environment(os.environ)
        with connect(redis_url, settings) as client:
            told = _chores(client, settings) if worker is None else _worker(client, settings, worker)
    say(told)


def _worker(client: Redis, settings: Settings, name: str) -> str:
    silent_ms = silence_of_worker_ms(client, name)
    if silent_ms is None:
        raise refusal(f"Redis knows no living worker {name} of Holdfast's.")
    if silent_ms > settings.lease_ms:
        raise refusal(
            f"worker {name} has been silent for {duration(silent_ms)}, and says that it lives every "
            f"{settings.renew_ms} ms."
        )
    if count := false_starts_of(client, name):
        raise refusal(f"worker {name}: {count} horses in a row ended before they began a job. Its log says why.")
    return f"worker {name} lives: {duration(silent_ms)} ago"


def _chores(client: Redis, settings: Settings) -> str:
    silent_ms = silence_of_reapers_ms(client)
    if silent_ms is None:
        raise refusal("no reaper has ever passed. Start a worker of Holdfast's, or `holdfast keeper`.")
    if silent_ms > settings.late_reaper_ms:
        raise refusal(f"no reaper has passed for {silent_ms} ms, and one is due every {settings.reap_ms} ms.")
    return f"the fleet's chores are done: {silent_ms} ms ago"


if __name__ == "__main__":
    health()
