"""Every key, RQ's and ours, spelled once, with its type and a sentence.

RQ's keys keep RQ's meaning, types and formats, so that stock tools stay truthful. The scripts get
these same spellings (`scripts.py` has them written into what is sent), so no other file spells one.

Redis Cluster is not supported, as in RQ: the keys of one job live in different slots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """A family of keys: its spelling with a `{}` for each name it takes, its type, and what it holds."""

    spelling: str
    kind: str
    sentence: str

    def __call__(self, *names: str) -> str:
        """Spell the key for these names."""
        return self.spelling.format(*names)


# RQ's
queues = Key("rq:queues", "set", "the keys of all queues ever used")
queue = Key("rq:queue:{}", "list", "ids of the jobs in line, the next one first")
job = Key("rq:job:{}", "hash", "a job's record; our fields on it start with hf_")
dependents = Key("rq:job:{}:dependents", "set", "ids of the jobs that wait for this one")
# RQ spells this one with two colons.
dependencies = Key("rq:job::{}:dependencies", "set", "ids of the jobs this one waits for")
wip = Key("rq:wip:{}", "zset", "job:execution -> when a stock tool may think it dead, in seconds")
intermediate = Key("rq:queue:{}:intermediate", "list", "ids a stock worker has taken and not begun")
first_seen = Key("rq:queue:{}:intermediate:first_seen:{}", "string", "since when stock RQ has seen an id there")
scheduled = Key("rq:scheduled:{}", "zset", "job -> when it is due, in seconds")
finished = Key("rq:finished:{}", "zset", "job -> when it is forgotten, in seconds")
failed = Key("rq:failed:{}", "zset", "job -> when it is forgotten, in seconds")
deferred = Key("rq:deferred:{}", "zset", "job -> since when it waits for others, in seconds")
canceled = Key("rq:canceled:{}", "zset", "job -> when it was canceled, in seconds")
results = Key("rq:results:{}", "stream", "the outcomes of a job, newest last")
execution = Key("rq:execution:{}:{}", "hash", "one attempt at a job: job, execution")
executions = Key("rq:executions:{}", "zset", "the live executions of a job")
workers = Key("rq:workers", "set", "the keys of all workers")
workers_of = Key("rq:workers:{}", "set", "the keys of the workers that serve a queue")
worker = Key("rq:worker:{}", "hash", "what a worker says of itself")
groups = Key("rq:groups", "set", "the names of all groups")
group = Key("rq:group:{}", "set", "ids of the jobs of a group")
suspended = Key("rq:suspended", "string", "present while no worker may claim")

# Ours
leased = Key("holdfast:queues", "set", "names of the queues that ever had a lease")
leases = Key("holdfast:leases:{}", "zset", "job:execution -> deadline in ms: the truth about who holds what")
held = Key("holdfast:held", "hash", "job -> queue:execution that has it, also where its record was deleted")
bell = Key("holdfast:bell:{}", "list", "a token while an idle worker should look at the queue")
replay = Key("holdfast:replay:{}", "string", "the last operation of a worker and its answer")
aftermath = Key(
    "holdfast:aftermath:{}", "zset", "tries, status, job:execution -> when what is left to be told is due, in ms"
)
listener = Key("holdfast:listener:{}", "string", "which idle worker hears the plain producers of a queue")
orphans = Key("holdfast:orphans", "hash", "jobs that were seen in no place -> since when, and in what state")
sweep = Key("holdfast:orphans:cursor", "string", "how far the fleet's look through all records has come")
second_look = Key("holdfast:orphans:again", "string", "how far its look at those jobs has come")
tombstone = Key(
    "holdfast:tombstone:{}",
    "string",
    "a job deleted by its settle or by a person: which enqueue made it, RQ's `created_at`, and its last fence",
)
waited_for = Key(
    "holdfast:waited_for:{}", "string", "ids of those who waited for what a person dropped, by the drop's name"
)
# With the length of the queue's name: `a:b` and `c` are not `a` and `b:c`.
dedupe = Key(
    "holdfast:key:{}:{}:{}", "string", "an idempotent enqueue: its queue's length, queue and key -> the job it made"
)
turn = Key("holdfast:turn:{}", "string", "when the fleet is next due for a chore, in ms")
reaper = Key("holdfast:reaper", "hash", "the last pass of the fleet's reapers, and the server they saw")
ghosts = Key("holdfast:ghosts", "list", "the last entries in line that had no job behind them")
packing = Key("holdfast:packing", "stream", "a result on its way to its place, within one script")
moves = Key("holdfast:moves", "stream", "every move in the server's own order, where recording is on")

#: All of them by name, as scripts ask for them.
FAMILIES: dict[str, Key] = {name: value for name, value in globals().items() if isinstance(value, Key)}

_EFFECT = "hf_effect:"
_IN_LUA = re.compile(r"\bkeys\.(?P<family>\w+)\(")
#: What tells where a call ends: brackets, commas, and texts as a whole.
_MARK = re.compile(r"""'(?:\\.|[^'\\\n])*'|[()\[\]{},]""")


def effect_field(name: str) -> str:
    """Spell the field of a job's record that holds the marker of an effect."""
    return _EFFECT + name


def constants() -> str:
    """Write for Lua what is no key and spelled here all the same."""
    return f"local EFFECT = '{_EFFECT}'\n"


def spelled_out(lua: str) -> str:
    """Write in each place where Lua code says `keys.job(id)` what that is: a call makes no function for it then.

    Raises KeyError for a family that there is not, and ValueError for too many names or too few.
    """
    done, at = [], 0
    while (found := _IN_LUA.search(lua, at)) is not None:
        names, end = _names_from(lua, found.end())
        done += [lua[at : found.start()], _in_lua(found["family"], [spelled_out(name) for name in names])]
        at = end
    return "".join([*done, lua[at:]])


def _names_from(lua: str, at: int) -> tuple[list[str], int]:
    """Give what stands between a bracket and the one that closes it, and where that ends."""
    names, depth, began = [], 0, at
    for token in _MARK.finditer(lua, at):
        depth += (token[0] in "([{") - (token[0] in ")]}")
        if depth < 0 or (token[0] == "," and not depth):
            names.append(lua[began : token.start()].strip())
            began = token.end()
        if depth < 0:
            return [name for name in names if name], began
    raise ValueError(f"keys: no bracket closes {lua[at - 20 : at + 40]!r}")


def _in_lua(family: str, names: list[str]) -> str:
    texts = FAMILIES[family].spelling.split("{}")
    parts = [f"'{texts[0]}'"]
    for name, text in zip(names, texts[1:], strict=True):
        parts.append(name if name.isidentifier() else f"({name})")
        if text:
            parts.append(f"'{text}'")
    return parts[0] if len(parts) == 1 else f"({' .. '.join(parts)})"
