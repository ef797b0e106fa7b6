"""`holdfast dead`: see what failed for good, put it in line again, delete it, settle its doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from holdfast.console.server import at_url, desk_at
from holdfast.console.timeline import events_of, key_of, no_job
from holdfast.console.words import duration, show_table
from holdfast.jobs.rq_surface import resolve_serializer
from holdfast.jobs.store import keys
from holdfast.jobs.store.looks import queue_names
from holdfast.jobs.store.outcomes import Dropped, Kept, Requeued, Resolved
from holdfast.jobs.store.people import People, Wish
from holdfast.jobs.store.records import spell_serializer
from holdfast.jobs.store.stories import count_failed, decode_call, queues_with_failures, read_dead, tell, why_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.console.server import Desk
    from holdfast.jobs.store.stories import Dead, Story

#: How many jobs one round trip asks for.
_BATCH = 100
_HEADINGS = ("job", "queue", "what", "cause", "ended", "failures", "crashes", "in doubt")


def _imported(_: click.Context, __: click.Parameter, name: str | None) -> Any:
    try:
        return resolve_serializer(name)
    except (AttributeError, ImportError, NotImplementedError, ValueError) as error:
        raise click.ClickException(
            f"the serializer {name} cannot be had here: {str(error).rstrip('.')}. Name it as you do for rq worker, "
            f"where its code can be imported (PYTHONPATH)."
        ) from error


_serializer = click.option(
    "--serializer", "-S", callback=_imported, help="The one your workers use, if it is not RQ's default."
)
_even_in_doubt = click.option(
    "--even-in-doubt", is_flag=True, help="The jobs' own code settles doubts: on_doubt= asks the outside."
)


@click.group()
def dead() -> None:
    """See and settle jobs that failed for good, under Holdfast or under stock RQ, or that a person stopped."""


@dead.command("list")
@click.argument("queue", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Rows for each queue.")
@at_url
def list_(queue: str | None, limit: int, redis_url: str | None) -> None:
    """List the dead of QUEUE, or of every queue, the last first."""
    with desk_at(redis_url) as desk:
        if queue:
            _check_known(desk, queue)
        names = [queue] if queue else queues_with_failures(desk.redis)
        now_ms = int(desk.wall_s() * 1000)
        pages = [read_dead(desk.redis, name, most=limit, newest=True) for name in names]
        counts = [count_failed(desk.redis, name) for name in names]
    rows = [_row(each, now_ms) for page in pages for each in page.dead]
    if rows:
        show_table(_HEADINGS, rows)
    for name, page, count in zip(names, pages, counts, strict=True):
        if len(page.ids) < count:
            click.echo(f"{name}: {count - len(page.ids)} more of {count}; --limit shows them.")
    if not rows:
        click.echo(f"nothing is dead in {queue or 'any queue'}.")


def _check_known(desk: Desk, queue: str) -> None:
    """Refuse a name that is no queue's: nothing is dead in one that is misspelled."""
    found: Any = (desk.redis.smembers(keys.queues()), desk.redis.smembers(keys.leased()))
    known = queue_names(*found)
    if queue not in known and not count_failed(desk.redis, queue):
        raise click.ClickException(
            f"there is no queue {queue} on this server; the ones there are: {', '.join(known) or 'none'}. Look at the "
            f"spelling and at --redis-url."
        )


def _row(each: Dead, now_ms: int) -> tuple[str, ...]:
    ended = "-" if each.ended_ms is None else f"{duration(max(0, now_ms - each.ended_ms))} ago"
    doubts = ", ".join(each.doubts) or "-"
    return (each.job_id, each.queue, each.what, each.cause, ended, str(each.failures), str(each.crashes), doubts)


