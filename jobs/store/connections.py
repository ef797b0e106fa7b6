"""The one factory of connections, and the loop that sends an operation again under the same id.

redis-py may re-send a command by itself after a lost reply: one RPUSH becomes several. On our own pool it never
does; what is sent twice is sent twice by `Courier`, with an operation id that makes the second a replay.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from redis import ConnectionPool, Redis
from redis.connection import AbstractConnection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from holdfast.jobs.rq_surface import get_connection_kwargs
from holdfast.jobs.store.refusals import gave_up, is_answer, is_passing
from holdfast.jobs.store.sizes import size_of
from holdfast.jobs.store.transport import Packer, give_time, is_big, is_readable, keep_alive, redis_pys, take_out

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.jobs.clock import Clock

T = TypeVar("T")

#: A worker listens at each of its queues on a connection of its own; redis-py would stop at 100.
_MOST_CONNECTIONS = 10_000
_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 2.0
#: After so much silence a line may have been closed: servers and proxies count whole seconds.
_SILENT_S = 1.0


def derive(redis: Redis, *, reply_ms: int) -> Redis:
    """Give a client of the same server on a pool of our own: no hidden retries, bounded waits.

    Works for whatever the user connects with (TLS, Sentinel, sockets, fakes), as it keeps the class and arguments of
    their connections. `reply_ms` is the longest wait for one connect or one reply; what is
    big has more, and as much as the user gave it. What is silent is kept alive, unless the user said how.
    """
    pool = redis.connection_pool
    arguments = get_connection_kwargs(redis)
    # A Sentinel pool hands this to its connections, and RQ's worker-pool makes a plain pool of such.
    asker = arguments.pop("connection_pool", None)
    arguments.update(
        retry=None,
        retry_on_timeout=False,
        retry_on_error=[],
        socket_timeout=reply_ms / 1000,
        socket_connect_timeout=reply_ms / 1000,
        decode_responses=False,
        health_check_interval=0,
        protocol=2,
        command_packer=Packer(reply_s=reply_ms / 1000, users_s=arguments.get("socket_timeout") or 0),
    )
    keep_alive(pool.connection_class, arguments)
    kind = redis_pys(pool.connection_class, arguments)
    takes_driver_info = "driver_info" in inspect.signature(AbstractConnection.__init__).parameters
    if takes_driver_info and not issubclass(kind, SSLConnection):
        # A round trip at each connect that no one reads. Under TLS it reads the server's session tickets, which would
        # else be taken for an answer that nobody asked for.
        arguments["driver_info"] = None
    own: ConnectionPool
    if asker is not None and hasattr(asker, "sentinel_manager"):
        follower = type(pool) if isinstance(pool, SentinelConnectionPool) else SentinelConnectionPool
        own = follower(asker.service_name, asker.sentinel_manager, is_master=asker.is_master, **arguments)
    else:
        own = ConnectionPool(connection_class=kind, max_connections=_MOST_CONNECTIONS, **arguments)
    return Redis(connection_pool=own)


class Line:
    """One connection of a pool, kept from one command to the next: taking one out costs more than most commands.

    For one thread. What a broken line was asked is unknown; it is hung up, and the next command has a new one. So
    is one that still owes an answer when something else is asked: the one must not be read for the other. One that
    was closed while nobody used it is found out before it is used, if it is told the time.
    """

    def __init__(self, redis: Redis, now_s: Callable[[], float] = lambda: 0.0) -> None:
        self._pool = redis.connection_pool
        self._now_s = now_s
        self._sent_s = 0.0
        #: Whether the last command went out on a connection that nobody had used for long.
        self.was_silent = False
        self._connection: AbstractConnection | None = None
        #: Whose answer is still to be read; None: nobody's.
        self.asked_by: object = None
        #: Whether it waits for longer than others, for something big.
        self._has_time = False

    def send(self, *words: str | bytes | float, by: object = "somebody") -> None:
        """Send a command, whose answer is for `by`. Raises what redis-py raises."""
        if self.asked_by is not None:
            self.hang_up()
        now_s = self._now_s()
        self.was_silent = now_s - self._sent_s > _SILENT_S
        self._sent_s = now_s
        if self.was_silent and self._connection is not None and self.has_answer():
            self.hang_up()  # nobody owes one: it was closed
        if self._connection is None:
            self.was_silent = False
            self._connection = take_out(self._pool)
        try:
            # Noted first: a job's time may be up as soon as the command is out.
            self.asked_by = by
            size = size_of(words)
            if is_big(size) or self._has_time:
                give_time(self._pool, self._connection, size)
                self._has_time = is_big(size)
            self._connection.send_command(*words)
        except BaseException:
            self.hang_up()
            raise

    def has_answer(self) -> bool:
        """Tell, without waiting, whether there is something to read, or nothing to wait for."""
        sock = getattr(self._connection, "_sock", None)
        return sock is None or is_readable(sock)

    def read(self) -> Any:
        """Wait for the answer to what was sent. Raises what redis-py raises."""
        assert self._connection is not None
        try:
            answer = self._connection.read_response()
        except ResponseError:
            self.asked_by = None
            raise
        except BaseException:
            # A job's time may be up in the middle: the reply to this must not be read as the reply to the next.
            self.hang_up()
            raise
        self.asked_by = None
        return answer

    def hang_up(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.disconnect()
        self.put_back()

    def put_back(self) -> None:
        """Give the connection back to its pool."""
        connection, self._connection = self._connection, None
        self.asked_by = None
        if connection is not None:
            if self._has_time:
                give_time(self._pool, connection, 0)
                self._has_time = False
            self._pool.release(connection)  # type: ignore[arg-type]  # pools give it by another name than they take it


class SpareLines:
    """The lines of one client that nobody uses at the moment. Its pool asks more of each that it gives out.

    For any thread, and across a fork, if `process` tells one from another: a child has none, and leaves its parent's
    alone. At most so many are kept.
    """

    #: As of a line: here each is looked at whenever it is taken.
    was_silent = False

    def __init__(self, redis: Redis, *, most: int, process: Callable[[], int] = lambda: 0) -> None:
        self._redis = redis
        self._most = most
        self._process = process
        self._made_in = process()
        self._lines: list[Line] = []

    def take(self) -> Line:
        """Give a line that nobody else has until it is put back."""
        if self._made_in != self._process():
            self._lines, self._made_in = [], self._process()
        try:
            line = self._lines.pop()
        except IndexError:
            return Line(self._redis)
        if line.has_answer():
            line.hang_up()  # the server has closed it since: on a spare one there is nothing to be read
        return line

    def put_back(self, line: Line) -> None:
        """Keep it for the next command, unless an answer is still to come on it."""
        if line.asked_by is not None:
            line.hang_up()
        elif len(self._lines) < self._most:
            self._lines.append(line)
        else:
            line.put_back()

    def hang_up(self) -> None:
        """Give up all that are spare: they may lead to a server that is not the master any more."""
        lines, self._lines = self._lines, []
        for line in lines:
            line.hang_up()


class Courier:
    """Sends an operation until it is answered. A timeout means unknown, never failed."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        rng: random.Random,
        *,
        on_away: Callable[[Exception], None] = lambda _: None,
        on_back: Callable[[], None] = lambda: None,
        line: Line | SpareLines | None = None,
        outlasts: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self._redis = redis
        self._line = line
        self._clock = clock
        self._rng = rng
        self._on_away = on_away
        self._on_back = on_back
        self.is_away = False
        #: Which errors are waited out besides: who has begun was let in once, and may be again.
        self.outlasts = outlasts
        self._is_outlasting = False

    def take_note(self, error: Exception) -> bool:
        """Note that Redis is away, if that is what the error says; False for any other error."""
        outlasts = self.outlasts(error)
        if not outlasts and not is_passing(error):
            return False
        if not self.is_away or (outlasts and not self._is_outlasting):
            self._on_away(error)  # also in the middle of an outage: only a person can end this one
            self._is_outlasting = outlasts
        self.is_away = True
        self._connect_anew()
        return True

    def _connect_anew(self) -> None:
        # After a failover the old address refuses writes on connections that look healthy.
        self._redis.connection_pool.disconnect(inuse_connections=False)
        if self._line is not None:
            self._line.hang_up()

    def _has_lost_a_silent_line(self, error: Exception) -> bool:
        # Who forgets a connection may say so only to who uses it. Whether Redis is away a new one tells.
        was_silent = self._line is not None and self._line.was_silent
        if not was_silent or not isinstance(error, RedisConnectionError) or is_answer(error):
            return False
        self._connect_anew()
        return True

    def send_once(self, operation: Callable[[], T]) -> T | None:
        """Send one time; None says that Redis is away, and whether the operation was done is unknown."""
        try:
            answer = operation()
        except Exception as error:
            if not self.take_note(error):
                raise
            return None
        self.note_answer()
        return answer

    def note_answer(self) -> None:
        """Note that Redis has answered: it is back, if it was away."""
        if self.is_away:
            self.is_away = False
            self._on_back()

    def send(
        self,
        operation: Callable[[], T],
        *,
        until_ms: int | None = None,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> T:
        """Send until answered. The operation must carry an id that makes a second sending harmless.

        Raises RedisAwayError once `until_ms` (boot time) has come, after two tries at least, or `gives_up()` holds,
        without an answer.
        """
        wait_s, is_unknown, tries = _FIRST_WAIT_S, False, 0
        while True:
            tries += 1
            try:
                answer = operation()
            except Exception as error:
                if not self._has_lost_a_silent_line(error) and not self.take_note(error):
                    raise
                is_unknown = is_unknown or not is_answer(error)
                # What is big may be waited for until then, and its answer has been lost only once.
                is_over = until_ms is not None and tries > 1 and self._clock.boot_ms() >= until_ms
                if gives_up() or is_over:
                    raise gave_up(error, is_unknown=is_unknown) from error
            else:
                self.note_answer()
                return answer
            pause_s = self._rng.uniform(wait_s / 2, wait_s)
            if until_ms is not None:
                pause_s = max(0.0, min(pause_s, (until_ms - self._clock.boot_ms()) / 1000))
            self._clock.sleep(pause_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
