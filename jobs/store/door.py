"""What is asked of a server before the first job, and the one line that says why there will be none."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.sentinel import SentinelConnectionPool

from holdfast.jobs.errors import RedisAwayError, Unreachable, UnsupportedServer
from holdfast.jobs.store import keys
from holdfast.jobs.store.refusals import is_forbidden, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.connections import Courier

#: How often a server that cannot be reached is asked: one lost connection is not an outage.
_TRIES = 3
#: For how long one is asked that says nothing: a machine may stand still for longer than a reply is waited for.
_SILENCE_MS = 5_000
#: Keys that every worker comes to, by whose rights a server looks: without them its moves would stop halfway.
_OF_ANY_JOB = (keys.suspended(), keys.held(), *(each("-") for each in (keys.job, keys.results, keys.executions)))
#: Where a person who uses `holdfast` says which server it is.
LOOK_AT = "--redis-url, HOLDFAST_REDIS_URL and RQ_REDIS_URL"


def client_from(make: Callable[[], Redis], look_at: str) -> Redis:
    """Make a client on a pool of ours, and a connection that nobody opens: some wrong options show only there.

    Raises Unreachable for an address that is none; `look_at` names where a person has written it.
    """
    try:
        client = make()
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)
    except (RedisError, TypeError, ValueError) as error:
        raise Unreachable(f"no Redis to work with: {_fault_of(error)}. Look at {look_at}.") from error
    return client


def _fault_of(error: Exception) -> str:
    said = str(error).rstrip(".")
    if isinstance(error, TypeError):
        return f"redis-py does not take an option of the address ({said})"
    if said.startswith("Port "):  # redis-py would show what stands there, which may be half of a password
        return "the port of the address is no number from 0 to 65535 (a / in a password is written %2F)"
    return said


def check_server(redis: Redis) -> str | None:
    """Refuse a server on which our promises cannot be kept; give words of caution about one that is let in.

    Raises UnsupportedServer for Redis Cluster, for a Redis older than 6.2, and for one that evicts keys in use.
    """
    info = redis.info()  # all that everyone may read: CONFIG is forbidden to many
    version = str(info.get("redis_version", "0"))
    # Valkey calls it another name.
    if "cluster" in {info.get("redis_mode"), info.get("server_mode")}:
        raise UnsupportedServer(
            "this Redis runs in cluster mode. The keys of one job live in different slots, so neither RQ nor Holdfast "
            "can work on it. Use a primary with replicas; to grow, spread queues over several."
        )
    if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
        raise UnsupportedServer(f"this Redis is {version}; Holdfast needs 6.2 or newer.")
    return _look_at_eviction(info)


def _look_at_eviction(info: dict[str, Any]) -> str | None:
    policy, most = str(info.get("maxmemory_policy", "noeviction")), int(info.get("maxmemory", 0))
    lost = what_is_evicted(policy, most)
    if lost and policy.startswith("allkeys-"):
        raise UnsupportedServer(lost)
    return lost


def what_is_evicted(policy: str, most: int) -> str | None:
    """Say what a server deletes once it is full, and what to do; None if nothing, as without a limit."""
    if most and policy.startswith("allkeys-"):
        return (
            f"this Redis has maxmemory {most} and maxmemory-policy {policy}: once it is full it deletes whatever it "
            f"likes, queues, jobs and leases too, and their jobs are lost. Set maxmemory-policy to noeviction."
        )
    if most and policy.startswith("volatile-"):
        return (
            f"this Redis has maxmemory {most} and maxmemory-policy {policy}: once it is full, finished and failed jobs "
            f"and keys given with key= go before their time. Jobs that wait or run stay, but for those with a ttl=. "
            f"maxmemory-policy noeviction keeps all."
        )
    return None


def reach(
    redis: Redis, courier: Courier, clock: Clock, *, gives_up: Callable[[], bool], before_rqs: bool = False
) -> str | None:
    """Do check_server() on a server that may say "not now": that is waited out, silence is not, beyond some seconds.

    `before_rqs`: RQ's own look comes next, and must not be refused. Raises Unreachable, UnsupportedServer, and
    RedisAwayError once `gives_up()` holds.
    """

    def look() -> str | None:
        tries, silent_at_ms = 0, clock.boot_ms() + _SILENCE_MS
        with explained(lambda: redis):
            while True:
                tries += 1
                try:
                    return _ask(redis, before_rqs=before_rqs)
                except RedisError as error:
                    if _answers(error) or not is_passing(error):
                        raise
                    is_silent = isinstance(error, RedisTimeoutError) and clock.boot_ms() < silent_at_ms
                    if tries >= _TRIES and not is_silent:
                        raise

    return courier.send(look, gives_up=gives_up)


def _ask(redis: Redis, *, before_rqs: bool) -> str | None:
    caution = check_server(redis)
    redis.eval("return 1", 0)  # every move is a script, and a right of its own
    if not before_rqs:
        redis.exists(*_OF_ANY_JOB)  # INFO is answered also by a server that still loads its data
        return caution
    # As RQ asks: in a transaction, a server without memory refuses all. Who only repairs does not wait for memory.
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.exists(*_OF_ANY_JOB)
        pipeline.execute()
    return caution


@contextmanager
def explained(which: Callable[[], Redis]) -> Iterator[None]:
    """Say of which server an error is and what to do, unless it is a server's "not now", or one that was waited out."""
    try:
        yield
    except RedisAwayError:
        raise
    except RedisError as error:
        if _answers(error):
            raise
        where = address_of(which())
        raise Unreachable(f"no Redis to work with at {where}: {_seen(error)}. {_advice(error)}") from error


