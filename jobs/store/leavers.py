"""Takes what is gone out of RQ's lists: dead workers, members of groups whose jobs are forgotten, and empty groups.

RQ has functions for this, which ask for a whole list in one transaction: a hundred thousand dead workers would hold the
server for most of a second, and the worker that asks as long from its leases. Here it is a page at a time.

It is no chore of the keeper's. That one would do a step before a worker's first job, and the others between its jobs:
where each worker lives for one job, all of them would take the fleet's turn, and none would get to the end. So a worker
first goes as far as it can, at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import WatchError

from holdfast.jobs.store import keys
from holdfast.jobs.store.answers import server_ms
from holdfast.jobs.store.oddities import ask_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

#: As often as RQ's workers do it.
EVERY_MS = 600_000
#: How many entries of a list one step looks at.
_PAGE = 500
#: How many groups one step looks at beside each other, since most are small, and how many jobs of each.
_LISTS = 20
_MEMBERS = 100

_WORKERS_OF = keys.workers_of("").encode()
_QUEUE = keys.queue("").encode()
_GROUP = keys.group("").encode()
_JOB = keys.job("").encode()


def take_out(redis: Redis) -> Iterator[None]:
    """Go through all lists, if it is the fleet's time for it; each step is up to three round trips of quick commands.

    Names are bytes here: one that is no text must not keep the others in.
    """
    # redis-py's types know nothing of decode_responses.
    server: Any = redis
    if not _is_due(server):
        return
    yield
    names = sorted(key.removeprefix(_QUEUE) for key in server.smembers(keys.queues()))
    yield
    for key in (keys.workers().encode(), *(_WORKERS_OF + name for name in names)):
        yield from _go_through(server, [key], _PAGE, lambda entry: entry)
    groups = keys.groups().encode()
    for found in _pages(server, [groups], _PAGE):
        yield
        yield from _go_through(server, [_GROUP + name for _, name in found], _MEMBERS, lambda job_id: _JOB + job_id)
    yield from _go_through(server, [groups], _PAGE, lambda name: _GROUP + name)


def _is_due(server: Any) -> bool:
    """Take the fleet's turn, if it is due. Where two take it at once they find less to do, and do no harm."""
    with server.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.get(keys.turn("leavers"))
        told, due = pipe.execute()
    now_ms = server_ms(told)
    # Further off than the interval: the server's clock went back, and nothing may wait for it to catch up.
    if 0 < int(due or 0) - now_ms <= EVERY_MS:
        return False
    server.set(keys.turn("leavers"), now_ms + EVERY_MS)
    return True


def _go_through(server: Any, lists: Sequence[bytes], count: int, record_of: Callable[[bytes], bytes]) -> Iterator[None]:
    """Take out of these lists whatever has no record."""
    for found in _pages(server, lists, count):
        yield
        yield from _take_out_gone(server, found, record_of)


def _pages(server: Any, lists: Sequence[bytes], count: int) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    """Give page after page of what is in these lists: (list, entry). A server gives all of a small one at once."""
    cursors = dict.fromkeys(lists, 0)
    while cursors:
        some = list(cursors)[:_LISTS]
        with server.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.sscan(key, cursors[key], count=count)
            # What is no list has no entries.
            pages = [page or (0, ()) for page in ask_all(pipe)]
        for key, (cursor, _) in zip(some, pages, strict=True):
            del cursors[key]
            if cursor:
                cursors[key] = cursor
        yield [(key, entry) for key, (_, entries) in zip(some, pages, strict=True) for entry in entries]


def _take_out_gone(
    server: Any, listed: Sequence[tuple[bytes, bytes]], record_of: Callable[[bytes], bytes]
) -> Iterator[None]:
    with server.pipeline(transaction=False) as pipe:
        for _, entry in listed:
            pipe.exists(record_of(entry))
        gone = [each for each, is_there in zip(listed, pipe.execute(), strict=True) if not is_there]
    yield
    if not gone:
        return
    records = [record_of(entry) for _, entry in gone]
    with server.pipeline() as pipe:
        # A worker that takes its old name again, or a job its id, in this very moment must stay listed.
        pipe.watch(*records)
        if pipe.exists(*records):
            return
        pipe.multi()
        for key in dict.fromkeys(key for key, _ in gone):
            pipe.srem(key, *(entry for of, entry in gone if of == key))
        try:
            pipe.execute()
        except WatchError:
            return
