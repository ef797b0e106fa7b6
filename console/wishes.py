"""What a person does to the dead: `holdfast dead requeue`, `drop` and `resolve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from holdfast.console.server import as_text, at_url, by_serializer, check_known, command, desk_at
from holdfast.console.timeline import key_of, no_job
from holdfast.console.words import refusal, say, visible
from holdfast.jobs.rq_surface import resolve_serializer
from holdfast.jobs.store.door import address_of
from holdfast.jobs.store.failed import count_failed, read_dead, read_named
from holdfast.jobs.store.outcomes import Dropped, Kept, Requeued, Resolved
from holdfast.jobs.store.people import People, Wish
from holdfast.jobs.store.records import spell_serializer
from holdfast.jobs.store.stories import tell, why_foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.console.server import Desk
    from holdfast.jobs.store.failed import Dead
    from holdfast.jobs.store.stories import Story

#: How many jobs one round trip asks for.
_BATCH = 100

_even_in_doubt = click.option(
    "--even-in-doubt", is_flag=True, help="The jobs' own code settles doubts: on_doubt= asks the outside."
)


@click.command()
@click.argument("job_ids", metavar="JOB...", callback=as_text, nargs=-1)
@click.option(
    "--all",
    "queue",
    metavar="QUEUE",
    callback=as_text,
    help="All that is dead in QUEUE, but for what a person stopped.",
)
@_even_in_doubt
@at_url
def requeue(job_ids: tuple[str, ...], queue: str | None, *, even_in_doubt: bool, redis_url: str | None) -> None:
    """Put each JOB in line again: both budgets new, its effects remembered."""
    if bool(job_ids) == bool(queue):
        raise click.UsageError("name jobs, or --all QUEUE.")
    with desk_at(redis_url) as desk:
        asks = Requeues(desk, even_in_doubt=even_in_doubt)
        if queue:
            check_known(desk, queue)
            left = _requeue_all(desk, asks, queue)
        else:
            left = asks.ask(job_ids)
            for line in asks.told:
                say(line)
    for kept in left:
        _say_why(kept)
    if left:
        raise refusal(f"{asks.count} in line again, {len(left)} left as they were.")
    say(f"{asks.count} in line again.")


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
        say(f"{asks.count} of {total} in line again", err=True)
    return left


@click.command()
@click.argument("job_ids", metavar="JOB...", callback=as_text, nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--even-in-doubt", is_flag=True, help="Also those with an effect in doubt: its key is forgotten, too.")
@at_url
def drop(job_ids: tuple[str, ...], *, yes: bool, even_in_doubt: bool, redis_url: str | None) -> None:
    """Delete each JOB for good, with its results and what is known of its effects.

    One with an effect in doubt is left, and the effect named. That is looked at once, before you are asked.
    """
    with desk_at(redis_url) as desk:
        found = read_named(desk.redis, job_ids)
        doubtful = [] if even_in_doubt else [job_id for job_id in job_ids if job_id in found and found[job_id].doubts]
        for job_id in doubtful:
            _say_doubts(desk, job_id)
        wishes = [Wish(job_id=job_id, op=desk.new_op()) for job_id in job_ids if job_id not in doubtful]
        if wishes and not yes:
            what = ", ".join(_with_cause(wish.job_id, found.get(wish.job_id)) for wish in wishes)
            click.confirm(visible(f"Delete for good at {address_of(desk.redis)}: {what}?"), abort=True)
        left = len(doubtful)
        people = People(desk.scripts)
        for answer in desk.send(lambda: people.drop(wishes)) if wishes else ():
            match answer:
                case Dropped(job_id, waiting):
                    say(f"{job_id}: deleted")
                    for child in waiting:
                        say(f"  {child} waited for it, and never starts now: enqueue it again, or cancel it")
                case kept:
                    left += 1
                    _say_why(kept)
    if left:
        raise refusal(f"{len(job_ids) - left} deleted, {left} left as they were.")


def _with_cause(job_id: str, found: Dead | None) -> str:
    if found is None:
        return job_id
    return f"{job_id} ({', '.join([found.cause, *(f'{name} in doubt' for name in found.doubts)])})"


def _say_doubts(desk: Desk, job_id: str) -> None:
    if not (story := tell(desk.redis, job_id)):
        return
    for name in story.doubts:
        say(how_to_resolve(job_id, name, f"ask the outside by its key {key_of(story, name)}"), err=True)
    say("  Who deletes it deletes that key. To do so all the same: add --even-in-doubt.", err=True)


def _say_why(kept: Kept) -> None:
    for line in _why(kept):
        say(line, err=True)


def _why(kept: Kept) -> list[str]:
    match kept.why:
        case "none":
            return [no_job(kept.job_id)]
        case "running":
            by_whom = f"`{command('timeline', kept.job_id)}` says by whom."
            return [f"{kept.job_id} is being worked on: wait until it is not. {by_whom}"]
        case "in_doubt":
            how = f"`{command('dead', 'show', kept.job_id)}` tells its key, to ask the outside by"
            lines = [how_to_resolve(kept.job_id, name, how) for name in kept.details]
            return [*lines, "  If its code settles that itself by on_doubt=: add --even-in-doubt."]
        case "error":
            return [_odd(kept)]
        case _:
            return [f"{kept.job_id} is {kept.details[0]}: only what failed, or was stopped or canceled, can be taken."]


def _odd(kept: Kept) -> str:
    return (
        f"{kept.job_id}: Redis answered with an error: {kept.details[0]}. The other jobs are not touched by that: "
        f"look at the keys of this one."
    )


def how_to_resolve(job_id: str, name: str, how: str) -> str:
    return (
        f"{job_id}: effect {name} is in doubt: it may or may not have taken place. Find out ({how}), then: "
        f"{command('dead', 'resolve', job_id, name)} --happened, or --did-not-happen"
    )


@click.command()
@click.argument("job_id", metavar="JOB", callback=as_text)
@click.argument("effect", callback=as_text)
@click.option("--happened/--did-not-happen", default=None, help="What you found out.")
@click.option("--value", help="What came of it, as text, for the job's own code.")
@by_serializer
@at_url
def resolve(
    job_id: str, effect: str, happened: bool | None, value: str | None, serializer: Any, redis_url: str | None
) -> None:
    """Settle the doubt about an EFFECT of JOB, so that it can be requeued."""
    if happened is None:
        # Click would name one of the two, and who types what it names may mark a charge as done.
        raise click.UsageError(
            "say what you found out, --happened or --did-not-happen. Nothing is written until you know."
        )
    if value is not None and not happened:
        raise click.UsageError("--value says what came of it: it goes with --happened only.")
    data = b"" if value is None else serializer.dumps(value)
    with desk_at(redis_url) as desk:
        found = tell(desk.redis, job_id)
        if not found:
            raise refusal(no_job(job_id))
        if value is not None and (why := why_foreign(found.record, serializer)):
            # It would be written so that the job's own code cannot read it, and a doubt is settled once.
            raise refusal(_not_theirs(job_id, serializer, why))
        people, wish = People(desk.scripts), Wish(job_id=job_id, op=desk.new_op())
        answer = desk.send(lambda: people.resolve_effect(wish, effect, happened=happened, value=data))
        story = tell(desk.redis, job_id)
    match answer:
        case Resolved():
            say(f"resolved: {effect} of {job_id} {'happened' if happened else 'did not happen'}.")
            if story and story.has_ended:
                say(f"Put the job in line again with: {command('dead', 'requeue', job_id)}")
        case Kept(why="running"):
            raise refusal(f"job {job_id} is being worked on. Wait until it is not, then ask again.")
        case Kept(why="error") as kept:
            raise refusal(_odd(kept))
        case _:
            raise refusal(_no_doubt(story, effect) if story else no_job(job_id))


def _not_theirs(job_id: str, serializer: Any, why: str) -> str:
    which = "RQ's default serializer" if serializer is resolve_serializer() else spell_serializer(serializer)
    return (
        f"the data of job {job_id} cannot be read with {which} ({why}): name your workers' with -S. Nothing is written."
    )


def _no_doubt(story: Story, effect: str) -> str:
    is_done = any(mark.name == effect and mark.state == "done" for mark in story.marks)
    others = f"In doubt: {', '.join(story.doubts)}." if story.doubts else "None of its effects is."
    return f"job {story.job_id} has no effect {effect!r} in doubt{' (it is done)' if is_done else ''}. {others}"