@dead.command()
@click.argument("job_id", metavar="JOB")
@_serializer
@at_url
def show(job_id: str, serializer: Any, redis_url: str | None) -> None:
    """Show all that is on record of JOB: the call, the cause, the error, the effects, the moves."""
    with desk_at(redis_url) as desk:
        story = tell(desk.redis, job_id)
    if story is None:
        raise click.ClickException(no_job(job_id))
    for name, value in _facts(story, serializer):
        click.echo(f"{name + ':':<12} {value}")
    error = next((result.error for result in reversed(story.results) if result.error), "") or story.said("hf_error")
    if error:
        click.echo("error:")
        click.echo("\n".join(f"  {line}" for line in error.rstrip().splitlines()))
    click.echo("moves:")
    for line in events_of(story):
        click.echo(line)
    for name in story.doubts:
        click.echo(_how_to_resolve(job_id, name, f"ask the outside by its key {key_of(story, name)}"))


def _facts(story: Story, serializer: Any) -> Iterator[tuple[str, str]]:
    yield "job", story.job_id
    yield "what", story.said("description")
    call = decode_call(story.record, serializer)
    yield "function", call[0] if call else "cannot be read here: try --serializer"
    if call:
        yield "arguments", ", ".join([*map(repr, call[1]), *(f"{name}={value!r}" for name, value in call[2].items())])
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


@dead.command()
@click.argument("job_ids", metavar="JOB...", nargs=-1)
@click.option("--all", "queue", metavar="QUEUE", help="All that is dead in QUEUE, but for what a person stopped.")
@_even_in_doubt
@at_url
def requeue(job_ids: tuple[str, ...], queue: str | None, *, even_in_doubt: bool, redis_url: str | None) -> None:
    """Put each JOB in line again: both budgets new, its effects remembered."""
    if bool(job_ids) == bool(queue):
        raise click.UsageError("name jobs, or --all QUEUE.")
    with desk_at(redis_url) as desk:
        asks = Requeues(desk, even_in_doubt=even_in_doubt)
        if queue:
            _check_known(desk, queue)
            left = _requeue_all(desk, asks, queue)
        else:
            left = asks.ask(job_ids)
            for line in asks.told:
                click.echo(line)
    for kept in left:
        click.echo(_why(kept), err=True)
    if left:
        raise click.ClickException(f"{asks.count} in line again, {len(left)} left as they were.")
    click.echo(f"{asks.count} in line again.")


class Requeues:
    """Asks for requeues, batch by batch, and counts."""

    def __init__(self, desk: Desk, *, even_in_doubt: bool) -> None:
        self._desk = desk
        self._people = People(desk.scripts)
        self._even_in_doubt = even_in_doubt
        self.count = 0
        self.told: list[str] = []

    def ask(self, job_ids: Sequence[str]) -> list[Kept]:
        """Ask for these, and give those that were left as they were."""
        left = []
        for start in range(0, len(job_ids), _BATCH):
            wishes = [Wish(job_id=job_id, op=self._desk.new_op()) for job_id in job_ids[start : start + _BATCH]]
            for answer in self._desk.send(lambda wishes=wishes: self._send(wishes)):  # type: ignore[misc]
                match answer:
                    case Requeued(job_id, queue):
                        self.count += 1
                        self.told.append(f"{job_id}: in line in {queue}")
                    case kept:
                        left.append(kept)
        return left

    def _send(self, wishes: list[Wish]) -> list[Requeued | Kept]:
        return self._people.requeue(wishes, asked_s=self._desk.wall_s(), even_in_doubt=self._even_in_doubt)


def _requeue_all(desk: Desk, asks: Requeues, queue: str) -> list[Kept]:
    """Requeue as many as are dead now, each once. Others fail meanwhile, and the same again: this must end."""
    total = count_failed(desk.redis, queue)
    seen: set[str] = set()
    left: list[Kept] = []
    # What stays among the dead stands in front of what is still to be read.
    stay = 0
    while len(seen) < total:
        page = read_dead(desk.redis, queue, start=stay, most=min(_BATCH, total - len(seen)))
        if not page.ids:
            break
        new = {job_id for job_id in page.ids if job_id not in seen}
        seen |= new
        before = asks.count
        left += asks.ask([each.job_id for each in page.dead if each.cause != "stopped" and each.job_id in new])
        stay += len(page.ids) - (asks.count - before)
        click.echo(f"{asks.count} of {total} in line again", err=True)
    return left


