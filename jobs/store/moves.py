"""The typed face of the scripts: one method and its outcomes per move.

A method sends once. Whoever must know the answer wraps it in `Courier.send`; the operation number makes the second
sending a replay of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.answers import COMPLETED, read_claim, read_end, read_refusal, read_turn
from holdfast.jobs.store.records import obituary, short_error, stamp
from holdfast.jobs.store.sizes import check_size
from holdfast.jobs.store.work import WORDS_OF_AN_END, Completion, Spelled, Stint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.lease import Lease
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.scripts import Scripts, Trip, Word

T = TypeVar("T")
Refused = out.Refused

# What the words of each move mean, but for refusals, which most have in common.
_ANNOTATED = {b"annotated": out.Annotated()}
_POSTPONED = {b"postponed": out.Postponed()}
_BURIED = {b"buried": out.Buried()}
_GIVEN_BACK: dict[bytes, out.GivenBack | out.Buried] = {b"given_back": out.GivenBack(), **_BURIED}
_CRASHED: dict[bytes, out.Crashed | out.Buried] = {b"crashed": out.Crashed(), **_BURIED}
_WITHDRAWN = {b"withdrawn": out.Withdrawn()}


@dataclass(frozen=True)
class Caller:
    """Who makes a move: a worker's name, for people, and this life of it, for us."""

    name: str
    #: Sixteen hex digits, drawn once per start: a name or a pid may be used again, this is not.
    instance: str
    #: The life whose name stands where plain producers are listened to, if it is another: a horse's worker's.
    listener: str = ""

    def execution(self, op: int) -> str:
        """Name the attempt that operation `op` claims. Shaped like RQ's ids."""
        return f"{self.instance}{op:016x}"


