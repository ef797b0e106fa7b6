"""`holdfast status`: the whole fleet at a glance, and what in it needs a person."""

from __future__ import annotations

import json
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING

import click

from holdfast.console.server import at_url, desk_at
from holdfast.console.words import duration, say, show_table
from holdfast.jobs.store import keys
from holdfast.jobs.store.door import address_of, what_is_evicted
from holdfast.jobs.store.looks import look_at_fleet
from holdfast.recovery.keeper import intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.jobs.settings import Settings
    from holdfast.jobs.store.looks import ChoreLook, Fleet, QueueLook, ServerLook, WorkerLook

_QUEUE = ("queue", "in line", "leased", "at stock", "scheduled", "deferred", "failed", "canceled", "finished")
#: The server refuses writes from its maxmemory on, and when it is asked then, what asked before has freed a little.
_FULL = 0.99
_WORKER = ("worker", "state", "job", "heard", "kind", "queues", "host", "pid", "rq")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in ms.")
@at_url
def status(*, as_json: bool, redis_url: str | None) -> None:
    """Show queues, workers, chores and the server, and what needs you."""
    with desk_at(redis_url) as desk:
        settings = desk.settings
        fleet = look_at_fleet(desk.redis, every_ms=intervals(settings))
        address = address_of(desk.redis)
    needs = list(what_needs_you(fleet, settings))
    if as_json:
        click.echo(json.dumps({**asdict(fleet), "needs_you": needs}))
        return
    say(f"server: {address}, {_server(fleet.server)}")
    click.echo()
    _show_all(fleet)
    for need in needs:
        say(f"! {need}")


def _show_all(fleet: Fleet) -> None:
    show_table(_QUEUE, [_queue_row(queue, fleet) for queue in fleet.queues])
    click.echo()
    show_table(_WORKER, [_worker_row(worker) for worker in fleet.workers])
    click.echo()
    for chore in fleet.chores:
        say(_chore_line(chore, fleet.now_ms))
    say("suspended: yes, nobody claims" if fleet.is_suspended else "suspended: no")


def _server(server: ServerLook) -> str:
    most = f" of {_megabytes(server.memory_most_bytes)}" if server.memory_most_bytes else ""
    return f"{server.version}, {_megabytes(server.memory_bytes)}{most}, maxmemory-policy {server.maxmemory_policy}"


def _queue_row(queue: QueueLook, fleet: Fleet) -> tuple[str, ...]:
    causes = ", ".join(f"{cause} {count}" for cause, count in queue.causes.items())
    among = f"; of {queue.causes_read}" if queue.causes_read < queue.failed else ""
    cells = (
        (keys.queue, str(queue.in_line)),
        (keys.leases, _with(queue.leased, _deadline(queue, fleet.now_ms))),
        (keys.wip, str(queue.at_stock)),
        (keys.scheduled, _with(queue.scheduled, f"{queue.due} due" if queue.due else "")),
        (keys.deferred, str(queue.deferred)),
        (keys.failed, _with(queue.failed, causes + among if causes else "")),
        (keys.canceled, str(queue.canceled)),
        (keys.finished, str(queue.finished)),
    )
    told = ("not readable" if key(queue.name) in fleet.unreadable else cell for key, cell in cells)
    return (queue.name, *told)


def _deadline(queue: QueueLook, now_ms: int) -> str:
    if queue.first_deadline_ms is None:
        return ""
    left_ms = queue.first_deadline_ms - now_ms
    if left_ms < 0:
        return f"{queue.overdue} overdue, by up to {duration(-left_ms)}"
    return f"the first for {duration(left_ms)} more"


def _with(count: int, remark: str) -> str:
    return f"{count} ({remark})" if remark else str(count)


def _worker_row(worker: WorkerLook) -> tuple[str, ...]:
    heard = "never" if worker.silent_ms is None else f"{duration(worker.silent_ms)} ago"
    kind = "holdfast" if worker.is_ours else "stock RQ"
    job = worker.job_id or "-"
    queues = ",".join(worker.queues)
    return (worker.name, worker.state, job, heard, kind, queues, worker.host, str(worker.pid), worker.version)


def _chore_line(chore: ChoreLook, now_ms: int) -> str:
    if chore.due_ms is None:
        return f"{chore.name}: never passed"
    last = "" if chore.last_ms is None else f"passed {duration(max(0, now_ms - chore.last_ms))} ago, "
    wait_ms = chore.due_ms - now_ms
    return f"{chore.name}: {last}" + (
        f"due in {duration(wait_ms)}" if wait_ms > 0 else f"due since {duration(-wait_ms)}"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB"


def what_needs_you(fleet: Fleet, settings: Settings) -> Iterator[str]:
    """Say what will not mend by itself, each with what to do. Nothing for a fleet that is well."""
    if fleet.server.refuses_writes:  # before the workers and chores, which wait for that
        yield f"the server refuses writes, and nobody claims or repairs: {fleet.server.refuses_writes}."
    if fleet.is_suspended:
        yield "the fleet is suspended: jobs wait. `rq resume` lets workers claim again."
    if lost := what_is_evicted(fleet.server.maxmemory_policy, fleet.server.memory_most_bytes):
        yield lost
    yield from _lack_of_memory(fleet.server)
    reaper = next(chore for chore in fleet.chores if chore.name == "reaper")
    if reaper.last_ms is None or fleet.now_ms - reaper.last_ms > settings.late_reaper_ms:
        seen = "never passed" if reaper.last_ms is None else f"passed {duration(fleet.now_ms - reaper.last_ms)} ago"
        yield f"the reaper {seen}: nobody repairs. Start a worker of Holdfast's, or `holdfast keeper`."
    alive = [worker for worker in fleet.workers if not worker.is_ours or (worker.silent_ms or 0) <= settings.lease_ms]
    served = {queue for worker in alive for queue in worker.queues}
    for queue in fleet.queues:
        if queue.in_line and queue.name not in served:
            jobs = "1 job is" if queue.in_line == 1 else f"{queue.in_line} jobs are"
            yield (
                f"{jobs} in line in {queue.name}, and no living worker listens there. Start one: "
                f"`rq worker -w holdfast.workers.Worker {quote(queue.name)}`."
            )
    for key in fleet.unreadable:
        yield (f"{key} is not readable: Redis says WRONGTYPE. Look what it is: `redis-cli type {quote(key)}`.")
    yield from _workers_in_need(fleet.workers, alive)


def _workers_in_need(workers: Sequence[WorkerLook], alive: Sequence[WorkerLook]) -> Iterator[str]:
    for worker in workers:
        if worker not in alive:
            silent = duration(worker.silent_ms or 0)
            yield f"worker {worker.name} on {worker.host} is silent for {silent}: look whether it lives."
        elif worker.false_starts:
            count = worker.false_starts
            yield f"worker {worker.name}: {count} horses in a row ended before they began a job. Its log says why."


def _lack_of_memory(server: ServerLook) -> Iterator[str]:
    if server.memory_most_bytes and server.memory_bytes >= _FULL * server.memory_most_bytes:
        used, most = _megabytes(server.memory_bytes), _megabytes(server.memory_most_bytes)
        yield (
            f"the server's memory is full, {used} of {most}: it takes in no job and gives none out. Raise its "
            f"maxmemory, or have less kept there: a shorter result_ttl and failure_ttl, `holdfast dead drop`."
        )
