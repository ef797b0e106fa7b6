"""Defects that queues are known to have, seeded on purpose: for each, the checker must say which promise it breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from holdfast.chaos.simulation.bodies import SimBit
from holdfast.chaos.simulation.breaking import EVERY_MOVE, Edit, altered, by_hand
from holdfast.jobs.store import keys
from holdfast.jobs.store.scripts import Scripts
from holdfast.recovery.reaper import Reaper
from holdfast.workers.messages import TOOK, TURN
from holdfast.workers.mount import Mount

if TYPE_CHECKING:
    from holdfast.workers.messages import FromHorse

Break = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Defect:
    """One defect, and which invariants show it."""

    name: str
    sentence: str
    shows: tuple[str, ...]
    seed: Break


DEFECTS: dict[str, Defect] = {}


def defect(sentence: str, *shows: str) -> Callable[[Break], Break]:
    """Register a defect under its function's name, with dashes."""

    def register(seed: Break) -> Break:
        name = seed.__name__.replace("_", "-")
        DEFECTS[name] = Defect(name, sentence, shows, seed)
        return seed

    return register


_REFUSAL = "local refused = refusal(job_id, queue, execution, fence)\nif refused then\n  return refused\nend\n"
_KNOWN_REFUSAL = (
    "  local refused = refusal(job_id, queue, execution, fence, was, look.stands[job_id .. ':' .. execution])\n"
    "  if refused then\n    return refused\n  end\n"
)
_HOLDS = (
    "local holds = job[2] == fence and job[3] == execution\n"
    "    and (stands or not known and redis.call('ZSCORE', keys.leases(queue), job_id .. ':' .. execution))"
)
#: The same where there is nothing else to decide.
_PLAIN_HOLDS = "if was[1] ~= 'started' or was[2] ~= fence or was[3] ~= execution or was[4] or was[6]"
_PLAIN_STANDS = "\n    or not redis.call('ZRANK', keys.leases(queue), job_id .. ':' .. execution)"
_PLAIN_BEHIND = "if last_op and last_op >= asker.op or fence_given and fence_given > asker.seen_fence then"


# -- who holds a job


@defect("A job is completed by whoever says so", "INV-04", "INV-06", "INV-10")
def complete_unfenced() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, _KNOWN_REFUSAL, ""), Edit("turn", f"{_PLAIN_HOLDS}{_PLAIN_STANDS}", "if false"))


@defect("A settle looks at the fence, and not at whether the lease still stands", "INV-04")
def settle_by_fence_alone() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, _HOLDS, "local holds = job[2] == fence"), Edit("turn", _PLAIN_STANDS, ""))


@defect("A renewal makes a lease for whoever asks", "INV-04", "INV-02")
def renew_by_anyone() -> AbstractContextManager[None]:
    return altered(Edit("renew", _REFUSAL, ""), Edit("renew", "'XX', deadline_ms", "deadline_ms"))


@defect("The fence is the server's clock, which may be put back", "INV-03")
def fence_by_clock_alone() -> AbstractContextManager[None]:
    return altered(
        Edit(
            EVERY_MOVE,
            "math.max(last_fence(job, tombstone) + 1, asker.seen_fence + 1, now_us)",
            "now_us",
        ),
        Edit(EVERY_MOVE, "whole(math.max(asker.seen_fence + 1, now_us))", "whole(now_us)"),
    )


# -- claiming


@defect("A claim pops an id in one trip, and takes the job in another", "INV-01")
def claim_in_two_trips() -> AbstractContextManager[None]:
    def act(moves: Scripts, named: dict[str, Any], _: Callable[[], list[Any]]) -> list[Any]:
        for queue in named["queue_names"]:
            job_id = moves.redis.lpop(keys.queue(queue))
            if job_id is not None:
                return unhurt(moves, "claim", **{**named, "queue_names": [queue, job_id]})
        return unhurt(moves, "claim", **{**named, "queue_names": named["queue_names"][:1]})

    unhurt = Scripts.call
    pop = "local function pop()\n  local id = popped\n  popped = nil\n  return id and {id}\nend\n"
    take = "local function take_some("
    find = "local answer, records = find(queue_names, "
    return by_hand(
        "claim",
        act,
        Edit("claim", take, f"local popped\n{pop}{take}"),
        Edit("claim", find, f"popped = queue_names[2]\nqueue_names[2] = nil\n{find}"),
        Edit("claim", "redis.call('LPOP', keys.queue(queue), whole(hand.want - #hand.records))", "pop()"),
        Edit("claim", "local plain_answer = plain_claim()", "local plain_answer = nil"),
    )


