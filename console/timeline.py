"""`holdfast timeline`: what happened to a job, in order, and what it is at now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from holdfast.console.server import as_text, at_url, command, desk_at
from holdfast.console.words import duration, refusal, say
from holdfast.jobs.running import effect_key
from holdfast.jobs.store.stories import FAR, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.jobs.store.stories import Mark, Move, Result, Story

#: The moves whose detail begins with an execution, and how they read.
_BY_WORKER = {
    "claim": "claimed by",
    "complete": "completed by",
    "postpone": "failed at, to be tried again:",
    "bury": "failed for good at",
    "give_back": "given back by",
    "crash": "crashed with",
    "reclaim": "taken back from dead",
}
_BY_OTHERS = {
    "enqueue": "enqueued to {who}: {detail}",
    "promote": "came due in {who}, and went in line",
    "released": "put in line by the end of {who}",
    "requeue": "put in line again by a person: it was {detail}",
    "rescue": "found in no place, and put back: {detail}",
    "resolve": "a person settled a doubt: {detail}",
}


@click.command()
@click.argument("job_id", metavar="JOB", callback=as_text)
@at_url
def timeline(job_id: str, redis_url: str | None) -> None:
    """Tell what happened to JOB: its last sixteen moves, its results, its effects, and where it is now."""
    with desk_at(redis_url) as desk:
        story = tell(desk.redis, job_id)
    if story is None:
        raise refusal(no_job(job_id))
    say(f"{job_id}: {story.said('description') or 'no description'}")
    for line in events_of(story):
        say(line)
    say("now:")
    for line in now_of(story):
        say(f"  {line}")


def no_job(job_id: str) -> str:
    """Say that an id is nobody's, and why that may be."""
    return (
        f"there is no job {job_id} on this server. Look at the spelling and at --redis-url; a job that finished is "
        f"forgotten after its result_ttl, one that failed after its failure_ttl, and a dropped one at once."
    )


def events_of(story: Story) -> Iterator[str]:
    """Give the lines of the story, each with how long ago it was and how long after the first."""
    events: list[tuple[tuple[int, int, int], int | None, str]]
    events = [((move.at_ms, number, 0), move.at_ms, _move_text(move)) for number, move in enumerate(story.moves)]
    for result in story.results:
        at_ms, number = _settle_of(story, result)
        events.append(((at_ms, number, 2), result.at_ms, _result_text(result)))
    for mark in story.marks:
        at_ms, number = _claim_of(story, mark)
        events.append(((at_ms, number, 1), None, _mark_text(story, mark)))
    forgotten = int(story.said("hf_moves") or 0) - len(story.moves)
    if forgotten > 0:
        yield f"  (the first {forgotten} moves are no longer kept)"
    first_ms = min((order[0] for order, _, _ in events), default=story.now_ms)
    for _, when_ms, text in sorted(events, key=lambda event: event[0]):
        when = "" if when_ms is None else f"+{duration(when_ms - first_ms)}"
        ago = "" if when_ms is None else f"{duration(max(0, story.now_ms - when_ms))} ago"
        yield f"  {when:>9}  {ago:>11}  {text}"


def _claim_of(story: Story, mark: Mark) -> tuple[int, int]:
    """Tell when, and as which move, the attempt began that bears the marker's fence: a marker has no time itself."""
    for number, move in enumerate(story.moves):
        if move.move == "claim" and move.detail.endswith(f" {mark.fence}"):
            return move.at_ms, number
    return (story.moves[0].at_ms if story.moves else story.now_ms), -1


def _settle_of(story: Story, result: Result) -> tuple[int, int]:
    """Tell when, and as which move, an attempt ended with this result; that of a stock worker is no move of ours."""
    for number, move in reversed(list(enumerate(story.moves))):
        if move.move != "claim" and result.execution and move.detail.startswith(result.execution):
            return move.at_ms, number
    return result.at_ms, len(story.moves)


def _move_text(move: Move) -> str:
    if move.move in _BY_WORKER:
        execution, _, rest = move.detail.partition(" ")
        more = f"fence {rest}" if move.move == "claim" else rest
        return f"{_BY_WORKER[move.move]} {move.who} (execution {execution}{', ' if more else ''}{more})"
    if move.move in _BY_OTHERS:
        return _BY_OTHERS[move.move].format(who=move.who, detail=move.detail)
    return f"{move.move} {move.who} {move.detail}".rstrip()


def _result_text(result: Result) -> str:
    took = ""
    if result.begun_ms is not None and result.ended_ms is not None:
        took = f" after {duration(result.ended_ms - result.begun_ms)}"
    last = result.error.strip().rpartition("\n")[2]
    return f"  result: {result.kind}{took}{': ' if last else ''}{last}"


def _mark_text(story: Story, mark: Mark) -> str:
    if mark.state == "done":
        return f"  effect {mark.name}: done (fence {mark.fence})"
    if story.deadline_ms is not None:
        return f"  effect {mark.name}: begun (fence {mark.fence})"
    return f"  effect {mark.name}: in doubt (fence {mark.fence}, key {key_of(story, mark.name)})"


def key_of(story: Story, effect: str) -> str:
    """Give the idempotency key of an effect: by it the outside is asked what became of it."""
    return effect_key(story.job_id, story.said("hf_born"), story.said("hf_generation"), effect)


def now_of(story: Story) -> Iterator[str]:
    """Say where the job is, and what it waits for."""
    state, queue = story.said("status") or "no status", story.said("origin")
    cause = story.said("hf_dead")
    yield f"{state}{f' ({cause})' if cause else ''} in {queue}"
    if story.deadline_ms is not None:
        left_ms = story.deadline_ms - story.now_ms
        until = f"for {duration(left_ms)} more" if left_ms > 0 else f"until {duration(-left_ms)} ago: a reaper is due"
        yield f"leased to {story.said('worker_name')} {until}"
        yield f"execution {story.said('hf_lease')}, fence {story.said('hf_fence')}"
    elif state == "started":
        yield "no lease of ours: run by a stock worker, or left by one that died"
    if story.place is not None:
        yield f"in line, {story.place} ahead of it"
    elif state == "queued" and story.deadline_ms is None:
        yield _where_it_waits(story, queue)
    if story.due_ms is not None:
        wait_ms = story.due_ms - story.now_ms
        yield f"due in {duration(wait_ms)}" if wait_ms > 0 else f"due since {duration(-wait_ms)}: the promoter is next"
    for parent, status in story.waits_for.items():
        yield f"waits for {parent}: {status}" if status != "finished" else f"waited for {parent}: finished"
    if story.doubts and story.has_ended:
        how = command("dead", "resolve", story.job_id, "EFFECT")
        yield f"in doubt: {', '.join(story.doubts)}: find out, then `{how}`"
    elif story.doubts:
        yield f"in doubt: {', '.join(story.doubts)}: the next attempt settles it by its on_doubt=, or stops"


def _where_it_waits(story: Story, queue: str) -> str:
    if story.in_line > FAR:
        return f"not among the first {FAR:,} of {story.in_line:,} in line in {queue}"
    return f"in no line: not among the {story.in_line:,} in {queue}. The orphans chore of any worker restores it"