@dead.command()
@click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@at_url
def drop(job_ids: tuple[str, ...], *, yes: bool, redis_url: str | None) -> None:
    """Delete each JOB for good, with its results and what is known of its effects."""
    if not yes:
        click.confirm(f"Delete {', '.join(job_ids)} for good?", abort=True)
    left = 0
    with desk_at(redis_url) as desk:
        people = People(desk.scripts)
        wishes = [Wish(job_id=job_id, op=desk.new_op()) for job_id in job_ids]
        for answer in desk.send(lambda: people.drop(wishes)):
            match answer:
                case Dropped(job_id, waiting):
                    click.echo(f"{job_id}: deleted")
                    for child in waiting:
                        click.echo(f"  {child} waited for it, and never starts now: enqueue it again, or cancel it")
                case kept:
                    left += 1
                    click.echo(_why(kept), err=True)
    if left:
        raise click.ClickException(f"{len(wishes) - left} deleted, {left} left as they were.")


def _why(kept: Kept) -> str:
    match kept.why:
        case "none":
            return no_job(kept.job_id)
        case "running":
            return (
                f"{kept.job_id} is being worked on: wait until it is not. "
                f"`holdfast timeline {kept.job_id}` says by whom."
            )
        case "in_doubt":
            how = f"`holdfast dead show {kept.job_id}` tells its key, to ask the outside by"
            lines = [_how_to_resolve(kept.job_id, name, how) for name in kept.details]
            return "\n".join([*lines, "  If its code settles that itself by on_doubt=: add --even-in-doubt."])
        case _:
            return f"{kept.job_id} is {kept.details[0]}: only what failed, or was stopped or canceled, can be taken."


def _how_to_resolve(job_id: str, name: str, how: str) -> str:
    return (
        f"{job_id}: effect {name} is in doubt: it may or may not have taken place. Find out ({how}), then: "
        f"holdfast dead resolve {job_id} {name} --happened, or --did-not-happen"
    )


@dead.command()
@click.argument("job_id", metavar="JOB")
@click.argument("effect")
@click.option("--happened/--did-not-happen", required=True, help="What you found out.")
@click.option("--value", help="What came of it, as text, for the job's own code.")
@_serializer
@at_url
def resolve(
    job_id: str, effect: str, happened: bool, value: str | None, serializer: Any, redis_url: str | None
) -> None:
    """Settle the doubt about an EFFECT of JOB, so that it can be requeued."""
    if value is not None and not happened:
        raise click.UsageError("--value says what came of it: it goes with --happened only.")
    data = b"" if value is None else serializer.dumps(value)
    with desk_at(redis_url) as desk:
        found = tell(desk.redis, job_id)
        if not found:
            raise click.ClickException(no_job(job_id))
        if value is not None and (why := why_foreign(found.record, serializer)):
            # It would be written so that the job's own code cannot read it, and a doubt is settled once.
            raise click.ClickException(_not_theirs(job_id, serializer, why))
        people, wish = People(desk.scripts), Wish(job_id=job_id, op=desk.new_op())
        answer = desk.send(lambda: people.resolve_effect(wish, effect, happened=happened, value=data))
        story = tell(desk.redis, job_id)
    match answer:
        case Resolved():
            click.echo(f"resolved: {effect} of {job_id} {'happened' if happened else 'did not happen'}.")
            if story and story.has_ended:
                click.echo(f"Put the job in line again with: holdfast dead requeue {job_id}")
        case Kept(why="running"):
            raise click.ClickException(f"job {job_id} is being worked on. Wait until it is not, then ask again.")
        case _:
            raise click.ClickException(_no_doubt(story, effect) if story else no_job(job_id))


def _not_theirs(job_id: str, serializer: Any, why: str) -> str:
    which = "RQ's default serializer" if serializer is resolve_serializer() else spell_serializer(serializer)
    return (
        f"the data of job {job_id} cannot be read with {which} ({why}): name your workers' with -S. Nothing is written."
    )


def _no_doubt(story: Story, effect: str) -> str:
    is_done = any(mark.name == effect and mark.state == "done" for mark in story.marks)
    others = f"In doubt: {', '.join(story.doubts)}." if story.doubts else "None of its effects is."
    return f"job {story.job_id} has no effect {effect!r} in doubt{' (it is done)' if is_done else ''}. {others}"
