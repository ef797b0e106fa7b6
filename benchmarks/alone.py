"""A horse without a parent, in one process, on the code that is shipped: what its parts are timed with."""

from __future__ import annotations

import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rq
from rq.worker import base as rqs_worker

from holdfast.jobs import events
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.running import Running
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier, Line, derive
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts, draw_name
from holdfast.jobs.store.work import Stint
from holdfast.workers.alarm import Alarm
from holdfast.workers.attempt import Attempt
from holdfast.workers.ends import End
from holdfast.workers.fenced_job import Blanks
from holdfast.workers.groom import HOSTAGE_MS
from holdfast.workers.hold import Patience
from holdfast.workers.horse import Care, Horse, Means
from holdfast.workers.job_variable import JobVariable
from holdfast.workers.messages import RUN
from holdfast.workers.pace import Pace
from holdfast.workers.say import Say
from holdfast.workers.shared_memory import Board
from holdfast.workers.speaker import Speaker
from holdfast.workers.tidy import Tidy
from holdfast.workers.trade import Trade
from holdfast.workers.turns import Lane, Turns
from holdfast.workers.watch import SocketWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from holdfast.jobs.lease import Lease
    from holdfast.jobs.store.outcomes import Claimed
    from holdfast.jobs.store.scripts import Word
    from holdfast.workers.messages import FromHorse, FromParent
    from holdfast.workers.reins import Bit

QUEUE, WORKER = "bench", "parts"
#: How many jobs go in a trip where several are in hand: half of the 32, as a horse settles them.
SEVERAL = 16
#: The end of a job that took next to nothing.
OVER = End("complete", {"value": "", "result_ttl": 500}, Stint(1.0, 1.0001))
_NO_LIMIT = 2**62
_VARIABLE = JobVariable()


class WentWrong(Exception):
    """Something else was done than what was to be timed."""


class Tape(Line):
    """A line that remembers what was said on it, and says the last answer again once it is `wound`."""

    words: Sequence[Word] = ()
    answer: Any = None
    wound = False

    def send(self, *words: Word, by: object = "somebody") -> None:
        """Ask the server, or the tape."""
        self.words = words
        if self.wound:
            self.asked_by = by
        else:
            super().send(*words, by=by)

    def read(self) -> Any:
        """Wait for the server's answer, or give that of the tape."""
        if not self.wound:
            self.answer = super().read()
        self.asked_by = None
        return self.answer


class Notes:
    """What a horse says, in place of its reins: kept, and heard by nobody."""

    is_alone = False

    def __init__(self, *handed: FromParent) -> None:
        #: What was said, and whether it was urgent.
        self.said: list[tuple[FromHorse, bool]] = []
        self._handed = deque(handed)

    def whisper(self, message: FromHorse) -> None:
        self.say(message)

    def fileno(self) -> int:
        return -1

    def is_cut_off(self) -> bool:
        return False

    def say(self, message: FromHorse, *, is_urgent: bool = True) -> None:
        """Keep it."""
        self.said.append((message, is_urgent))

    def look(self) -> FromParent | None:
        """Give what is handed, if anything is left."""
        return self._handed.popleft() if self._handed else None

    #: There is nobody who could say more.
    wait = look


@dataclass
class Bench:
    """A client of the server, as a horse has it."""

    redis: redis.Redis

    def __post_init__(self) -> None:
        self.clock, self.rng, self.settings = SystemClock(), random.Random(), Settings()
        self.own = derive(self.redis, reply_ms=5_000)
        self.courier = self.courier_on(None)
        self._moves = self.moves_on(None)
        self.trade = Trade(
            connection=self.redis,
            job_class=rq.job.Job,
            serializer=rq.serializers.DefaultSerializer,
            death_penalty=Alarm,
        )
        self.blanks = Blanks(self.trade)
        self.tidy = Tidy(memory_max_mb=0, clock=self.clock)
        log = logging.getLogger("benchmarks.parts")
        log.setLevel(logging.WARNING)
        self.events = events.Events(Say(log, WORKER, self.clock, log_description=True))

    def moves_on(self, line: Line | None) -> Moves:
        """Make the moves of another life of the worker: its operations are numbered from 1."""
        caller = Caller(WORKER, draw_name(self.rng))
        return Moves(Scripts(self.own, line=line), self.clock, self.settings, caller)

    def courier_on(self, line: Line | None) -> Courier:
        """Make what sends them."""
        return Courier(self.own, self.clock, self.rng, line=line)

    def claim(self, want: int) -> Sequence[Claimed]:
        """Take so many jobs. Raises WentWrong where there are fewer."""
        turned: Any = self.moves_on(None).turn(1, [], [QUEUE], seen_fence=0, want=want)
        if not isinstance(turned.next, tuple) or len(turned.next) != want:
            raise WentWrong(f"{want} jobs were asked for, and the answer was {turned.next}")
        claimed: Sequence[Claimed] = turned.next
        return claimed

    def running(self, lease: Lease, record: dict[bytes, bytes]) -> Running:
        """Make what the code of a job may ask."""
        born = record.get(b"created_at", b"").decode()
        return Running(lease, self._moves, self.courier, self.trade.serializer, born, lambda: False)

    def attempt(self, lease: Lease, record: dict[bytes, bytes]) -> Attempt:
        """Make what a horse makes for each job."""
        execution = self.running(lease, record)
        job = self.blanks.job(lease.job_id, record, execution)
        return Attempt(execution, record, job, self.trade, self.clock, self.rng, self.tidy.before_call, [])

    def turns(self, bit: Bit, board: Board, tape: Tape, jobs: int) -> Turns:
        """Make what settles and claims, so many jobs a trip, on that line."""
        board.take_to = board.take_to or _NO_LIMIT
        return Turns(
            bit=bit,
            board=board,
            lanes=[Lane(self.moves_on(tape), self.courier_on(tape))],
            clock=self.clock,
            queues=[QUEUE],
            pace=Pace(1 if jobs == 1 else 2 * jobs, HOSTAGE_MS),
            hold_ms=Patience(self.settings).hold_ms,
            tell=self.events,
            watch=SocketWatch(self.own, self.clock, queues=[QUEUE], poll_ms=self.settings.poll_ms),
        )

    def horse(self, first: Claimed, jobs: int, last: int) -> tuple[Horse, Board, Notes]:
        """Make a horse that is handed one job, takes the others by itself up to that number, and is then alone."""
        notes, board = Notes((RUN, 1, tuple(first.lease), first.record)), Board()
        board.take_to = last
        board.publish(self.clock.boot_ms() + 3_600_000, known_to=_NO_LIMIT)
        moves = self.moves_on(None)
        horse = Horse(
            bit=notes,
            turns=self.turns(notes, board, Tape(self.own), jobs),
            board=board,
            means=Means(trade=self.trade, moves=moves, courier=self.courier, clock=self.clock, rng=self.rng),
            speaker=Speaker(self.trade, moves, self.courier, self.clock, self.events),
            most_jobs=_NO_LIMIT,
            looks_ahead=jobs > 1,
            care=Care(
                before_job=title,
                before_call=self.tidy.before_call,
                after_job=self.tidy.after_job,
                apart=self.tidy.apart,
            ),
        )
        return horse, board, notes


def title(queue: str, job_id: str) -> None:
    """Say what is worked on, as a worker does."""
    _VARIABLE.set(job_id)
    told = f"rq:worker:{WORKER}: Processing {job_id} from {queue}"
    rqs_worker.setprocname(told)  # type: ignore[attr-defined]  # rq imports it, or makes one that does nothing
