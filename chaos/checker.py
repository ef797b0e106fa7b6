"""Judges a history: one function for each invariant, each a sentence that must hold.

Knows nothing of Redis or of how the history was made. All checks are per job and linear in time.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from holdfast.chaos import lives
from holdfast.chaos.terms import Terms, Violation

if TYPE_CHECKING:
    from holdfast.chaos.history import History

_ENDS = ("complete", "postpone", "bury", "give_back", "crash", "reclaim")
#: How an execution's id is made of a worker's life and the number of its operation, in hexadecimal digits.
_LIFE, _EXECUTION = 16, 32
_CANCEL = "a person's cancel"
_BY_HOLDER = (*_ENDS[:-1], "renew", "begin_effect", "commit_effect", "withdraw_effect")

Check = Callable[["History", Terms], Iterator[Violation]]
CHECKS: dict[str, Check] = {}


def check(invariant: str) -> Callable[[Check], Check]:
    """Register a check under its number."""

    def register(function: Check) -> Check:
        CHECKS[invariant] = function
        return function

    return register


def judge(history: History, terms: Terms) -> list[Violation]:
    """Give every violation of every invariant; none means valid."""
    return [violation for each in CHECKS.values() for violation in each(history, terms)]


def _accepted(history: History) -> list[str]:
    return sorted({line.job for line in history.of("accepted")})


def _deleted(history: History) -> set[str]:
    return {line.job for line in history.of("deleted")}


def _made_too_often(history: History) -> dict[str, str]:
    """Say of which jobs more enqueues are on record than were asked for.

    One that was deleted while a sending of its enqueue was still under way is made again, and rightly: nothing was left
    to know it by, nor its effects.
    """
    asked = Counter(line.job for line in history.of("enqueue"))
    made = Counter(move.job for move in history.moves if move.move == "enqueue")
    return {
        job: f"enqueued {asked[job]} times by its producer, {count} times on record"
        for job, count in made.items()
        if asked[job] and count > asked[job]
    }


def _made_anew(history: History) -> set[str]:
    return {move.job for move in history.moves if move.move == "anew"}


@check("INV-01")
def no_loss(history: History, terms: Terms) -> Iterator[Violation]:
    """Every job whose enqueue was acknowledged is somewhere; each enqueue of an id, and each repeat, is attempted."""
    deleted, accepted, moves = _deleted(history), _accepted(history), lives.by_job(history)
    may_be_nowhere = deleted | lives.over_and_gone(history, terms.unkept) | _made_anew(history)
    for job in accepted:
        if (job not in history.final or not history.final[job].places) and job not in may_be_nowhere:
            yield Violation("INV-01", job, f"accepted, and now nowhere: {history.final.get(job)}")
    left_alone = deleted | {line.job for line in history.of("canceled")}
    repeats, saved = dict(terms.repeats), {line.job for line in history.of("saved")}
    for job in accepted:
        if job in history.final and job not in left_alone:
            yield from lives.lost_of(job, moves[job], history.final[job], repeats.get(job), was_saved=job in saved)
    for job in moves if terms.are_all_ours else ():
        yield from lives.rescued(job, moves[job])


@check("INV-02")
def one_place(history: History, terms: Terms) -> Iterator[Violation]:
    """A job's status agrees with the one place it is in, and no entry lacks a job."""
    for job, place in lives.at_last(history).items():
        if place.places and place.places != lives.PLACES.get(place.status):
            yield Violation("INV-02", job, f"status {place.status} but in {place.places}")
    deleted, gone = _deleted(history), lives.over_and_gone(history, terms.unkept)
    for ghost in history.ghosts:
        job, _, where = ghost.partition(" in ")
        if not ghost.startswith("dirt-") and job not in deleted and (job not in gone or where != "[]"):
            yield Violation("INV-02", ghost, "an entry without a job")


@check("INV-03")
def fences_grow(history: History, _: Terms) -> Iterator[Violation]:
    """Fences of a job strictly increase, and none is given to two claims, as claimants saw it."""
    for job, moves in lives.by_job(history).items():
        fences = [move.fence for move in moves if move.move == "claim"]
        if any(later <= earlier for earlier, later in itertools.pairwise(fences)):
            yield Violation("INV-03", job, f"fences {fences}")
    given: dict[tuple[str, int], set[str]] = defaultdict(set)
    for line in history.of("claimed"):
        given[line.job, line.fence].add(line.execution)
    for (job, fence), executions in given.items():
        if len(executions) > 1:
            yield Violation("INV-03", job, f"fence {fence} was given to {sorted(executions)}")


