"""`holdfast dead`: see what failed for good, put it in line again, delete it, settle its doubts."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from holdfast.console.server import as_text, at_url, by_serializer, check_known, desk_at
from holdfast.console.timeline import events_of, key_of, no_job
from holdfast.console.wishes import drop, how_to_resolve, requeue, resolve
from holdfast.console.words import duration, refusal, say, show_table
from holdfast.jobs.store.failed import queues_with_failures, read_newest
from holdfast.jobs.store.stories import decode_call, function_of, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.jobs.store.failed import Dead, Newest
    from holdfast.jobs.store.stories import Story

#: How many rows one may ask for.
_MOST = 10_000
_HEADINGS = ("job", "queue", "what", "cause", "ended", "failures", "crashes", "in doubt")


@click.group()
def dead() -> None:
    """See and settle jobs that failed for good, under Holdfast or under stock RQ, or that a person stopped."""


for command in (requeue, drop, resolve):
    dead.add_command(command)


@dead.command("list")
@click.argument("queue", required=False, callback=as_text)
@click.option("--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, help="Rows for each queue.")
@at_url
def list_(queue: str | None, limit: int, redis_url: str | None) -> None:
    """List the dead of QUEUE, or of every queue, the last to end first."""
    with desk_at(redis_url) as desk:
        if queue:
            check_known(desk, queue)
        names = [queue] if queue else queues_with_failures(desk.redis)
        pages = {name: read_newest(desk.redis, name, most=limit) for name in names}
    rows = [_row(each, page.now_ms) for page in pages.values() for each in page.dead]
    if rows:
        show_table(_HEADINGS, rows)
    for name, page in pages.items():
        if page.error:
            say(f"{name}: {page.error}")
        if len(page.ids) < page.count:
            say(_how_many_more(name, page))
    if not rows and not any(page.error for page in pages.values()):
        say(f"nothing is dead in {queue or 'any queue'}.")


def _how_many_more(queue: str, page: Newest) -> str:
    shows = "--limit shows them" if page.count <= _MOST else f"--limit shows {_MOST} at the most"
    # RQ keeps them by when they are forgotten, and to look for the last to end among all could take minutes.
    among = f" These are the last of the {page.looked_at} that are kept longest." if page.looked_at < page.count else ""
    return f"{queue}: {page.count - len(page.ids)} more of {page.count}; {shows}.{among}"


def _row(each: Dead, now_ms: int) -> tuple[str, ...]:
    ended = "-" if each.ended_ms is None else f"{duration(max(0, now_ms - each.ended_ms))} ago"
    doubts = ", ".join(each.doubts) or "-"
    return (each.job_id, each.queue, each.what, each.cause, ended, str(each.failures), str(each.crashes), doubts)


@dead.command()
@click.argument("job_id", metavar="JOB", callback=as_text)
@click.option("--arguments", is_flag=True, help="Read them: unpickling runs what the producer wrote, on this machine.")
@by_serializer
@at_url
def show(job_id: str, *, arguments: bool, serializer: Any, redis_url: str | None) -> None:
    """Show what is on record of JOB: the call, the cause, the error, the effects, the moves."""
    with desk_at(redis_url) as desk:
        story = tell(desk.redis, job_id)
    if story is None:
        raise refusal(no_job(job_id))
    facts = _facts(story)
    if arguments:
        facts = chain(facts, [("arguments", _arguments(story, serializer))])
    for name, value in facts:
        say(f"{name + ':':<12} {value}")
    error = next((result.error for result in reversed(story.results) if result.error), "") or story.said("hf_error")
    if error:
        say("error:")
        for line in error.rstrip().split("\n"):
            say(f"  {line.expandtabs()}")
    say("moves:")
    for line in events_of(story):
        say(line)
    for name in story.doubts:
        say(how_to_resolve(job_id, name, f"ask the outside by its key {key_of(story, name)}"))


def _arguments(story: Story, serializer: Any) -> str:
    try:
        _, args, kwargs = decode_call(story.record, serializer)
    except Exception as error:  # noqa: BLE001 - a serializer may raise anything
        why = f"{type(error).__name__}: {error}".rstrip(".")
        return f"cannot be read here: {why}. Name their code's folder in PYTHONPATH, your workers' serializer by -S."
    return ", ".join([*map(_shown, args), *(f"{name}={_shown(value)}" for name, value in kwargs.items())])


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - an app's __repr__ may raise anything
        return f"<{type(value).__name__}, whose repr() raised {type(error).__name__}>"


def _facts(story: Story) -> Iterator[tuple[str, str]]:
    yield "job", story.job_id
    yield "what", story.said("description")
    if function := function_of(story.record):
        yield "function", function
    yield "status", f"{story.said('status')} in {story.said('origin')}"
    fields = (
        *(("cause", "hf_dead"), ("ended at", "ended_at"), ("last crash", "hf_last_crash")),
        *(
            ("executions", "hf_executions"),
            ("failures", "hf_failures"),
            ("crashes", "hf_crashes"),
            ("fence", "hf_fence"),
        ),
    )
    for name, field in fields:
        if value := story.said(field):
            yield name, value
    if story.has_ended and not story.said("hf_dead") and story.said("status") != "canceled":
        yield "cause", "none of ours: it was ended by stock RQ"
    for mark in story.marks:
        state = "in doubt" if mark.name in story.doubts else mark.state
        yield "effect", f"{mark.name}: {state} (fence {mark.fence}, key {key_of(story, mark.name)})"
