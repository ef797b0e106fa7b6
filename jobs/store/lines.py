"""Connections on which a worker waits: for the bell with a claim behind it, for plain producers, and for commands."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from holdfast.jobs.store import keys
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
        #: By when the answer must have come, on the boot clock, if the command has a time-out.
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
    """Where the bell is waited for. Behind that wait stands a claim, which the server makes as soon as it is over.

    So a worker that is called has a job at once, and need not ask for it. It is a claim like any other, sent long
    before it arrives: if its answer is not heard, it is sent once more under its number.
    """

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        super().__init__(redis)
        self._bells = [keys.bell(queue) for queue in queues]
        self._answers: list[Any] = []

    def wait(self, wait_ms: int, claim: Trip) -> None:
        """Wait until it rings for one of our queues, for that long at most."""
        self._answers.clear()
        self.ask("BLPOP", *self._bells, wait_ms / 1000, behind=claim.words)

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
        """The answer to the claim, if there was one."""
        answer = self._answers[-1] if len(self._answers) == len(("bell", "claim")) else None
        return answer if isinstance(answer, list) else None

    @property
    def has_job(self) -> bool:
        """Whether the claim was answered with something to do."""
        return self.claimed is not None and self.claimed[0] != b"empty"


class Peek(WaitingLine):
    """Where a plain producer is waited for, who rings no bell."""

    def __init__(self, redis: Redis, queue: str) -> None:
        super().__init__(redis)
        self._queue = keys.queue(queue)

    def wait(self, wait_ms: int) -> None:
        """Wait until there is a job in line, for that long at most."""
        # The head of the line to the head of the line: tells of a job, and moves none.
        self.ask("BLMOVE", self._queue, self._queue, "LEFT", "LEFT", wait_ms / 1000)


class Orders(WaitingLine):
    """Where RQ's commands come."""

    def __init__(self, redis: Redis, channel: str) -> None:
        super().__init__(redis)
        self._channel = channel

    def subscribe(self) -> None:
        """Listen. Where we do so already that changes nothing, and is answered."""
        self.ask("SUBSCRIBE", self._channel)

    def commands(self) -> tuple[dict[str, Any], ...]:
        """Read what has come."""
        found = []
        for answer in self.answers():
            if isinstance(answer, list) and answer[0] == b"message":
                with suppress(ValueError):
                    found.append(json.loads(answer[2]))
        return tuple(found)