@check("INV-04")
def one_holder(history: History, terms: Terms) -> Iterator[Violation]:
    """Every accepted move of a holder carries the fence of the last claim, and finds it unsettled."""
    deleted = _deleted(history)  # with its record goes what a reclaim would be written on: such a lease only runs out
    canceled = {line.job for line in history.of("canceled")}
    for job, moves in lives.by_job(history).items():
        held: tuple[str, int] | None = None
        until_ms = 0
        for move in moves:
            if move.move == "claim":
                ran_out = job in deleted and move.ms >= until_ms
                if held is not None and not ran_out:
                    yield Violation("INV-04", job, f"claimed by {move.execution} while {held[0]} held it")
                held = (move.execution, move.fence)
            elif move.move in (*_BY_HOLDER, "reclaim"):
                if held != (move.execution, move.fence):
                    yield Violation("INV-04", job, f"{move.move} of {move.execution} accepted while {held} held it")
                if move.move in _ENDS:
                    held = None
            elif move.move == "lost" and job in canceled and held is not None and held[0] == move.execution:
                held = None
            if move.move in {"claim", "renew"}:
                until_ms = move.ms + terms.lease_ms


@check("INV-05")
def no_early_reap(history: History, terms: Terms) -> Iterator[Violation]:
    """No lease is reclaimed before the deadline its last claim or renewal set, by the server's own clock."""
    for job, moves in lives.by_job(history).items():
        set_at: dict[str, int] = {}
        for move in moves:
            if move.move in {"claim", "renew"}:
                set_at[move.execution] = move.ms
            elif move.move == "reclaim" and move.ms < set_at.get(move.execution, 0) + terms.lease_ms:
                early_ms = set_at[move.execution] + terms.lease_ms - move.ms
                yield Violation("INV-05", job, f"{move.execution} was reclaimed {early_ms} ms before its deadline")


@check("INV-06")
def one_outcome(history: History, _: Terms) -> Iterator[Violation]:
    """A generation is completed at most once, and nothing follows its end but a new enqueue."""
    for job, moves in lives.by_job(history).items():
        ended = ""
        for move in moves:
            if move.move in lives.BEGINNINGS:
                ended = ""
            elif ended and move.move in {"claim", *_ENDS}:
                yield Violation("INV-06", job, f"{move.move} after {ended}")
            elif move.move == "cancel":
                ended = _CANCEL
            elif move.move == "overruled" and ended == _CANCEL:
                ended = ""
            elif move.to in lives.OVER and move.move in _ENDS:
                ended = f"{move.move} by {move.execution}"


@check("INV-07")
def effects_once(history: History, terms: Terms) -> Iterator[Violation]:
    """An effect takes place at most once, unless its doubt was asked about; finished means that it did."""
    acts = Counter(line.detail for line in history.of("act"))
    asked = {line.job for line in history.of("asked")}
    made_again = _made_too_often(history).keys() & _deleted(history) | _made_anew(history)
    for key, count in acts.items():
        job = key.split(":", 1)[0]
        if count > 1 and job not in asked and job not in made_again:
            yield Violation("INV-07", job, f"effect {key} took place {count} times, and nobody was told of a doubt")
    acted = {line.job for line in history.of("act")}
    for job, place in history.final.items():
        if job in terms.effects and place.status == "finished" and job not in acted:
            yield Violation("INV-07", job, "finished without its effect")


@check("INV-09")
def counts(history: History, terms: Terms) -> Iterator[Violation]:
    """Executions and crashes are counted truly, and budgets hold."""
    last = {job: lives.last_life(moves) for job, moves in lives.by_job(history).items()}
    begins = Counter(line.job for line in history.of("begin"))
    without_counts = _deleted(history) | lives.over_and_gone(history, terms.unkept)
    for job, place in history.final.items():
        if job in without_counts:
            continue
        moves = last.get(job, [])
        claims, died = sum(move.move == "claim" for move in moves), lives.deaths(moves)
        if place.executions != claims:
            yield Violation("INV-09", job, f"{place.executions} executions on record, {claims} claims made")
        if not died - terms.uncharged <= place.crashes <= died:
            yield Violation("INV-09", job, f"{place.crashes} crashes on record, {died} deaths")
        if died > terms.crashes + 1 + terms.uncharged:
            yield Violation("INV-09", job, f"{died} deaths with a budget of {terms.crashes}")
        if job in terms.at_most_once and begins[job] > 1:
            yield Violation("INV-09", job, f"may run at most once, and began {begins[job]} times")


