"""Read lua/ with its headers, and call a move by documented names."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from redis.exceptions import NoScriptError

from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Line, SpareLines
from holdfast.jobs.store.pieces import Piece, pieces_of, used_by, without_comments
from holdfast.jobs.store.sizes import size_of
from holdfast.jobs.store.transport import give_time, is_big, take_out

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from redis import Redis
    from redis.client import Pipeline

T = TypeVar("T")
Word: TypeAlias = str | int | float | bytes

#: How many requests of a flow are on their way at a time.
_AHEAD = 4

# Below RQ's own, so that `rq worker --verbose` shows it.
logger = logging.getLogger("rq.worker.moves")

#: What stands before every move, each knowing those before it.
SHARED = (
    "_prelude.lua",
    "_endings.lua",
    "_deaths.lua",
    "_chores.lua",
    "_idle.lua",
    "_generations.lua",
    "_taking.lua",
    "_hearing.lua",
    "_plain.lua",
    "_people.lua",
)

#: What stands below it is seldom reached.
_OTHERWISE = re.compile(r"^--- otherwise\n", re.MULTILINE)
_LINE = re.compile(r"^-- (?P<tag>KEYS|ARGV|OUTCOME) +(?P<name>\w+)(?P<rest>\.\.\.)?(?: +(?P<text>.*))?$")


def draw_name(rng: random.Random) -> str:
    """Draw what nothing else is called: for an instance, or an operation of nobody's instance."""
    return f"{rng.getrandbits(64):016x}"


@dataclass(frozen=True)
class Header:
    """What the head of a Lua file says: the move, the names it takes, the words it answers."""

    move: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    outcomes: tuple[str, ...]
    #: Whether the last argument takes any number of values.
    is_open: bool


def read_header(source: str) -> Header:
    """Read the tagged lines at the head of a Lua file.

    Raises ValueError for a file whose first line names no move.
    """
    lines = source.splitlines()
    first = re.match(r"^-- (\w+): .+ -> .+$", lines[0])
    if not first:
        raise ValueError(f"the first line of a Lua file is '-- move: from -> to', not {lines[0]!r}")
    found: dict[str, list[str]] = {"KEYS": [], "ARGV": [], "OUTCOME": []}
    is_open = False
    for line in lines:
        if tagged := _LINE.match(line):
            found[tagged["tag"]].append(tagged["name"])
            is_open = is_open or bool(tagged["rest"])
    return Header(first[1], tuple(found["KEYS"]), tuple(found["ARGV"]), tuple(found["OUTCOME"]), is_open)


def _bind(header: Header) -> str:
    """Name the arguments in Lua, in the header's order, so that the header cannot lie."""
    if not header.arguments:
        return ""
    values = [f"ARGV[{i}]" for i in range(1, len(header.arguments) + 1)]
    if header.is_open:
        values[-1] = f"{{unpack(ARGV, {len(header.arguments)})}}"
    return f"local {', '.join(header.arguments)} = {', '.join(values)}\n"


@dataclass(frozen=True)
class Script:
    """One move, with all that it uses."""

    header: Header
    text: str

    @cached_property
    def sent(self) -> str:
        """What the server is given: the same, with its keys spelled out."""
        return keys.spelled_out(self.text)

    @cached_property
    def sha(self) -> str:
        """The server's name for it."""
        return hashlib.sha1(self.sent.encode()).hexdigest()  # noqa: S324 - Redis' choice

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.header.arguments)

    def arguments(self, named: dict[str, Word | Sequence[Word]]) -> list[Word]:
        """Put named values in the header's order.

        Raises TypeError for a name that is missing or too many; the message lists the right ones.
        """
        if named.keys() != self._names:
            missing, surplus = sorted(self._names - named.keys()), sorted(named.keys() - self._names)
            raise TypeError(
                f"{self.header.move}() takes {', '.join(self.header.arguments)}; "
                f"missing: {missing or 'none'}, surplus: {surplus or 'none'}"
            )
        values: list[Any] = [named[name] for name in self.header.arguments]
        if self.header.is_open:
            values.extend(values.pop())
        return values


def shared(*, record: bool = False) -> str:
    """Write what stands before the moves: the files that they share."""
    folder = files(__package__) / "lua"
    files_shared = "".join((folder / name).read_text("utf-8") for name in SHARED)
    return f"local RECORD = {'true' if record else 'false'}\n{keys.constants()}{files_shared}"


@cache
def load(*, record: bool = False) -> dict[str, Script]:
    """Read all moves. With `record`, each also writes itself to the stream of moves."""
    pieces = pieces_of(shared(record=record))
    scripts = {}
    for file in (files(__package__) / "lua").iterdir():
        if file.name.endswith(".lua") and not file.name.startswith("_"):
            source = file.read_text("utf-8")
            header = read_header(source)
            scripts[header.move] = Script(header, _bind(header) + in_parts(source, pieces))
    return scripts


def in_parts(source: str, pieces: Sequence[Piece]) -> str:
    """Write before each part of a move what it uses of the pieces: a call that ends in the first makes no more."""
    written, there = [], set[Piece]()
    for part in _OTHERWISE.split(source):
        body = without_comments(part)
        used = [piece for piece in used_by(body, pieces) if piece not in there]
        written += [piece.text for piece in used] + [body]
        there.update(used)
    return "".join(written)


