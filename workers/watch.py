"""Being called: by the bell of our queues, with a claim behind it, and at some of them by plain producers."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.jobs.store.lines import Bell, Peek

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.store.scripts import Trip
    from holdfast.workers.reins import Bit

#: How soon a line that broke is tried again.
RECONNECT_MS = 1_000
_SAME_MOMENT_S = 0.0003


class Watch(Protocol):
    """What a horse waits with for a job: the seam that a simulation replaces."""

    def is_called(self, listens_at: Sequence[str], claim: Trip, bit: Bit) -> bool:
        """Let that claim stand until we are called, or nobody has called for long. False: our parent wants to speak."""
        ...

    @property
    def claimed(self) -> list[Any] | None:
        """The answer to that claim; None: whether it was made is unknown."""
        ...


class SocketWatch:
    """A watch on real sockets: a line for the bell, and one for each queue that is listened at."""

    def __init__(self, redis: Redis, clock: Clock, *, queues: Sequence[str], poll_ms: int) -> None:
        self._redis = redis
        self._clock = clock
        self._poll_ms = poll_ms
        self._bell = Bell(redis, queues)
        self._peeks: dict[str, Peek] = {}
        #: Until when it waits, on the boot clock; None: it does not.
        self.until_ms: int | None = None
        self._trust_bell_at = 0

    @property
    def claimed(self) -> list[Any] | None:
        return self._bell.claimed

    def begin(self, listens_at: Sequence[str], claim: Trip) -> None:
        """From now on, until that is over, wait for the bell, and at these queues for plain producers."""
        if self.until_ms is None:
            self._bell.wait(self._poll_ms, claim)
            self.until_ms = self._answer_by_ms()
            self._peek(listens_at)

    def files(self) -> tuple[int, ...]:
        """Give the descriptors that become readable when something comes; -1 for a line that is broken."""
        # Only while we wait is an answer read: one that came before, as from a server that has gone, would end every
        # wait.
        return () if self.until_ms is None else tuple(line.fileno() for line in (self._bell, *self._peeks.values()))

    def is_called(self, listens_at: Sequence[str], claim: Trip, bit: Bit) -> bool:
        self.begin(listens_at, claim)
        while self.until_ms is not None:
            poll = select.poll()
            for file in {bit.fileno(), *self.files()} - {-1}:
                poll.register(file, select.POLLIN)
            ready = {file for file, _ in poll.poll(max(0, self.until_ms - self._clock.boot_ms()))}
            if bit.fileno() in ready:
                self.until_ms = None
                self._bell.hang_up()
                return False
            self.hear(ready)
        return True

    def hear(self, ready: set[int]) -> bool:
        """Read what has come. Tells whether the wait is over: then there may be something claimed."""
        if self.until_ms is None or not self._is_over(ready, self.until_ms):
            return False
        self.until_ms = None
        return True

    def close(self) -> None:
        """Hang up."""
        for line in (self._bell, *self._peeks.values()):
            line.hang_up()

    def _peek(self, queues: Sequence[str]) -> None:
        for queue in self._peeks.keys() - set(queues):
            self._peeks[queue].hang_up()
        for queue in queues:
            line = self._peeks.setdefault(queue, Peek(self._redis, queue))
            if line.is_asking and line.has_answer():
                line.answers()  # of a job that the bell called us for, too, and that we have had
            if line.is_asking and self._clock.boot_ms() >= line.answer_by_ms:
                line.hang_up()  # a firewall forgot it, and told nobody
            if not line.is_asking:
                self._ask_for_plain(line)

    def _ask_for_plain(self, line: Peek) -> None:
        line.wait(self._poll_ms)
        line.answer_by_ms = self._answer_by_ms()

    def _answer_by_ms(self) -> int:
        return self._clock.boot_ms() + self._poll_ms + self._poll_ms // 4

    def _is_over(self, ready: set[int], until_ms: int) -> bool:
        bell = self._bell
        if bell.fileno() in ready:
            bell.listen()
            if bell.is_over and (bell.has_job or not bell.is_refused or self._may_look_after_a_break()):
                return True
        elif self._hears_a_plain_job(ready) and not bell.has_answer(_SAME_MOMENT_S):
            # Our producers ring in the same script, and we would hear of both in one go. So the job is a plain one, and
            # a bell that rings for others must not be heard by a worker that is at work.
            bell.hang_up()
            return True
        if self._clock.boot_ms() >= until_ms:
            # No answer although Redis should have given one: do not trust this line again.
            bell.hang_up()
            return True
        return False

    def _may_look_after_a_break(self) -> bool:
        # A server that refuses this line and no other would else be asked as fast as it can refuse.
        now = self._clock.boot_ms()
        if now < self._trust_bell_at and self.until_ms is not None:
            self.until_ms = min(self.until_ms, self._trust_bell_at)
            return False
        self._trust_bell_at = now + RECONNECT_MS
        return True

    def _hears_a_plain_job(self, ready: set[int]) -> bool:
        heard = False
        for line in self._peeks.values():
            if line.fileno() in ready:
                answers = line.answers()
                heard = heard or any(answer is not None for answer in answers)
                if answers == [None]:
                    # It was asked at another moment than the bell, and the bell's wait goes on.
                    self._ask_for_plain(line)
        return heard