@check("INV-10")
def truthful_answers(history: History, _: Terms) -> Iterator[Violation]:
    """Who was told "done" is on the server's record once; who was refused is not on it."""
    settled: dict[str, list[str]] = defaultdict(list)
    for move in history.moves:
        if move.move in _ENDS:
            settled[move.execution].append(move.move)
    told = {"completed": "complete", "postponed": "postpone", "given back": "give_back"}
    for line in history.of(*told):
        if told[line.did] not in settled[line.execution]:
            yield Violation(
                "INV-10", line.job, f"{line.who} was told {line.did}; the server says {settled[line.execution]}"
            )
    for execution, ends in settled.items():
        if len(ends) > 1:
            yield Violation("INV-10", execution, f"settled more than once: {ends}")
    enqueued = {move.job for move in history.moves if move.move in lives.BEGINNINGS}
    for job in _accepted(history):
        if job not in enqueued:
            yield Violation("INV-10", job, "accepted, and not on the server's record")
    yield from _answered_twice(history)
    yield from _claimed_late(history)
    yield from _stopped_in_vain(history)


def _answered_twice(history: History) -> Iterator[Violation]:
    """Find claims that got more than one job: an execution is an attempt at one."""
    for execution, count in Counter(move.execution for move in history.moves if move.move == "claim").items():
        if count > 1:
            yield Violation("INV-10", execution, f"one claim was answered with {count} jobs")


def _claimed_late(history: History) -> Iterator[Violation]:
    """Find claims for a worker that had moved on: its claims are numbered, and nobody waits for an earlier one."""
    last: dict[str, int] = {}
    for move in history.moves:
        if move.move != "claim" or len(move.execution) != _EXECUTION:
            continue
        life, number = move.execution[:_LIFE], int(move.execution[_LIFE:], 16)
        if number < last.get(life, 0):
            yield Violation("INV-10", move.job, f"claimed as {move.execution} after its worker's claim {last[life]}")
        last[life] = number


def _stopped_in_vain(history: History) -> Iterator[Violation]:
    """Find horses that were stopped for an execution that they had been told they ended."""
    ended: set[str] = set()
    for line in history.lines:
        if line.did in {"completed", "postponed"}:
            ended.add(line.execution)
        elif line.did == "stopped horse" and line.execution in ended:
            yield Violation("INV-10", line.job, f"{line.who} stopped a horse that had ended {line.execution}")


@check("INV-11")
def once_per_key(history: History, _: Terms) -> Iterator[Violation]:
    """One enqueue makes one job, however often its request arrived."""
    deleted = _deleted(history)
    for job, what in _made_too_often(history).items():
        if job not in deleted:
            yield Violation("INV-11", job, what)


@check("INV-12")
def not_before(history: History, terms: Terms) -> Iterator[Violation]:
    """No job is put in line, or claimed, before it is due, by the server's clock."""
    delays = dict(terms.delays_ms)
    for job, moves in lives.by_job(history).items():
        enqueued = next((move.ms for move in moves if move.move == "enqueue"), None)
        # Once in line it is due, even if the clock is put back then.
        first = next((move for move in moves if move.move in {"promote", "claim", "anew"}), None)
        if first is None or first.move == "anew":
            continue
        if job in delays and enqueued is not None and first.ms < enqueued + delays[job]:
            after_ms = first.ms - enqueued
            yield Violation("INV-12", job, f"{first.move} {after_ms} ms after its enqueue, due after {delays[job]}")


@check("LIV-01")
def all_end(history: History, terms: Terms) -> Iterator[Violation]:
    """Once faults have ceased, every accepted job comes to its end."""
    at_last, gone = lives.at_last(history), lives.over_and_gone(history, terms.unkept)
    for job in _accepted(history):
        place = at_last.get(job)
        if place is not None and job not in gone and place.status not in {"finished", "failed", "stopped", "canceled"}:
            yield Violation("LIV-01", job, f"still {place.status} in {place.places}")


@check("LIV-02")
def dead_are_noticed(history: History, terms: Terms) -> Iterator[Violation]:
    """In calm, a lease past its deadline is reclaimed within the reap interval and a second.

    Also where the server's clock jumped in the storm: what falls in the calm by the clock as it is now came due in it.
    """
    for line in history.of("reclaimed", "buried"):
        if not line.detail.endswith("ms late"):
            continue
        late_ms = int(line.detail.split()[0])
        if line.us - late_ms * 1_000 > terms.calm_from_us and late_ms > terms.reap_ms + 1_000:
            yield Violation("LIV-02", line.job, f"reclaimed {late_ms} ms after its deadline")
