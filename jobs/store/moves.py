"""The typed face of the scripts: one method and its outcomes per move.

A method sends once. Whoever must know the answer wraps it in `Courier.send`; the operation number makes the second
sending a replay of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.lease import Lease
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.records import obituary, pairs, short_error, stamp
from holdfast.jobs.store.sizes import check_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.jobs.clock import Clock
    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.scripts import Scripts, Word

Refused = out.Fenced | out.Lost | out.Closed


@dataclass(frozen=True)
class Caller:
    """Who makes a move: a worker's name, for people, and this life of it, for us."""

    name: str
    #: Sixteen hex digits, drawn once per start: a name or a pid may be used again, this is not.
    instance: str

    def execution(self, op: int) -> str:
        """Name the attempt that operation `op` claims. Shaped like RQ's ids."""
        return f"{self.instance}{op:016x}"


@dataclass(frozen=True)
class Spell:
    """How long an attempt worked, by the worker's own clock; for records that people read."""

    started_s: float
    ended_s: float

    @property
    def worked_s(self) -> float:
        """Seconds between, never below zero although wall clocks jump."""
        return max(0.0, self.ended_s - self.started_s)


def _refused(answer: list[Any]) -> Refused | None:
    match answer[0]:
        case b"fenced":
            return out.Fenced(int(answer[1]))
        case b"lost":
            return out.Lost()
        case b"closed":
            return out.Closed(answer[1].decode())
        case _:
            return None


