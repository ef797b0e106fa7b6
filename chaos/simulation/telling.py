"""A run told to a person: of the job that went wrong, what happened, in a dozen lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from holdfast.chaos.commit import commit
from holdfast.chaos.simulation.moments import world_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.chaos.history import History, Line
    from holdfast.chaos.simulation.plan import Plan
    from holdfast.chaos.simulation.run import Run
    from holdfast.chaos.terms import Violation

#: What a client hears of a move -> the moves it may be the answer to.
_HEARD = {
    "accepted": {"enqueue"},
    "claimed": {"claim"},
    "completed": {"complete"},
    "postponed": {"postpone"},
    "given back": {"give_back"},
    "crashed": {"crash"},
    "reclaimed": {"reclaim"},
    "buried": {"bury", "give_back", "crash", "reclaim"},
}
_NOT_HEARD = "not heard"
#: More faults than these are told only if they befell who had to do with the job.
_FEW_FAULTS = 6


@dataclass(frozen=True)
class _Row:
    ms: int
    #: Within a millisecond: what is asked for, what is done, what is told.
    rank: int
    who: str
    did: str
    job: str = ""
    execution: str = ""
    fence: int = 0
    detail: str = ""


def tell(run: Run, *, job: str | None = None, only: str | None = None, on_real: bool = False) -> str:
    """Write a run as text. Without a `job`: of the first that violates something, or of all where nothing does.

    The first line is all that somebody else needs to see the same: with `only` and `on_real` as the run was.
    """
    violations = run.violations()
    jobs = {job} if job else {_job_of(violation, run.history) for violation in violations[:1]}
    violations = [violation for violation in violations if not jobs or _job_of(violation, run.history) in jobs]
    rows = list(_told(_rows(run, jobs)))
    fences: dict[str, list[int]] = {
        row.job: sorted({each.fence for each in rows if each.job == row.job and each.fence}) for row in rows
    }
    lines = [bug_report(run.plan, only=only, on_real=on_real), ""]
    lines += [_spell(row, fences.get(row.job, [])) for row in rows]
    lines.append("")
    for name, place in sorted(run.history.final.items()):
        if name in jobs:
            where = ", ".join(place.places) or "nowhere"
            lines.append(f"{name} is {place.status} in {where}, {place.executions} executions, {place.crashes} crashes")
    lines += [str(violation) for violation in violations[:5]]
    return "\n".join(lines)


def bug_report(plan: Plan, *, only: str | None = None, on_real: bool = False) -> str:
    """Write the line that lets anybody see the same run."""
    if plan.kinds:
        again = replay_command(plan.seed, hard=plan.hard, crowd=plan.crowd, only=only, on_real=on_real)
    else:
        # Not drawn from a seed: the strikes are the plan.
        again = " + ".join(map(str, plan.strikes or ())) or "no fault"
    server = "redis-server" if on_real else "fakeredis"
    kind = f"{'hard' if plan.hard else 'std'}{', a crowd' if plan.crowd else ''}"
    return f"seed {plan.seed} · {kind} · commit {commit()} · {server} · {again}"


def replay_command(
    seed: int, *, hard: bool, crowd: bool = False, only: str | None = None, on_real: bool = False
) -> str:
    """Write what must be typed to see a seed's run again."""
    words = [f"holdfast chaos replay {seed}", *(["--hard"] * hard), *(["--crowd"] * crowd)]
    words += [f"--only {only}"] if only else []
    return " ".join([*words, *(["--server real"] * on_real)])


def _job_of(violation: Violation, history: History) -> str:
    """Name the job; some violations name an execution."""
    return next((move.job for move in history.moves if move.execution == violation.job), violation.job)


def _rows(run: Run, jobs: set[str]) -> list[_Row]:
    """Put the server's moves and what was seen outside in one order."""
    history = run.history
    lines = [line for line in history.lines if line.did != "fault" and (line.job in jobs or not jobs)]
    moves = list(_server_rows(history, run))
    rows = [row for row in moves if row.job in jobs or not jobs]
    claimed_ms = {row.execution: row.ms for row in rows if row.did == "claim"}
    unheard = {number for number, row in enumerate(rows) if row.rank == 1}
    for line in lines:
        answered = next((at for at in sorted(unheard) if _answers(line, rows[at])), None)
        if answered is None:
            ms = line.us // 1_000
            # A body that began under an older claim began before the moves that it then made.
            has_begun = line.did == "begin" and claimed_ms.get(line.execution, ms) < ms
            rank = 0 if has_begun or line.did == "enqueue" else 2
            rows.append(_Row(ms, rank, line.who, line.did, *_about(line)))
        else:
            unheard.discard(answered)
            rows[answered] = replace(
                rows[answered], detail=rows[answered].detail.replace(_NOT_HEARD, f"told {line.who}")
            )
    # What an execution did within the millisecond of its claim came after its begin.
    rows = [
        replace(row, rank=3)
        if row.rank == 1 and row.did != "claim" and claimed_ms.get(row.execution) == row.ms
        else row
        for row in rows
    ]
    rows += _fault_rows(history, {line.who for line in lines})
    return sorted(rows, key=lambda row: (row.ms, row.rank))


def _about(line: Line) -> tuple[str, str, int, str]:
    return line.job, line.execution, line.fence, line.detail


def _answers(line: Line, row: _Row) -> bool:
    return row.job == line.job and row.execution == line.execution and row.did in _HEARD.get(line.did, ())


def _server_rows(history: History, run: Run) -> Iterator[_Row]:
    for move, ms in zip(history.moves, world_ms(run), strict=True):
        heard = "" if move.move in {"renew", "promote", "begin_effect", "commit_effect"} else f", {_NOT_HEARD}"
        yield _Row(ms, 1, "server", move.move, move.job, move.execution, move.fence, f"to {move.to}{heard}")


def _fault_rows(history: History, concerned: set[str]) -> Iterator[_Row]:
    faults = list(history.of("fault"))
    families = {name.split(".h")[0] for name in concerned}
    for line in faults:
        if len(faults) <= _FEW_FAULTS or any(family in line.detail for family in families):
            yield _Row(line.us // 1_000, 0, line.who, "fault", detail=line.detail)


def _told(rows: Sequence[_Row]) -> Iterator[_Row]:
    """Leave out all but the last of renewals in a row."""
    for row, after in zip_longest(rows, rows[1:]):
        is_followed = after is not None and (after.did, after.execution) == (row.did, row.execution)
        if row.did != "renew" or not is_followed:
            yield row


def _spell(row: _Row, fences: list[int]) -> str:
    execution = f"{row.execution[:4]}.{int(row.execution[16:], 16)}" if len(row.execution) == 32 else row.execution  # noqa: PLR2004 - as `Caller.execution` spells it
    fence = f"#{fences.index(row.fence) + 1}" if row.fence else ""
    return f"{row.ms:7} {row.who:8} {row.did:14} {row.job:8} {execution:8} {fence:3} {row.detail}".rstrip()
