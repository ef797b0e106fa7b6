"""Connections on which an answer may come at any time, and on one of them a job with the bell that calls for it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from holdfast.jobs.store.transport import is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis
    from redis.connection import ConnectionInterface

    from holdfast.jobs.store.scripts import Trip, Word


class WaitingLine:
    """A connection on which an answer may come at any time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.connection: ConnectionInterface | None = None
        #: Whether an answer is still to come.
        self.is_asking = False
        #: By when it must have come, on the boot clock, where it is asked for with an end.
        self.answer_by_ms = 0

    def fileno(self) -> int:
        sock = getattr(self.connection, "_sock", None)
        return -1 if sock is None else int(sock.fileno())

    def ask(self, *words: Word, behind: Sequence[Word] = ()) -> bool:
        """Send a command whose answer may take long, and one behind it. Tells whether they went out."""
        try:
            if self.connection is None:
                self.connection = self._redis.connection_pool.make_connection()
            commands = (words, behind) if behind else (words,)
            self.connection.send_packed_command(self.connection.pack_commands(commands))
        except (RedisError, OSError):
            self.hang_up()
            return False
        self.is_asking = True
        return True

    def has_answer(self, within_s: float = 0) -> bool:
        """Tell whether there is something to read, or will be in that time."""
        return self.fileno() >= 0 and is_readable(self, within_s)

    def answers(self) -> list[Any]:
        """Read what has come. An empty list after a broken line."""
        found = []
        self.is_asking = False
        try:
            assert self.connection is not None
            found.append(self.connection.read_response())
            while self.connection.can_read(timeout=0):
                found.append(self.connection.read_response())
        except (RedisError, OSError):
            self.hang_up()
        return found

    def hang_up(self) -> None:
        """End what was asked. The connection is kept for the next time: a pool makes only so many, ever."""
        if self.connection is not None:
            with suppress(RedisError, OSError):
                self.connection.disconnect()
        self.is_asking = False


class Bell(WaitingLine):
    """Where the bell is waited for. A claim stands behind it, which the server makes as soon as that wait is over.

    So who is called has a job at once, and need not ask for it. It is a claim like any other, sent long before it
    arrives: what is not heard of it is asked for once more under its number.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._answers: list[Any] = []

    def wait(self, bells: Sequence[str], wait_ms: int, claim: Trip) -> None:
        """Wait for one of these for so long at the most."""
        self._answers.clear()
        self.ask("BLPOP", *bells, wait_ms / 1000, behind=claim.words)

    def listen(self) -> None:
        """Read what has come."""
        try:
            assert self.connection is not None
            self._answers.append(self._next())
            while self.is_asking and self.connection.can_read(timeout=0):
                self._answers.append(self._next())
        except (RedisError, OSError):
            self.hang_up()

    def _next(self) -> Any:
        assert self.connection is not None
        self.is_asking = not self._answers
        try:
            return self.connection.read_response()
        except ResponseError as refusal:
            return refusal

    @property
    def is_over(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.is_asking

    @property
    def is_refused(self) -> bool:
        """Whether the server does not let us wait, or has hung up."""
        return self.fileno() < 0 or isinstance(next(iter(self._answers), None), ResponseError)

    @property
    def claimed(self) -> list[Any] | None:
        """What the claim was answered, if it was."""
        answer = self._answers[-1] if len(self._answers) == len(("bell", "claim")) else None
        return answer if isinstance(answer, list) else None
