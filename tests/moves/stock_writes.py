"""The table: what stock RQ may write on a job of ours, and what becomes of the job in each of its states."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from rq.exceptions import DuplicateJobError, InvalidJobOperation

from tests.moves import stock_deeds as deeds
from tests.moves.stock_cell import ID, STATES, WAYS, Cell


@dataclass(frozen=True)
class Fate:
    """What becomes of a job: in words, and how it is seen."""

    words: str
    #: How many bodies of it begin after the write, if the one that is going on completes. None: as without the write.
    runs: int | None = None
    #: Its status when nothing moves any more; None: it is gone. Without `runs`: as without the write.
    ends: str | None = None
    #: RQ raises, and nothing is written.
    refused: bool = False
    #: What its record says instead, if it says anything else.
    says: str | None = None
    #: Whether the body that is going on is ended.
    cut_off: bool = False
    #: The status of a job that waited for it; None: it is gone.
    child: str | None = None

    def but(self, words):
        """Give the same, in other words."""
        return replace(self, words=words)

    def and_child(self, words, child):
        return replace(self, words=f"{self.words}; the other {words}", child=child)


@dataclass(frozen=True)
class Write:
    """A stock write, and the fate of a job in each state."""

    do: Callable[[Cell], object]
    fates: dict[str, Fate]
    #: Whether another job waits for it.
    has_child: bool = False
    #: Where the job is then, unless it is refused.
    queue: str = "default"


GOES_ON = Fate("goes on")
STAYS = Fate("stays so")
REFUSED = Fate("RQ refuses", refused=True)
RUNS = Fate("runs", 1, "finished")
WHEN_DUE = RUNS.but("runs when due")
BEHIND = RUNS.but("runs when the other has ended")
MISSED = RUNS.but("is missed after a minute, put back, and runs")
TWICE = Fate("runs twice, one after the other", 2, "finished")
AFTERWARDS = RUNS.but("runs once more afterwards")
CANCELED = Fate("never runs", 0, "canceled")
VOID = replace(CANCELED.but("its result is void"), cut_off=True)
GONE = Fate("gone", 0, None)


def fates(living, ended, **others):
    """Give the five living states one fate and the three ended ones another, but for those named."""
    named = {name.replace("_", " "): fate for name, fate in others.items()}
    return dict(zip(STATES, [*[living] * 5, *[ended] * 3], strict=True)) | named


ANEW = fates(RUNS, RUNS, in_line=TWICE, running=AFTERWARDS)
AS_IF_NOTHING_WERE = fates(GOES_ON, STAYS)
DELETED = fates(GONE, GONE, running=replace(GONE.but("gone; its result is void"), cut_off=True))
CANCEL = fates(CANCELED, CANCELED.but("canceled"), running=VOID, canceled=REFUSED)


def with_child(of, ended_before, **others):
    """Add to the fates of a job that of one that waits for it; after a finished one it did not have to wait."""
    words, child = of
    told = {name: fate.and_child(words, child) for name, fate in ended_before.items()}
    told["finished"] = ended_before["finished"].and_child("runs", "finished")
    return told | others


IN_LINE, ENDS, RECORDS, UPKEEP = "put it in line", "end it", "write on its record", "keep house"

#: kind -> write, in the words of the page.
WRITES = {
    IN_LINE: {
        "`Queue.enqueue()` of its id": Write(deeds.enqueue, ANEW),
        "… `at_front=True`": Write(lambda cell: deeds.enqueue(cell, at_front=True), ANEW),
        "… to another queue": Write(lambda cell: deeds.enqueue(cell, "other"), ANEW, queue="other"),
        "… `unique=True`": Write(lambda cell: deeds.enqueue(cell, unique=True), fates(REFUSED, REFUSED)),
        "… `depends_on=` a job that ends later": Write(
            deeds.enqueue_behind_one_that_ends_later,
            fates(BEHIND, BEHIND, running=BEHIND.but("runs once more when the other has ended")),
        ),
        "… `depends_on=` a job that ends at once": Write(
            deeds.enqueue_behind_one_that_ends_at_once, fates(RUNS, RUNS, running=AFTERWARDS)
        ),
        "`Queue.enqueue_job()` of the job": Write(
            lambda cell: cell.stock.enqueue_job(cell.job()),
            ANEW | {"to be retried": WHEN_DUE, "waits for another": GOES_ON},
        ),
        "`enqueue_in()`, `enqueue_at()` of its id": Write(
            deeds.enqueue_in,
            fates(
                WHEN_DUE, WHEN_DUE, in_line=RUNS.but("runs once, when due"), running=RUNS.but("runs once more when due")
            ),
        ),
        "… for a moment that has passed": Write(
            deeds.enqueue_at_a_past_moment,
            fates(RUNS, RUNS, in_line=RUNS.but("runs once"), running=AFTERWARDS),
        ),
        "`job.requeue()`, `rq requeue`": Write(lambda cell: cell.job().requeue(), fates(REFUSED, REFUSED, dead=RUNS)),
        "`FailedJobRegistry.requeue()`": Write(deeds.requeue_failed, fates(REFUSED, REFUSED, dead=RUNS)),
        "`CanceledJobRegistry.requeue()`": Write(deeds.requeue_canceled, fates(REFUSED, REFUSED, canceled=RUNS)),
        "`cancel()`, then `enqueue()`": Write(deeds.cancel_and_enqueue, fates(RUNS, RUNS, running=AFTERWARDS)),
        "`delete()`, then `enqueue()`": Write(
            deeds.delete_and_enqueue,
            fates(RUNS, RUNS, running=replace(RUNS.but("is cut off; then runs"), cut_off=True)),
        ),
    },
    ENDS: {
        "`job.cancel()`": Write(lambda cell: cell.job().cancel(), CANCEL),
        "`job.cancel()` of a job that another waits for": Write(
            lambda cell: cell.job().cancel(), with_child(("goes on waiting", "deferred"), CANCEL), has_child=True
        ),
        "… `enqueue_dependents=True`": Write(
            lambda cell: cell.job().cancel(enqueue_dependents=True),
            with_child(("runs", "finished"), CANCEL, canceled=REFUSED.and_child("goes on waiting", "deferred")),
            has_child=True,
        ),
        "`job.delete()`": Write(lambda cell: cell.job().delete(), DELETED),
        "`job.delete()` of a job that another waits for": Write(
            lambda cell: cell.job().delete(), with_child(("goes on waiting", "deferred"), DELETED), has_child=True
        ),
        "… `delete_dependents=True`": Write(
            lambda cell: cell.job().delete(delete_dependents=True),
            with_child(("is gone too", None), DELETED),
            has_child=True,
        ),
        "`registry.remove(job, delete_job=True)`": Write(deeds.delete_by_registry, DELETED),
        "`rq empty`, `Queue.empty()`": Write(lambda cell: cell.stock.empty(), fates(GOES_ON, STAYS, in_line=GONE)),
        "`Queue.delete()`": Write(lambda cell: cell.stock.delete(), fates(GOES_ON, STAYS, in_line=GONE)),
        "`Queue.delete(delete_jobs=False)`": Write(
            lambda cell: cell.stock.delete(delete_jobs=False), fates(GOES_ON, STAYS, in_line=MISSED)
        ),
        "`Queue.remove()`": Write(lambda cell: cell.stock.remove(ID), fates(GOES_ON, STAYS, in_line=MISSED)),
        "stop-job": Write(
            deeds.stop_job, fates(REFUSED, STAYS, running=Fate("stopped", 0, "stopped"), canceled=REFUSED)
        ),
        "kill-horse": Write(
            deeds.kill_horse, fates(GOES_ON, STAYS, running=Fate("fails, as from an error", 0, "failed"))
        ),
    },
    RECORDS: {
        "`job.save_meta()`": Write(lambda cell: cell.job().save_meta(), AS_IF_NOTHING_WERE),
        "`job.save()`": Write(lambda cell: cell.job().save(), AS_IF_NOTHING_WERE),
        **{
            f"`job.save()` of an object that says `{status}`": Write(
                deeds.save_as(status), fates(GOES_ON, replace(STAYS.but("does not run"), says=status))
            )
            for status in ("queued", "started", "scheduled", "deferred", "failed", "finished", "canceled")
        },
    },
    UPKEEP: {
        "a stock worker's maintenance, `rq info`": Write(deeds.maintain, AS_IF_NOTHING_WERE),
        "a stock scheduler, when the job is due": Write(deeds.run_the_stock_scheduler, AS_IF_NOTHING_WERE),
        "a stock worker with `--burst`": Write(
            deeds.work_in_burst, fates(GOES_ON, STAYS, in_line=Fate("the stock worker runs it", 0, "finished"))
        ),
        "`rq suspend`, and later `rq resume`": Write(
            deeds.suspend_and_resume, fates(GOES_ON.but("goes on, later"), STAYS, running=GOES_ON)
        ),
    },
}


def cells(kind):
    """Give pytest each cell of these writes: the write, the state, and what becomes of an attempt under way."""
    for words, write in WRITES[kind].items():
        for state in STATES:
            for way in WAYS if state == "running" else (None,):
                yield pytest.param(write, state, way, id=" - ".join(filter(None, (words, state, way))))


def tables():
    """Give each kind of write the lines of its table on the page."""
    for kind, writes in WRITES.items():
        told = [[words, *(fate.words for fate in write.fates.values())] for words, write in writes.items()]
        rows = [["write", *STATES], ["---"] * (len(STATES) + 1), *told]
        yield kind, [f"| {' | '.join(row)} |" for row in rows]


def befall(redis, write, state, way):
    """Let the write befall a job in this state, and all go on as they would; its fate is that of the table."""
    cell = Cell(redis, state, has_child=write.has_child)
    fate = write.fates[state]
    if fate.refused:
        with cell.pool.nothing_changes(), pytest.raises((InvalidJobOperation, DuplicateJobError)):
            write.do(cell)
    else:
        write.do(cell)
    cell.drive_to_the_end(way)
    _, runs, ends = STATES[state]
    if fate.runs is not None:
        runs, ends = fate.runs, fate.ends
    if way and not way.startswith("completes") and ends == "finished":
        runs = max(runs, 1)
    cell.judge(runs=runs, ends=ends, queue=write.queue, cut_off=fate.cut_off, says=fate.says)
    if write.has_child:
        assert cell.status("child") == fate.child