@defect("A claim pops a job and leaves no lease", "LIV-01", "INV-02")
def claim_without_lease() -> AbstractContextManager[None]:
    return altered(
        Edit(EVERY_MOVE, "write('ZADD', keys.leases(queue), deadline, entry)", ""),
        Edit(EVERY_MOVE, _HOLDS, "local holds = job[2] == fence and job[3] == execution"),
    )


@defect("A claim that is sent again takes another job", "INV-10")
def claim_not_replayed() -> AbstractContextManager[None]:
    return altered(
        Edit("claim", "local first_answer = answer_to(op, last_op, slot)", "local first_answer = nil"),
        Edit("claim", "\ngive_back_unheard(asker, fence_given, slot)\n", "\n"),
        Edit("claim", _PLAIN_BEHIND, "if false then"),
    )


@defect("A turn that is sent again settles and takes again", "INV-10")
def turn_not_replayed() -> AbstractContextManager[None]:
    return altered(
        Edit("turn", "local first_answer = answer_to(op, last_op, slot)", "local first_answer = nil"),
        Edit("turn", "\ngive_back_unheard(asker, fence_given, slot)\n", "\n"),
        Edit("turn", _PLAIN_BEHIND, "if false then"),
    )


@defect("A parent that hears a turn's answer for its dead horse does not tell the next horse", "INV-09")
def finished_turn_unheard() -> AbstractContextManager[None]:
    return mock.patch.multiple(Mount, has_heard=lambda _mount, _claimed: None)


@defect("A horse keeps its turns to itself", "INV-10")
def turn_unsaid() -> AbstractContextManager[None]:
    original = SimBit.say

    def say(self: SimBit, message: FromHorse, *, is_urgent: bool = True) -> None:
        if message[0] not in {TURN, TOOK}:
            original(self, message, is_urgent=is_urgent)

    return mock.patch.multiple(SimBit, say=say)


@defect("An operation that arrives after its sender moved on is done", "INV-10")
def late_operation_done() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, "if last_op and last_op > tonumber(op) then", "if false then"))


@defect("A job at work expires", "INV-01")
def live_job_expires() -> AbstractContextManager[None]:
    kept = "  redis.call('PERSIST', keys.job(job_id))\n  write('ZADD', keys.leases(queue)"
    return altered(Edit(EVERY_MOVE, kept, kept.replace("job_id)", "job_id), 2").replace("PERSIST", "EXPIRE")))


# -- reclaiming


@defect("The reaper goes by its own clock", "INV-05")
def reaper_by_own_clock() -> AbstractContextManager[None]:
    return altered(
        Edit("reclaim", "overdue(keys.leases(queue), NOW_MS", "overdue(keys.leases(queue), whole(epoch * 1000)")
    )


