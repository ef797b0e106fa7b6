"""The demo while it runs: what it hears from Redis and the logs, and the lines it tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.chaos.demo.fleet import QUEUES
from holdfast.chaos.demo.judge import Farewell, Harm, short
from holdfast.chaos.demo.story import Refusal, Story, refusals_in
from holdfast.chaos.history import move_of
from holdfast.jobs.store import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from redis import Redis

    from holdfast.chaos.demo.fleet import Fleet, Worker
    from holdfast.chaos.history import Move

# Two of four moves of an order are its effect's, and renewals say that nothing happened: the ledger's count tells
# of the one, a lease that was not reclaimed of the other.
_UNTOLD = {"begin_effect", "commit_effect", "renew", "enqueue", "promote"}
#: Moves that happen only when something went wrong.
_RARE = {"reclaim", "crash", "give_back", "postpone", "bury", "ghost"}
_BATCH = 1_000


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    #: Since the demo began, by the server's clock.
    ms: int
    who: str
    did: str
    job: str = ""
    execution: str = ""
    fence: str = ""
    note: str = ""
    #: fault, repair, or empty for an ordinary move.
    mark: str = ""


@dataclass
class Scars:
    """What was done to the workers."""

    killed: Harm | None = None
    slept: Harm | None = None
    stopped: Farewell | None = None
    #: What workers were hurt over: job id -> when the lease ends that they held on it.
    lease_ends_ms: dict[str, int] = field(default_factory=dict)


class Scene:
    """Everything that goes on, in one thread."""

    def __init__(self, redis: Redis, fleet: Fleet) -> None:
        self.redis = redis
        self.fleet = fleet
        self.story = Story()
        self.scars = Scars()
        self.lines: list[Line] = []
        #: What is told of the moment, in a sentence.
        self.now = "starting three workers"
        #: Each execution that was refused, and what its worker's log said of it.
        self.refusals: dict[str, Refusal] = {}
        #: What was enqueued: order id -> job id.
        self.jobs: Mapping[str, str] = {}
        self._job_ids: frozenset[str] = frozenset()
        self.began_ms = self.server_ms()
        last: list[Any] = redis.xrevrange(keys.moves.spelling, count=1)  # type: ignore[assignment]
        #: Whether someone recorded moves here before us.
        self.found_moves = bool(last)
        self._seen = last[0][0] if last else b"0"

    def open_shop(self, jobs: Mapping[str, str]) -> None:
        """Know what was enqueued; of other jobs nothing is heard."""
        self.jobs, self._job_ids = jobs, frozenset(jobs.values())

    def server_ms(self) -> int:
        """Tell the time by the one clock that all deadlines are set by."""
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def hear(self, *, wait_ms: int) -> None:
        """Take in what has happened; wait so long for the next move if there is none yet."""
        answer: Any = self.redis.xread({keys.moves.spelling: self._seen}, count=_BATCH, block=wait_ms)
        for self._seen, entry in answer[0][1] if answer else ():
            self._hear_move(move_of(entry))
        for worker in self.fleet.all:
            if worker.state == "starting" and self.redis.exists(keys.worker(worker.name)):
                worker.state = "alive"
                self.tell(worker, "alive", note=worker.story, mark="repair" if worker.story else "")
            for refusal in refusals_in(worker.new_log()):
                self._hear_refusal(worker, refusal)

    def hear_the_rest(self) -> None:
        """Take in everything up to now."""
        heard = -1
        while heard < len(self.story.moves):
            heard = len(self.story.moves)
            self.hear(wait_ms=1)

    def _hear_move(self, move: Move) -> None:
        if move.job not in self._job_ids:
            return
        self.story.add(move)
        if move.move in _UNTOLD:
            return
        mark = "repair" if move.job in self.scars.lease_ends_ms or move.move in _RARE else ""
        note = f"to {move.to}" if move.move in _RARE else move.queue
        who = short(move.who)
        if move.move == "reclaim":
            who, note = "reaper", f"from {who}, {note}"
        execution, fence = brief(move.execution), brief_fence(move.fence)
        self.lines.append(Line(move.ms - self.began_ms, who, move.move, move.job, execution, fence, note, mark))

    def _hear_refusal(self, worker: Worker, refusal: Refusal) -> None:
        if refusal.execution not in self.refusals:
            self.refusals[refusal.execution] = refusal
            self.tell(worker, "refused", refusal, note=refusal.why, mark="repair")

    def tell(self, worker: Worker, did: str, held: Move | Refusal | None = None, *, note: str = "", mark: str) -> None:
        """Add a line of what was done to a worker, or seen of it."""
        ms, who = self.server_ms() - self.began_ms, short(worker.name)
        if held is None:
            self.lines.append(Line(ms, who, did, note=note, mark=mark))
        else:
            execution, fence = brief(held.execution), brief_fence(held.fence)
            self.lines.append(Line(ms, who, did, held.job, execution, fence, note, mark))

    def deadline_of(self, claim: Move) -> int | None:
        """Give the deadline of a lease by the server's clock; None if it is gone."""
        score = self.redis.zscore(keys.leases(claim.queue), f"{claim.job}:{claim.execution}")
        return None if score is None else int(score)

    def leased_by(self, worker: Worker) -> tuple[str, ...]:
        """Name the jobs that a worker holds by the server's own records."""
        own = {move.execution for move in self.story.moves if move.move == "claim" and move.who == worker.name}
        entries: list[bytes] = []
        for queue in QUEUES:
            entries += self.redis.zrange(keys.leases(queue), 0, -1)  # type: ignore[arg-type]
        held = (entry.decode().rpartition(":") for entry in entries)
        return tuple(job for job, _, execution in held if execution in own)

    def until(self, holds: Callable[[], bool]) -> Iterator[None]:
        """Let the scene go on until something is so."""
        while not holds():
            yield

    def for_ms(self, ms: int) -> Callable[[], bool]:
        """Give something that is so once this many ms have passed."""
        until_ms = self.server_ms() + ms
        return lambda: self.server_ms() >= until_ms


def brief(execution: str) -> str:
    """Shorten an execution id: the life of its worker, and which of its operations it was."""
    return f"{execution[:4]}..{execution[-3:]}"


def brief_fence(fence: int) -> str:
    """Shorten a fence: what changes of it within the hour."""
    return f"..{fence % 10**9:09d}"
