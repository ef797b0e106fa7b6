"""What a job costs without some of its guards: pieces of Lua are taken out, in the memory of a benchmark only."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from unittest import mock

from holdfast.jobs.store import scripts
from holdfast.jobs.store.pieces import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.jobs.store.scripts import Script

#: As it is shipped: who patches it asks us, and we ask this.
_SHIPPED = scripts.load


class NoLongerThere(Exception):
    """What a benchmark takes out of the scripts has changed: it must be found anew."""


class Cut(Protocol):
    """One thing that is taken out of Lua code."""

    def of(self, lua: str) -> tuple[str, int]:
        """Give the code without it, and how many times it was there."""
        ...


@dataclass(frozen=True)
class Calls:
    """All statements that are a call on one of these keys, done at once or gathered, wherever they stand."""

    keys: tuple[str, ...]

    def of(self, lua: str) -> tuple[str, int]:
        keys = "|".join(self.keys)
        head = re.compile(rf"^[ \t]*(?:redis\.call|write)\('\w+', keys\.(?:{keys})\(", re.MULTILINE)
        kept, times, at = [], 0, 0
        while (found := head.search(lua, at)) is not None:
            kept.append(lua[at : found.start()])
            at, times = _end_of_call(lua, found.start()), times + 1
        return "".join([*kept, lua[at:]]), times


def _end_of_call(lua: str, begin: int) -> int:
    """Give where the call ends that begins there; no text in it may hold a bracket."""
    depth = 0
    for at in range(lua.index("(", begin), len(lua)):
        depth += {"(": 1, ")": -1}.get(lua[at], 0)
        if not depth:
            return at + 1
    raise NoLongerThere(f"a call has no end: {lua[begin : begin + 80]!r}")


@dataclass(frozen=True)
class Whole:
    """A function that the scripts share, in whose place stands another."""

    name: str
    new: str

    def of(self, lua: str) -> tuple[str, int]:
        pieces = pieces_of(lua)
        hits = [piece for piece in pieces if self.name in piece.names]
        return "".join(f"{self.new}\n" if piece in hits else piece.text for piece in pieces), len(hits)


@dataclass(frozen=True)
class Words:
    """What a pattern finds, in whose place stand other words."""

    pattern: str
    new: str = ""

    def of(self, lua: str) -> tuple[str, int]:
        return re.subn(self.pattern, self.new, lua)


@dataclass(frozen=True)
class Guard:
    """One of the things that can be taken out."""

    name: str
    #: What it is, for the tables.
    words: str
    cuts: tuple[Cut, ...]


def _nothing(name: str, gives: str = "") -> Whole:
    return Whole(name, f"local function {name}() {gives and f'return {gives} '}end")


_WHO_HOLDS = Words(r"redis\.call\('HMGET', keys\.held\(\), unpack\(ids\)\)", "{}")

#: The three that a job's safety stands on.
LEASES = Guard(
    "leases",
    "the set of deadlines, who holds what, the lease that a record names",
    (
        Calls(("leases", "held", "leased")),
        Words(r"redis\.pcall\('SADD', keys\.leased\(\), unpack\(queue_names\)\)", "1"),
        Words(r"redis\.call\('ZMSCORE', keys\.leases\(queue\), unpack\(these\)\)", "{}"),
        _WHO_HOLDS,
        _nothing("held_until_ms", "nil"),
        Words(r", 'hf_lease', execution, 'hf_lease_queue', queue"),
        Words(
            r"redis\.call\('HDEL', keys\.job\(job_id\), 'hf_lease', 'hf_lease_queue', \.\.\.\)",
            "if select('#', ...) > 0 then redis.call('HDEL', keys.job(job_id), ...) end",
        ),
        Words(r"redis\.pcall\('HSETNX', keys\.held\(\), job_id, queue \.\. ':' \.\. execution\)", "1"),
        Words(r"was\[3\] ~= execution or "),
        Words(r"\n    or not redis\.call\('ZRANK', keys\.leases\(queue\), job_id \.\. ':' \.\. execution\)"),
    ),
)
FENCING = Guard(
    "fencing",
    "a growing number for each attempt, and its comparison when one ends",
    (
        _nothing("last_fence", "0"),
        Words(r"asker\.seen_fence = math\.max\([^\n]*", "asker.seen_fence = 1"),
        Words(r"whole\(math\.max\(asker\.seen_fence \+ 1, now_us\)\)", "'1'"),
        Words(r"was\[2\] ~= fence or "),
        Words(r", 'hf_fence', fence"),
    ),
)
JOURNAL = Guard("journal", "a line for each move on the job's record", (_nothing("line"), _nothing("journal")))
#: What is compared when a lease ends. With neither leases nor fencing there is nothing to compare.
_REFUSALS = {
    frozenset({"leases"}): Whole(
        "refusal",
        """local function refusal(job_id, queue, execution, fence, known)
  local job = known or redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence')
  if job[2] and tonumber(job[2]) > tonumber(fence) then
    return {'fenced', job[2]}
  end
  return nil