@defect("The reaper takes what it found overdue a pass ago, and does not look again", "INV-04", "INV-06")
def reap_without_second_look() -> AbstractContextManager[None]:
    def act(moves: Scripts, _: dict[str, Any], reclaim: Callable[[], list[Any]]) -> list[Any]:
        redis: Any = moves.redis  # redis-py's types know nothing of decode_responses
        answer = reclaim()
        seconds, us = redis.time()
        for queue in sorted(redis.smembers(keys.leased())):
            leases = keys.leases(queue.decode())
            redis.zrangestore(f"overdue:{leases}", leases, "-inf", seconds * 1_000 + us // 1_000, byscore=True)
        return answer

    return by_hand(
        "reclaim",
        act,
        Edit("reclaim", "overdue(keys.leases(queue)", "overdue('overdue:' .. keys.leases(queue)"),
        Edit("reclaim", "if not job[1] or job[3] ~= execution or", "if not job[2] or"),
    )


@defect("A reclaim starts the count of crashes anew", "INV-09")
def reclaim_forgives_crashes() -> AbstractContextManager[None]:
    died = "'lease expired', charged, terms)\n"
    return altered(Edit("reclaim", died, f"{died}  redis.call('HSET', keys.job(job_id), 'hf_crashes', '0')\n"))


@defect("A reclaim puts the job in line and leaves the lease", "INV-04", "INV-02")
def reclaim_leaves_lease() -> AbstractContextManager[None]:
    ended = "redis.call('HSET', keys.job(job_id), unpack(fields))\n  end_execution(job_id, queue, execution, worker)\n"
    return altered(Edit("reclaim", ended, ended.splitlines()[0] + "\n"))


@defect("The reaper comes round too seldom", "LIV-02", "LIV-01")
def reaper_seldom() -> AbstractContextManager[None]:
    original = Reaper.__init__

    def init(self: Reaper, *given: Any, every_ms: int) -> None:
        original(self, *given, every_ms=6 * every_ms)

    return mock.patch.multiple(Reaper, __init__=init)


# -- budgets


@defect("A job handed back unharmed is charged a crash", "INV-09")
def give_back_burns_a_crash() -> AbstractContextManager[None]:
    ended = "end_execution(job_id, queue, execution, worker_name)\nif may_run_once"
    return altered(Edit("give_back", ended, f"redis.call('HINCRBY', job, 'hf_crashes', 1)\n{ended}"))


@defect("A job that may run at most once is handed back although it has begun", "INV-09")
def once_is_twice() -> AbstractContextManager[None]:
    return altered(Edit("give_back", "if may_run_once and begun == '1' then", "if false then"))


# -- entering and waiting


@defect("An enqueue writes the record in one trip and the line in another, and does not know itself again", "INV-11")
def enqueue_in_two_trips() -> AbstractContextManager[None]:
    def act(moves: Scripts, named: dict[str, Any], write: Callable[[], list[Any]]) -> list[Any]:
        answer = write()
        if answer[0] == b"queued":
            moves.redis.rpush(keys.queue(named["queue_name"]), named["job_id"])
        return answer

    return by_hand(
        "enqueue",
        act,
        Edit("enqueue", "if by == op then", "if false then"),
        Edit("enqueue", "put_in_line(job_id, queue_name, at_front == '1')", ""),
    )


@defect("An enqueue that newer ones of its id have overtaken takes their place", "INV-11")
def overtaken_enqueue_done() -> AbstractContextManager[None]:
    return altered(Edit("enqueue", "if known <= KNOWN_BY_NAME then", "if false then"))


@defect("A job that was enqueued again while it ran is over with its first run", "INV-01")
def second_life_lost() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, "  if again then\n    to = begin_again", "  if false then\n    to = begin_again"))


@defect("A job that repeats does so no more", "INV-01")
def repeat_lost() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, "elseif repeat_ms ~= '' then", "elseif false then"))


@defect("The promoter copies in one trip and removes in another", "INV-01", "INV-06", "INV-02", "INV-04", "INV-09")
def promote_in_two_trips() -> AbstractContextManager[None]:
    def act(moves: Scripts, _: dict[str, Any], copy: Callable[[], list[Any]]) -> list[Any]:
        redis: Any = moves.redis
        seconds, us = redis.time()
        answer = copy()
        if answer[0] == b"promoted" and int(answer[2]):
            for queue in sorted(redis.smembers(keys.queues())):
                name = queue.decode().removeprefix(keys.queue(""))
                redis.zremrangebyscore(keys.scheduled(name), "-inf", seconds + us / 1_000_000)
        return answer

    return by_hand(
        "promote",
        act,
        Edit("promote", "  redis.call('ZREM', keys.scheduled(queue), job_id)\n  if not job", "  if not job"),
        Edit("promote", "if job[1] ~= 'scheduled' and has_gone_on(", "if false and has_gone_on("),
    )


@defect("The promoter is a second fast", "INV-12")
def promote_early() -> AbstractContextManager[None]:
    return altered(Edit("promote", "seconds(now_ms / 1000), 'LIMIT'", "seconds(now_ms / 1000 + 1), 'LIMIT'"))


@defect("A settle leaves the job among those at work", "INV-02")
def settle_leaves_wip() -> AbstractContextManager[None]:
    return altered(Edit(EVERY_MOVE, "  write('ZREM', keys.wip(queue), entry)\n", ""))


# -- effects


@defect("An effect is looked up in one trip, and marked in another once it is done", "INV-07")
def effect_marked_after() -> AbstractContextManager[None]:
    return altered(
        Edit("begin_effect", "redis.call('HSET', keys.job(job_id), EFFECT .. name, 'intent ' .. fence .. ' ')", "")
    )


@defect("An effect in doubt is taken for one that did not happen", "INV-07")
def doubt_forgotten() -> AbstractContextManager[None]:
    return altered(Edit("begin_effect", "if by ~= fence and take_over ~= '1' then", "if false then"))


@defect("An effect is begun by whoever says so", "INV-04", "INV-07")
def effect_unfenced() -> AbstractContextManager[None]:
    return altered(Edit("begin_effect", _REFUSAL, ""))