class Moves:
    """The moves of one worker."""

    def __init__(self, scripts: Scripts, clock: Clock, settings: Settings, caller: Caller) -> None:
        self.scripts = scripts
        self.caller = caller
        self._clock = clock
        self._settings = settings

    def check_size(self, what: str, value: str | bytes) -> None:
        """Refuse what Redis would hang up on. Raises TooBig."""
        check_size(self.scripts.redis, what, value)

    def _stamp(self) -> str:
        return stamp(self._clock.wall_s())

    def _holder(self, lease: Lease) -> dict[str, Word | Sequence[Word]]:
        return {
            "queue": lease.queue,
            "job_id": lease.job_id,
            "execution": lease.execution,
            "fence": lease.fence,
        }

    def _settle(
        self, move: str, words: Mapping[bytes, T], lease: Lease, op: int, **named: Word | Sequence[Word]
    ) -> T | Refused:
        answer = self.scripts.call(
            move,
            worker_name=self.caller.name,
            instance=self.caller.instance,
            op=op,
            stamp=self._stamp(),
            **self._holder(lease) | named,
        )
        return read_end(move, answer, words)

    @staticmethod
    def _times(stint: Stint) -> dict[str, Word | Sequence[Word]]:
        return {"started": f"{stint.started_s:.6f}", "ended": f"{stint.ended_s:.6f}"}

    def _asker(self, op: int, seen_fence: int, want: int) -> dict[str, Word | Sequence[Word]]:
        wall_s = self._clock.wall_s()
        return {
            "worker_name": self.caller.name,
            "instance": self.caller.instance,
            "op": op,
            "seen_fence": seen_fence,
            "lease_ms": self._settings.lease_ms,
            "budget": self._settings.crashes,
            "want": want,
            "stamp": stamp(wall_s),
            "epoch": f"{wall_s:.6f}",
        }

    def claim(
        self, op: int, queues: Sequence[str], *, seen_fence: int, want: int = 1, listens: bool = False
    ) -> out.Claim:
        """Take up to `want` jobs of the first of these queues that have some.

        Operations number `op` to `op + want - 1` are used up. `listens` if the last answer gave us queues.
        """
        return read_claim(self.scripts.call("claim", **self._claim(op, queues, seen_fence, want, listens=listens)))

    def begin_claim(
        self, op: int, queues: Sequence[str], *, seen_fence: int, listens: bool, stands: bool = False
    ) -> Trip:
        """Spell a claim of one job, for `answers.read_claim`. One that `stands` is made later, at the server's time."""
        claim = self._claim(op, queues, seen_fence, want=1, listens=listens)
        return self.scripts.trip("claim", **claim | ({"stamp": "", "epoch": ""} if stands else {}))

    def _claim(
        self, op: int, queues: Sequence[str], seen_fence: int, want: int, *, listens: bool
    ) -> dict[str, Word | Sequence[Word]]:
        return self._asker(op, seen_fence, want) | {
            "listens": int(listens),
            "listener": self.caller.listener or self.caller.instance,
            "listen_ms": self._settings.listen_ms,
            "queue_names": list(queues),
        }

    def spelled(self, done: Completion) -> Spelled:
        """Spell an end for a turn to come."""
        return Spelled(done, done.words(self._settings.keep_results))

    def begin_turn(
        self, op: int, ended: Sequence[Spelled], queues: Sequence[str], *, seen_fence: int, want: int, held: int = 0
    ) -> Trip:
        """Spell a move that ends these leases with success and takes up to `want` jobs.

        Operations number `op` to `op + want - 1` are used up; `held` are our leases besides. Its answer is for
        `answers.read_turn`.
        """
        return self.scripts.trip(
            "turn",
            **self._asker(op, seen_fence, want),
            held=held,
            ended_count=len(ended),
            words=[*chain.from_iterable(each.words for each in ended), *queues],
        )

    def turn(
        self, op: int, done: Sequence[Completion], queues: Sequence[str], *, seen_fence: int, want: int, held: int = 0
    ) -> out.Turned:
        """Make that move."""
        ended = list(map(self.spelled, done))
        trip = self.begin_turn(op, ended, queues, seen_fence=seen_fence, want=want, held=held)
        return read_turn(trip.answer(), len(ended))

    def renew(self, lease: Lease, *, worked_s: float) -> out.Renewed | Refused:
        """Push back the deadline. Sent twice, it renews twice: no operation number is needed."""
        answer = self.scripts.call(
            "renew",
            worker_name=self.caller.name,
            extend_ms=self._settings.lease_ms,
            epoch=f"{self._clock.wall_s():.6f}",
            worked_s=f"{worked_s:.3f}",
            **self._holder(lease),
        )
        if answer[0] == b"renewed":
            return out.Renewed(int(answer[1]))
        return read_refusal("renew", answer)

    def annotate(self, lease: Lease, fields: Sequence[Word]) -> out.Annotated | Refused:
        """Write fields of the job's record, if the lease still stands."""
        answer = self.scripts.call("annotate", fields=list(fields), **self._holder(lease))
        return read_end("annotate", answer, _ANNOTATED)

    def complete(self, op: int, done: Completion) -> out.Completed | Refused:
        """End with success."""
        words = zip(WORDS_OF_AN_END, done.words(self._settings.keep_results), strict=True)
        return self._settle("complete", COMPLETED, done.lease, op, **dict(words))

    def postpone(
        self,
        lease: Lease,
        op: int,
        stint: Stint,
        *,
        delay_ms: int,
        at_front: bool,
        error: str,
        retried: str = "",
        used: Sequence[Word] = (),
    ) -> out.Postponed | Refused:
        """End with a failure that will be tried again in `delay_ms`, by the server's clock."""
        return self._settle(
            "postpone",
            _POSTPONED,
            lease,
            op,
            delay_ms=delay_ms,
            at_front=int(at_front),
            error=short_error(error),
            retried=retried,
            fields=list(used),
            **self._times(stint),
        )

    def bury(
        self,
        lease: Lease,
        op: int,
        stint: Stint,
        *,
        cause: str,
        error: str,
        status: str = "failed",
        retried: str = "",
        is_listed: bool = True,
        is_unspoken: bool = False,
    ) -> out.Buried | Refused:
        """End with a failure for good; kept for a person with its cause.

        `retried` is the Retry that a job returned once too often. Not `is_listed`: without a record among the failed.
        `is_unspoken`: no horse is left to run callbacks; some worker will.
        """
        return self._settle(
            "bury",
            _BURIED,
            lease,
            op,
            status=status,
            cause=cause,
            error=short_error(error),
            obituary=obituary(error),
            retried=retried,
            listed=int(is_listed),
            unspoken=int(is_unspoken),
            **self._times(stint),
        )

    def end_aftermath(self, told: out.Aftermath) -> bool:
        """Note that all was told. Harmless when sent twice, or when someone else tells it again meanwhile."""
        return bool(self.scripts.redis.zrem(keys.aftermath(told.queue), told.entry))

    def give_back(
        self, lease: Lease, op: int, *, begun: bool, waited: bool = False
    ) -> out.GivenBack | out.Buried | Refused:
        """Hand back unharmed; a job that may run at most once and has begun is buried as interrupted.

        One that only `waited` behind another keeps its place in line however often; any other does so once.
        """
        return self._settle(
            "give_back",
            _GIVEN_BACK,
            lease,
            op,
            epoch=f"{self._clock.wall_s():.6f}",
            begun=int(begun),
            waited=int(waited),
            budget=self._settings.crashes,
            obituary=obituary("Interrupted by the stop of its worker; this job may run at most once."),
        )

    def crash(self, lease: Lease, op: int, *, cause: str) -> out.Crashed | out.Buried | Refused:
        """End the lease of a horse that died while its parent watched."""
        return self._settle(
            "crash",
            _CRASHED,
            lease,
            op,
            epoch=f"{self._clock.wall_s():.6f}",
            cause=cause,
            budget=self._settings.crashes,
            obituary=obituary(f"Work-horse terminated unexpectedly ({cause}); no crashes left in its budget."),
        )

    def begin_effect(
        self, lease: Lease, name: str, *, take_over: bool = False
    ) -> out.First | out.Done | out.Doubtful | Refused:
        """Record the intent. Sent twice by one execution, it is `First` twice."""
        answer = self.scripts.call("begin_effect", name=name, take_over=int(take_over), **self._holder(lease))
        match answer[0]:
            case b"first":
                return out.First()
            case b"done":
                return out.Done(answer[1])
            case b"in_doubt":
                return out.Doubtful(int(answer[1]))
            case _:
                return read_refusal("begin_effect", answer)

    def commit_effect(self, lease: Lease, name: str, value: bytes) -> out.Done | Refused:
        """Record that the effect has taken place."""
        answer = self.scripts.call("commit_effect", name=name, value=value, **self._holder(lease))
        return read_end("commit_effect", answer, {b"done": out.Done(value)})

    def withdraw_effect(self, lease: Lease, name: str) -> out.Withdrawn | Refused:
        """Take the intent back: the effect is known not to have taken place."""
        answer = self.scripts.call("withdraw_effect", name=name, **self._holder(lease))
        return read_end("withdraw_effect", answer, _WITHDRAWN)