def _unexpected(move: str, answer: list[Any]) -> RuntimeError:
    return RuntimeError(f"{move} answered {answer!r}, which its header does not list: two versions of Holdfast?")


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

    def _settle(self, move: str, lease: Lease, op: int, **named: Word | Sequence[Word]) -> list[Any]:
        return self.scripts.call(
            move,
            worker_name=self.caller.name,
            instance=self.caller.instance,
            op=op,
            stamp=self._stamp(),
            **self._holder(lease),
            **named,
        )

    @staticmethod
    def _spell(spell: Spell) -> dict[str, Word | Sequence[Word]]:
        return {
            "started": f"{spell.started_s:.6f}",
            "ended": f"{spell.ended_s:.6f}",
            "worked_s": f"{spell.worked_s:.6f}",
        }

    def claim(
        self, op: int, queues: Sequence[str], *, seen_fence: int, listens: bool = False
    ) -> out.Claimed | out.Aftermath | out.Empty | out.Again | out.Closed | out.Lost:
        """Take the next job of the first of these queues that has one; `listens` if the last answer gave us queues."""
        answer = self.scripts.call(
            "claim",
            worker_name=self.caller.name,
            instance=self.caller.instance,
            op=op,
            execution=self.caller.execution(op),
            seen_fence=seen_fence,
            lease_ms=self._settings.lease_ms,
            listens=int(listens),
            listen_ms=self._settings.listen_ms,
            stamp=self._stamp(),
            epoch=f"{self._clock.wall_s():.6f}",
            queue_names=list(queues),
        )
        match answer[0]:
            case b"claimed":
                queue, job_id, execution, fence, deadline_ms, generation = (part.decode() for part in answer[1:7])
                lease = Lease(queue, job_id, execution, int(fence), int(deadline_ms), generation)
                return out.Claimed(lease, pairs(answer[7]))
            case b"aftermath":
                queue, job_id, entry = (part.decode() for part in answer[1:4])
                return out.Aftermath(queue, job_id, entry.split(" ", 2)[1], entry, pairs(answer[4]))
            case b"empty":
                return out.Empty(tuple(queue.decode() for queue in answer[1:]))
            case b"again":
                return out.Again()
            case b"lost":
                return out.Lost()
            case b"closed":
                return out.Closed(answer[1].decode())
            case _:
                raise _unexpected("claim", answer)

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
        return _refused(answer) or out.Renewed(int(answer[1]))

    def annotate(self, lease: Lease, fields: Sequence[Word]) -> out.Annotated | Refused:
        """Write fields of the job's record, if the lease still stands."""
        answer = self.scripts.call("annotate", fields=list(fields), **self._holder(lease))
        return _refused(answer) or out.Annotated()

    def complete(
        self,
        lease: Lease,
        op: int,
        spell: Spell,
        *,
        value: str,
        result_ttl: int,
        repeat_ms: int | None = None,
        repeats_left: int = 0,
    ) -> out.Completed | Refused:
        """End with success. `result_ttl` in seconds, 0: keep nothing, -1: keep for ever."""
        answer = self._settle(
            "complete",
            lease,
            op,
            value=value,
            result_ttl=result_ttl,
            repeat_ms="" if repeat_ms is None else repeat_ms,
            repeats_left=repeats_left,
            **self._spell(spell),
        )
        return _refused(answer) or out.Completed()

    def postpone(
        self,
        lease: Lease,
        op: int,
        spell: Spell,
        *,
        delay_ms: int,
        at_front: bool,
        error: str,
        retried: str = "",
        used: Sequence[Word] = (),
    ) -> out.Postponed | Refused:
        """End with a failure that will be tried again in `delay_ms`, by the server's clock."""
        answer = self._settle(
            "postpone",
            lease,
            op,
            delay_ms=delay_ms,
            at_front=int(at_front),
            error=short_error(error),
            retried=retried,
            fields=list(used),
            **self._spell(spell),
        )
        return _refused(answer) or out.Postponed()

    def bury(
        self,
        lease: Lease,
        op: int,
        spell: Spell,
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
        answer = self._settle(
            "bury",
            lease,
            op,
            status=status,
            cause=cause,
            error=short_error(error),
            obituary=obituary(error),
            retried=retried,
            listed=int(is_listed),
            unspoken=int(is_unspoken),
            **self._spell(spell),
        )
        return _refused(answer) or out.Buried()

    def end_aftermath(self, told: out.Aftermath) -> bool:
        """Note that all was told. Harmless when sent twice, or when someone else tells it again meanwhile."""
        return bool(self.scripts.redis.zrem(keys.aftermath(told.queue), told.entry))

    def give_back(self, lease: Lease, op: int, *, begun: bool) -> out.GivenBack | out.Buried | Refused:
        """Hand back unharmed; a job that may run at most once and has begun is buried as interrupted."""
        answer = self._settle(
            "give_back",
            lease,
            op,
            epoch=f"{self._clock.wall_s():.6f}",
            begun=int(begun),
            budget=self._settings.crashes,
            obituary=obituary("Interrupted by the stop of its worker; this job may run at most once."),
        )
        return _refused(answer) or (out.Buried() if answer[0] == b"buried" else out.GivenBack())

    def crash(self, lease: Lease, op: int, *, cause: str) -> out.Crashed | out.Buried | Refused:
        """End the lease of a horse that died while its parent watched."""
        answer = self._settle(
            "crash",
            lease,
            op,
            epoch=f"{self._clock.wall_s():.6f}",
            cause=cause,
            budget=self._settings.crashes,
            obituary=obituary(f"Work-horse terminated unexpectedly ({cause}); no crashes left in its budget."),
        )
        return _refused(answer) or (out.Buried() if answer[0] == b"buried" else out.Crashed())

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
                if refused := _refused(answer):
                    return refused
                raise _unexpected("begin_effect", answer)

    def commit_effect(self, lease: Lease, name: str, value: bytes) -> out.Done | Refused:
        """Record that the effect has taken place."""
        answer = self.scripts.call("commit_effect", name=name, value=value, **self._holder(lease))
        return _refused(answer) or out.Done(value)

    def withdraw_effect(self, lease: Lease, name: str) -> out.Withdrawn | Refused:
        """Take the intent back: the effect is known not to have taken place."""
        answer = self.scripts.call("withdraw_effect", name=name, **self._holder(lease))
        return _refused(answer) or out.Withdrawn()
