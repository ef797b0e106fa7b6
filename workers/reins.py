"""What parent and horse say to each other, over pipes.

A message is written whole before its writer goes on, so what a horse has said can still be heard when it is dead.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import select
import struct
from collections import deque
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.workers.messages import FromHorse, FromParent

_HEAD = struct.Struct("=Q")
_CHUNK = 1 << 16
#: How many messages of a horse may lie unheard where there is a bell.
MOST_UNHEARD = 512
#: How much a pipe is to hold, in bytes: the most that Linux gives to anybody. And how much it holds unasked.
_ROOM_BYTES, _LEAST_ROOM_BYTES = 1 << 20, 1 << 16
_PAGE_BYTES = 4096
_BELL, _BIG = b"!", b"B"
#: After so long without a ring the next message rings, urgent or not.
QUIET_S = 0.05
#: How often a horse with more to do looks whether its parent has said something.
_LOOK_AGAIN_S = 0.001


class Bit(Protocol):
    """The horse's end: it has one thing to do at a time, and waits."""

    def say(self, message: FromHorse, *, is_urgent: bool = True) -> None:
        """Say something. Returns once the other end can hear it, whatever becomes of us.

        What is not urgent is heard a little later, together with more.
        """
        ...

    def whisper(self, message: FromHorse) -> None:
        """Say something that wakes nobody: our parent looks by itself in a while."""
        ...

    def look(self) -> FromParent | None:
        """Give the next message, if one has come: by now, or a moment ago."""
        ...

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when a message comes, or our parent has gone."""
        ...

    def wait(self) -> FromParent | None:
        """Wait for the next message; None once nobody is at the other end."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether nobody is at the other end any more."""
        ...

    def is_cut_off(self) -> bool:
        """Tell whether somebody in this process has closed what we speak through: its number may be a file's by now."""
        ...


class _End:
    def __init__(self, heard_from: FileIO, said_to: FileIO, bell: FileIO | None) -> None:
        self._heard_from = heard_from
        self._said_to = said_to
        self._bell = bell
        self._came = bytearray()

    def close(self) -> None:
        """Let go of the pipes."""
        for pipe in filter(None, (self._heard_from, self._said_to, self._bell)):
            pipe.close()

    def _take_out(self) -> list[tuple[Any, int]]:
        """Give the messages that have come whole, and how many bytes each took."""
        messages, ends = [], 0
        with memoryview(self._came) as came:
            while (begins := ends + _HEAD.size) <= len(came):
                (size,) = _HEAD.unpack_from(came, ends)
                if begins + size > len(came):
                    break
                ends = begins + size
                messages.append((unpacked(came[begins:ends]), _HEAD.size + size))
        del self._came[:ends]
        return messages


def packed(value: Any) -> bytes:
    """Spell a part of a message that its hearer may not need."""
    return marshal.dumps(value)


def unpacked(spelled: bytes | memoryview) -> Any:
    """Read it."""
    return marshal.loads(spelled)  # noqa: S302 - our own fork wrote it


def _written(message: FromParent | FromHorse) -> bytes:
    body = packed(message)
    return _HEAD.pack(len(body)) + body


class PipedBit(_End):
    """The horse's end.

    What it says can be heard at once. Where there is a bell, only that wakes its parent. It is rung for a reason:
    something urgent, so many messages, nothing more to do, more bytes than the pipe is sure to hold, or a first word
    after a while.
    """

    def __init__(
        self,
        heard_from: FileIO,
        said_to: FileIO,
        bell: FileIO | None,
        *,
        most_unheard: int,
        most_bytes: int,
        now_s: Callable[[], float],
    ) -> None:
        super().__init__(heard_from, said_to, bell)
        self._now_s = now_s
        self._poll = select.poll()
        self._poll.register(heard_from, select.POLLIN)
        if bell is not None:
            os.set_blocking(bell.fileno(), False)
        self._backlog: deque[FromParent] = deque()
        self._most_unheard = most_unheard
        self._most_bytes = most_bytes
        self._unheard = self._unheard_bytes = 0
        self._rung_at_s = self._look_at_s = 0.0
        self._is_alone = False
        self._mark = _mark_of(said_to)

    @property
    def is_alone(self) -> bool:
        return self._is_alone

    def is_cut_off(self) -> bool:
        try:
            return _mark_of(self._said_to) != self._mark
        except OSError:
            return True

    def fileno(self) -> int:
        return self._heard_from.fileno()

    def say(self, message: FromHorse, *, is_urgent: bool = True) -> None:
        self.whisper(message)
        if is_urgent or self._unheard >= self._most_unheard or self._now_s() >= self._rung_at_s + QUIET_S:
            self._ring(_BELL)

    def whisper(self, message: FromHorse) -> None:
        written = _written(message)
        if self._unheard_bytes + len(written) > self._most_bytes:
            self._ring(_BIG if len(written) > self._most_bytes else _BELL)
        self._unheard += 1
        self._unheard_bytes += len(written)
        try:
            while (taken := self._said_to.write(written)) < len(written):
                written = written[taken:]  # a signal came
        except OSError:
            # Without a parent there is nobody left to tell; this process ends, too.
            self._is_alone = True

    def _ring(self, stroke: bytes) -> None:
        self._unheard = self._unheard_bytes = 0
        self._rung_at_s = self._now_s()
        if self._bell is not None:
            with suppress(OSError):
                self._bell.write(stroke)

    def look(self) -> FromParent | None:
        if not self._backlog and (now_s := self._now_s()) >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_AGAIN_S
            if self._poll.poll(0):
                self._listen()
        return self._backlog.popleft() if self._backlog else None

    def wait(self) -> FromParent | None:
        while not self._backlog:
            if self._unheard and not self._poll.poll(0):
                self._ring(_BELL)
            if not self._listen():
                self._is_alone = True
                return None
        return self._backlog.popleft()

    def _listen(self) -> bool:
        """Take in what has come, or comes next; False: nobody is at the other end any more."""
        chunk = self._heard_from.read(_CHUNK)
        self._came += chunk
        self._backlog += (message for message, _ in self._take_out())
        return bool(chunk)