end""",
    ),
    frozenset({"fencing"}): Whole(
        "refusal",
        """local function refusal(job_id, queue, execution, fence, known, stands)
  local job = known or redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease')
  stands = stands or not known and redis.call('ZSCORE', keys.leases(queue), job_id .. ':' .. execution)
  if job[3] == execution and stands then
    return nil
  end
  return {'lost'}
end""",
    ),
    frozenset({"leases", "fencing"}): _nothing("refusal", "nil"),
}

#: What else a job asks of the server, to see what each takes.
REPLAY = Guard(
    "replay",
    "the answer to the last operation, kept so that one sent twice is done once",
    (
        _nothing("last_operation"),
        Whole("keep", "local function keep(_, _, answer) return answer end"),
    ),
)
LOOKS = Guard(
    "looks",
    "what stock tools and producers may have left: is the job held, ended, put off, listed elsewhere?",
    (
        _WHO_HOLDS,
        _nothing("may_be_taken", "true"),
        _nothing("leave_other_places"),
        _nothing("must_be_alone", "false"),
        _nothing("no_longer_at"),
        Words(r"\n  redis\.call\('ZREM', keys\.finished\(queue\), job_id\)"),
        Words(
            r"keys\.failed\(queue\), keys\.canceled\(queue\), keys\.deferred\(queue\), keys\.scheduled\(queue\),\n +"
        ),
    ),
)
GENERATIONS = Guard(
    "generations",
    "which life of the job this is, how many attempts it had, what the last one left",
    (
        _nothing("begin_generation", "'1'"),
        _nothing("continue_generation", "'1'"),
        Words(r"gone = only_those_there\([^\n]*", "gone = {}"),
        Words(r"'hf_generation', '1',\n +'hf_born', job\.created_at or '', 'hf_executions', '1',"),
    ),
)
BELLS = Guard(
    "bells",
    "what is left to tell of the dead, and who is to be woken",
    (
        _nothing("find_aftermath", "nil"),
        _nothing("ring"),
        Words(r"seldom\[#seldom \+ 1\] = keys\.aftermath\((queue|name)\)"),
        Words(r"redis\.call\('EXISTS', keys\.queue\(queue\), keys\.bell\(queue\)\) == 1", "false"),
    ),
)
RECORDS = Guard(
    "RQ's records of attempts",
    "the registry and the executions that RQ's own tools read",
    (
        Words(r"type\(redis\.pcall\('Z\w+', keys\.executions\(job_id\), [^()]+\)\) == 'table'", "false"),
        Calls(("wip", "execution", "executions")),
    ),
)
COUNTS = Guard("RQ's counts", "what RQ's tools say of a worker", (_nothing("count_for_worker"),))

GUARDS = {each.name: each for each in (LEASES, FENCING, JOURNAL, REPLAY, LOOKS, GENERATIONS, BELLS, RECORDS, COUNTS)}
SAFETY = (LEASES.name, FENCING.name, JOURNAL.name)


def without(names: Iterable[str], *, record: bool = False) -> dict[str, Script]:
    """Give the moves with these guards taken out.

    Raises NoLongerThere where one is not found, and KeyError for a name that is none.
    """
    chosen = [GUARDS[name] for name in names]
    cuts = [(guard.name, cut) for guard in chosen for cut in guard.cuts]
    if refusal := _REFUSALS.get(frozenset(names) & {LEASES.name, FENCING.name}):
        cuts.insert(0, ("leases or fencing", refusal))
    shared = scripts.shared(record=record)
    found: Counter[Cut] = Counter()
    for _, cut in cuts:
        shared, times = cut.of(shared)
        found[cut] += times
    with mock.patch.object(scripts, "shared", return_value=shared):
        moves = _SHIPPED.__wrapped__(record=record)
    for _, cut in cuts:
        moves = {name: _cut_in(script, cut, found) for name, script in moves.items()}
    for name, cut in cuts:
        if not found[cut]:
            raise NoLongerThere(
                f"{name} cannot be taken out: nowhere in the scripts is what this asks for:\n{cut}\n"
                "Look at what the moves say now, and mend it in benchmarks/guards.py."
            )
    return moves


def _cut_in(script: Script, cut: Cut, found: Counter[Cut]) -> Script:
    """Cut in a move's own code; what it shares was cut before."""
    if isinstance(cut, Whole):
        return script
    text, times = cut.of(script.text)
    found[cut] += times
    return replace(script, text=text) if times else script