def _answers(error: RedisError) -> bool:
    """Tell whether a server has answered that it cannot serve now."""
    is_answer = isinstance(error, (BusyLoadingError, ResponseError)) or "max number of clients" in str(error)
    return is_answer and is_passing(error)


def is_lockout(error: Exception) -> bool:
    """Tell whether a server does not let this user in, or lets it do nothing.

    At a start that is a mistake. Later on somebody changes a password or a right, and may not be through with it.
    """
    return isinstance(error, AuthenticationError) or is_forbidden(error)


def outage_in_words(redis: Redis, error: Exception) -> str:
    """Say why Redis is away; of a lockout also where, and what to do: it does not end by itself."""
    if isinstance(error, RedisError) and is_lockout(error):
        return f"{address_of(redis)}: {_seen(error)}. {_advice(error)}".rstrip(".")
    return str(error)


def address_of(redis: Redis) -> str:
    """Spell where a client connects to, without the password."""
    pool = redis.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return f"what the sentinels call {pool.service_name!r}"
    given = pool.connection_kwargs
    if "path" in given:
        return f"unix://{given['path']}"
    scheme = "rediss" if "SSL" in pool.connection_class.__name__ else "redis"
    return f"{scheme}://{given.get('host', 'localhost')}:{given.get('port', 6379)}/{given.get('db') or 0}"


def in_other_words(redis: Redis, error: Exception) -> Exception | None:
    """Say plainly what a server has against a first enqueue; None for any error that says it itself."""
    said = str(error)
    if isinstance(error, ResponseError) and "unauthenticated" in said:  # it reads no request of that length before
        wanted = AuthenticationError(f"it wants a password ({_seen(error)})")
        return AuthenticationError(f"no Redis to work with at {address_of(redis)}: {wanted}. {_advice(wanted)}")
    if isinstance(error, ResponseError) and "unknown command" in said and "eval" in said.lower():
        return UnsupportedServer(
            "this Redis takes no Lua scripts, and every move is one. fakeredis takes them with lupa: "
            "pip install 'fakeredis[lua]'."
        )
    return None


def _seen(error: RedisError) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _advice(error: RedisError) -> str:
    said = str(error)
    is_tls = isinstance(error.__cause__ or error.__context__, ssl.SSLError) or "SSL" in said
    match error:
        case AuthenticationError():
            what = "Look at the user and password of the address, and at the server's requirepass or ACL."
        case _ if is_forbidden(error):
            what = "Its user lacks a right that a worker needs: docs/how-to/connections.md lists them."
        case InvalidResponse():
            what = "What answers there is no Redis, or speaks TLS: look at the port, and at redis:// or rediss://."
        case _ if is_tls:
            what = "Look at the certificates; a server without TLS has an address with redis://, not rediss://."
        case RedisTimeoutError():
            what = "Nothing was heard in time: look at the address, at firewalls, and at redis:// or rediss://."
        case ResponseError() if "DB index" in said:
            what = "It runs, and has fewer databases (16 unless told): look at the number at the end of the address."
        case ResponseError():
            what = "It runs, and refuses what a worker needs: look at its config and log."
        case _ if "closed" in said or "reset" in said:
            what = "It hung up: if that port speaks TLS, the address begins with rediss://; else see its log."
        case _:
            what = (
                "Start it, or give another address: -u of rq worker, --redis-url or HOLDFAST_REDIS_URL of holdfast, "
                "RQ_REDIS_URL of both."
            )
    return what