class Reins(_End):
    """The parent's end: it never waits, since it has more to look after."""

    def __init__(self, heard_from: FileIO, said_to: FileIO, bell: FileIO | None, *, most_bytes: int) -> None:
        super().__init__(heard_from, said_to, bell)
        for pipe in filter(None, (heard_from, said_to, bell)):
            os.set_blocking(pipe.fileno(), False)
        self._most_bytes = most_bytes
        #: What the pipe did not take yet.
        self._rest = bytearray()
        #: How many messages on their way are more than the pipe holds at a time.
        self._big = 0

    def files(self) -> dict[int, bool]:
        """Give what becomes readable when there is something to hear.

        And, with True, what can be written again: something is left to say.
        """
        files = {}
        if self._bell is not None:
            files[self._bell.fileno()] = False
        if self._bell is None or self._big:
            files[self._heard_from.fileno()] = False
        if self._rest:
            files[self._said_to.fileno()] = True
        return files

    def say(self, *messages: FromParent) -> None:
        """Say something, now or by and by."""
        for message in messages:
            self._rest += _written(message)
        self.go_on()

    def go_on(self) -> None:
        """Write what the pipe takes."""
        try:
            while self._rest and (taken := self._said_to.write(self._rest)):
                del self._rest[:taken]
        except OSError:
            self._rest.clear()  # the horse is dead, and will be found so

    def heard(self) -> list[FromHorse]:
        """Give what has come. A message that its writer's death cut short is none."""
        if self._bell is not None:
            self._big += (self._bell.read(_CHUNK) or b"").count(_BIG)
        while chunk := self._heard_from.read(_CHUNK):
            self._came += chunk
            if len(chunk) < _CHUNK:
                break
        messages = self._take_out()
        if self._big:
            self._big -= sum(size > self._most_bytes for _, size in messages)
        return [message for message, _ in messages]


def pair(most_unheard: int, now_s: Callable[[], float]) -> tuple[Reins, PipedBit]:
    """Make both ends, with a bell if more than one thing may be left unheard for a while."""
    (orders, to_horse), (words, to_parent) = _pipe(), _pipe()
    room = _make_room(to_parent)
    bell, rope = _pipe() if most_unheard > 1 and room >= _LEAST_ROOM_BYTES else (None, None)
    # A small message may take up to twice its size, as the rest of a page that is too short for it is left empty.
    most_bytes = room // 2 - _PAGE_BYTES
    bit = PipedBit(orders, to_parent, rope, most_unheard=most_unheard, most_bytes=most_bytes, now_s=now_s)
    return Reins(words, to_horse, bell, most_bytes=most_bytes), bit


def _pipe() -> tuple[FileIO, FileIO]:
    reads, writes = os.pipe()
    return FileIO(reads, "r"), FileIO(writes, "w")


def _mark_of(pipe: FileIO) -> tuple[int, int]:
    """Give what tells it from any other file."""
    seen = os.fstat(pipe.fileno())
    return seen.st_ino, seen.st_dev


def _make_room(pipe: FileIO) -> int:
    """Let a pipe hold as much as it may; give how many bytes that is."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return 0  # other systems do not say
    with suppress(OSError):  # a user with many pipes gets no more room
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
