"""Reads in a worker's log what it was told: who claimed, what was settled, and what was refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.chaos.processes.family import Family

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEASE = r"job (?P<job>\S+) \(execution (?P<execution>\w+), fence (?P<fence>\d+)\)"
# What `workers/say.py` writes. The log is the one witness of answers: a refusal leaves no trace in Redis, which is
# its point. Words of RQ's own workers match none of these.
_CLAIMED = re.compile(r"\((?P<job>[^()\s]+)\) execution (?P<execution>\w+) fence (?P<fence>\d+)$")
_COMPLETED = re.compile(r": Job OK \((?P<job>[^()\s]+)\) in ")
_SETTLED = re.compile(
    r" Worker .*: \S+: (?P<did>postponed|buried|given back|crashed) (?P<job>\S+)(?: \((?P<detail>.*)\))?$"
)
_REFUSED = re.compile(_LEASE + r" is no longer ours: (?P<detail>\w+)")
_STOPPED = re.compile(r"horse of " + _LEASE + r" stopped \((?P<detail>.*)\)$")
_RECLAIMED = re.compile(r": (?P<did>reclaimed|buried) job (?P<job>\S+) of .*, (?P<detail>\d+ ms) past its deadline$")


@dataclass(frozen=True)
class Said:
    """One thing that a worker said."""

    did: str
    job: str
    execution: str = ""
    fence: int = 0
    detail: str = ""


class Log:
    """The log of one worker, read as it grows."""

    def __init__(self, family: Family) -> None:
        self.who = family.name
        self._path = family.log
        self._read = 0
        self._held = Said("", "")

    def news(self) -> Iterator[Said]:
        """Give what was said since the last look, in whole lines."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            gained = log.read()
        whole = gained[: gained.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            said = self._understand(_COLOUR.sub("", line))
            if said is not None:
                yield said

    def _understand(self, line: str) -> Said | None:
        if found := _CLAIMED.search(line):
            self._held = Said("claimed", found["job"], found["execution"], int(found["fence"]))
            return self._held
        if found := _REFUSED.search(line):
            return Said("refused", found["job"], found["execution"], int(found["fence"]), found["detail"].lower())
        if found := _STOPPED.search(line):
            return Said("stopped horse", found["job"], found["execution"], int(found["fence"]), found["detail"])
        if found := _RECLAIMED.search(line):
            return Said(found["did"], found["job"], detail=f"{found['detail']} late")
        return self._settled(line)

    def _settled(self, line: str) -> Said | None:
        """Understand what a holder was told of its own execution: a worker has one at a time."""
        found = _COMPLETED.search(line) or _SETTLED.search(line)
        if found is None or found["job"] != self._held.job:
            return None
        told = {"did": "completed", "detail": ""} | found.groupdict()
        return Said(told["did"], found["job"], self._held.execution, self._held.fence, told["detail"] or "")