#: What a line about a move says of it, besides its answer.
_TOLD = ("queue_name", "queue", "job_id", "execution", "fence", "name", "cause")


def tell(move: str, named: dict[str, Any], answer: list[Any]) -> str:
    """Say in a line what was asked and answered; no payload, and nothing that grows with it."""
    asked = " ".join(f"{name}={named[name]}" for name in _TOLD if name in named)
    return f"{move} {asked} -> {' '.join(_words_of(answer))}"


def _words_of(answer: list[Any]) -> Iterator[str]:
    """Give an answer's words, not the records in it: those are lists within rows."""
    for part in answer:
        if isinstance(part, bytes):
            yield part.decode(errors="replace")[:60]
        elif isinstance(part, list) and not any(isinstance(each, list) for each in part[:1]):
            yield from (each.decode(errors="replace")[:60] for each in part[:4] if isinstance(each, bytes))


class Trip:
    """A move as it is sent: to be waited for later, if there is a line to keep, and to be sent again."""

    def __init__(self, script: Script, values: Sequence[Word], spare: SpareLines, line: Line | None) -> None:
        self._script = script
        self._values = values
        self._spare = spare
        self._line = line

    @property
    def words(self) -> Sequence[Word]:
        """The command, for a line that is not ours."""
        return ("EVALSHA", self._script.sha, 0, *self._values)

    def send(self) -> None:
        """Send it before its answer is waited for. Whatever else is asked on that line until then gives this up."""
        if self._line is not None:
            self._line.send(*self.words, by=self)

    def has_answer(self) -> bool:
        """Tell, without waiting, whether the answer has begun to come, or there is none to wait for."""
        return self._line is None or self._line.has_answer()

    def answer(self) -> list[Any]:
        """Wait for the answer to what was sent, or send it now. Raises what redis-py raises."""
        line = self._line or self._spare.take()
        try:
            if line.asked_by is not self:
                line.send(*self.words, by=self)
            return line.read()  # type: ignore[no-any-return]
        except NoScriptError:
            line.send("EVAL", self._script.sent, 0, *self._values, by=self)
            return line.read()  # type: ignore[no-any-return]
        finally:
            if self._line is None:
                self._spare.put_back(line)


class Scripts:
    """The moves of one client, called by name with named arguments; on a line of its own, if it has one."""

    def __init__(
        self, redis: Redis, *, record: bool = False, line: Line | None = None, spare: SpareLines | None = None
    ) -> None:
        self.redis = redis
        self._line = line
        self._spare = spare or SpareLines(redis, most=0)
        self._scripts = load(record=record)

    def call(self, move: str, **named: Word | Sequence[Word]) -> list[Any]:
        """Run a move once, and give the server's answer.

        Raises TypeError for wrong names and whatever redis-py raises; a lost reply is not hidden here.
        """
        answer = self.trip(move, **named).answer()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", tell(move, named, answer))
        return answer

    def trip(self, move: str, **named: Word | Sequence[Word]) -> Trip:
        """Spell a move that is to be sent, maybe more than once. Raises TypeError for wrong names."""
        script = self._scripts[move]
        return Trip(script, script.arguments(named), self._spare, self._line)

    def add_to(self, pipeline: Pipeline, move: str, **named: Word | Sequence[Word]) -> None:
        """Put a move into a pipeline. The server must have been told the script: see `taught`."""
        script = self._scripts[move]
        pipeline.evalsha(script.sha, 0, *script.arguments(named))

    def flow(self, move: str, asked: Iterable[dict[str, Word | Sequence[Word]]]) -> Iterator[list[Any]]:
        """Run a move many times: each request is made and sent while the server is at work on some before it.

        The server must have been told the script: see `taught`. Raises what `call` raises: what was sent without an
        answer is then unknown.
        """
        script, pool = self._scripts[move], self.redis.connection_pool
        connection = take_out(pool)
        unanswered = biggest = 0
        try:
            for named in asked:
                values = script.arguments(named)
                if is_big(size := _AHEAD * size_of(values)) and size > biggest:
                    give_time(pool, connection, biggest := size)
                unanswered += 1  # noted first, as on a line
                connection.send_command("EVALSHA", script.sha, 0, *values)
                if unanswered == _AHEAD:
                    answer = connection.read_response()
                    unanswered -= 1
                    yield answer
            while unanswered:
                answer = connection.read_response()
                unanswered -= 1
                yield answer
        finally:
            if unanswered:
                connection.disconnect()
            give_time(pool, connection, 0)
            pool.release(connection)

    def taught(self, move: str, send: Callable[[], T]) -> T:
        """Send what has a move in a pipeline or a flow: once more where the server had to be told the script first.

        Each must be one that may be sent twice: those that went through answer the same again.
        """
        try:
            return send()
        except NoScriptError:
            self.teach(move)
            return send()

    def teach(self, move: str) -> None:
        """Tell the server a script."""
        self.redis.script_load(self._scripts[move].sent)
