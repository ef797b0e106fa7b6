"""Where the commands find the server, and how they say in one line what went wrong."""

from __future__ import annotations

import os
import random
import re
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click
import redis
from click.core import ParameterSource
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from holdfast.console.words import refusal, visible
from holdfast.jobs import HoldfastError
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.rq_surface import resolve_serializer
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier, derive
from holdfast.jobs.store.door import LOOK_AT, client_from, explained
from holdfast.jobs.store.failed import count_failed
from holdfast.jobs.store.looks import read_queue_names
from holdfast.jobs.store.refusals import is_forbidden
from holdfast.jobs.store.scripts import Scripts, draw_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

#: How long a person is kept waiting for a Redis that is away.
_PATIENCE_MS = 15_000
#: Errors that say of a server that it cannot be asked; others are its answers to what was asked.
_NOBODY_THERE = (RedisConnectionError, RedisTimeoutError, InvalidResponse)

at_url = click.option(
    "--redis-url",
    envvar=["HOLDFAST_REDIS_URL", "RQ_REDIS_URL"],
    help="The server, such as redis://localhost:6379. Else HOLDFAST_REDIS_URL says, else RQ_REDIS_URL.",
)
_PASSWORD = re.compile(r"(?<=:)[^:/]+(?=@)")
#: The same where the command line alone may lead there: what a shell is set to is often production.
at_url_alone = click.option("--redis-url", help="A server that is already there, such as redis://localhost:6379.")


def command(*words: str) -> str:
    """Spell a command of `holdfast` as it asks the same server: with the address, if the person has typed one."""
    context, line = click.get_current_context(), ["holdfast", *map(quote, words)]
    if context.get_parameter_source("redis_url") is ParameterSource.COMMANDLINE:
        line += ["--redis-url", quote(_PASSWORD.sub("***", context.params["redis_url"]))]
    return " ".join(line)


def as_text(_: click.Context, __: click.Parameter, given: Any) -> Any:
    """Refuse a name that is no text: redis-py could not send it."""
    for name in (given,) if isinstance(given, str) else given or ():
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise click.BadParameter(f"{visible(name)} is no text in UTF-8. redis-cli can ask for such a name.")
    return given


def _imported(_: click.Context, __: click.Parameter, name: str | None) -> Any:
    try:
        return resolve_serializer(name)
    except (AttributeError, ImportError, NotImplementedError, ValueError) as error:
        raise refusal(
            f"the serializer {name} cannot be had here: {str(error).rstrip('.')}. Name it as you do for rq worker, "
            f"where its code can be imported (PYTHONPATH)."
        ) from error


by_serializer = click.option(
    "--serializer", "-S", callback=_imported, help="The one your workers use, if it is not RQ's default."
)


def connect(redis_url: str | None, settings: Settings) -> redis.Redis:
    """Give a client of the server at this address, or of the one on this machine.

    Raises Unreachable for an address that is none.
    """
    url = redis_url or "redis://localhost:6379"
    return client_from(lambda: derive(redis.Redis.from_url(url), reply_ms=settings.reply_ms), LOOK_AT)


class Desk:
    """What a command works with: the server, and a way to ask that outlasts a lost reply."""

    def __init__(self, redis_url: str | None) -> None:
        self.settings = Settings.from_environment(os.environ)
        self.redis = connect(redis_url, self.settings)
        self.scripts = Scripts(self.redis, record=self.settings.record_moves)
        self._clock, self._rng = SystemClock(), random.SystemRandom()
        self._courier = Courier(self.redis, self._clock, self._rng)

    def wall_s(self) -> float:
        """Tell the time by this machine, in seconds."""
        return self._clock.wall_s()

    def new_op(self) -> str:
        """Name a wish."""
        return draw_name(self._rng)

    def send(self, operation: Callable[[], T]) -> T:
        """Send until answered, for 15 s at the most. The wish must be named: it may be sent twice.

        Raises RedisAwayError.
        """
        return self._courier.send(operation, until_ms=self._clock.boot_ms() + _PATIENCE_MS)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Say what went wrong in one line, without a traceback."""
    try:
        yield
    except (RedisError, HoldfastError) as error:
        raise refusal(str(error)) from error


@contextmanager
def desk_at(redis_url: str | None) -> Iterator[Desk]:
    """Give a desk, and say in one line what goes wrong at it; of a server that cannot be asked also what to do."""
    with plain_errors():
        desk = Desk(redis_url)
        try:
            yield desk
        except RedisError as error:
            if not isinstance(error, _NOBODY_THERE) and not is_forbidden(error) and "DB index" not in str(error):
                raise
            with explained(lambda: desk.redis):
                raise


def check_known(desk: Desk, queue: str) -> None:
    """Refuse a name that is no queue's: nothing is dead in one that is misspelled."""
    known = read_queue_names(desk.redis)
    if queue not in known and not count_failed(desk.redis, queue):
        raise refusal(
            f"there is no queue {queue} on this server; the ones there are: {', '.join(known) or 'none'}. Look at the "
            f"spelling and at --redis-url."
        )
