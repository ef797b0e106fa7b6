"""The kinds of work that the sweep puts before a worker, and who the worker is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rq import Callback, Repeat

from holdfast.chaos.sweep import orders, tasks
from holdfast.chaos.sweep.cases import SIDES, Case, Fault, Setting, Side
from holdfast.chaos.sweep.judge import judge
from holdfast.chaos.sweep.tasks import CHILD, FORGIVING, JOB, SEVERAL, SLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.chaos.sweep.judge import Verdict
    from holdfast.chaos.sweep.orders import Counter
    from holdfast.chaos.sweep.stage import Played

#: Short, so that a death costs a second and a half; long enough for a machine that is busy with other cases.
_SETTINGS = {
    "HOLDFAST_LEASE_MS": "1500",
    "HOLDFAST_RENEW_MS": "400",
    "HOLDFAST_MARGIN_MS": "300",
    "HOLDFAST_REAP_MS": "200",
    "HOLDFAST_PROMOTE_MS": "300",
    # Once, at the start: nothing gets old enough to be put back, and a slow case would meet the next look by chance.
    "HOLDFAST_ORPHANS_MS": "600000",
    "HOLDFAST_POLL_MS": "100",
    "HOLDFAST_GRACE_MS": "5000",
    "HOLDFAST_RECORD_MOVES": "1",
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done, and how far the worker is watched at it."""

    place: Callable[[Counter], object]
    #: Which jobs there are.
    jobs: tuple[str, ...] = (JOB,)
    #: Which of them wait behind a slow one where a worker has several in hand, and are given back also unhurt.
    behind: tuple[str, ...] = ()
    #: How many gates have to be passed.
    gates: int = 0
    #: What of the clockwork is seen at each gate before it opens. The rest of it is no boundary here.
    clockwork: frozenset[str] = frozenset()
    #: How many times the worker takes something until it has been watched for long enough.
    takings: int = 1


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Which workers play what: the one that is hurt, the healthy one that finishes what it left, and their judge."""

    works: Mapping[str, Work]
    faults: Mapping[Fault, tuple[Side, ...]]
    judge: Callable[[Case | None, str, Played], Verdict]
    worker: str
    options: tuple[str, ...] = ()
    healthy_worker: str
    healthy_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    #: What the worker repeats by the clock.
    clockwork: frozenset[str] = frozenset()
    #: How many seconds a case may last before it counts as stuck.
    patience_s: float = 30
    #: How many seconds the worker may help itself after a fault that it survives.
    alone_s: float = 4

    @property
    def settings(self) -> list[Setting]:
        """Every work, on one queue and as the last of two."""
        return [Setting(queues, work) for work in self.works for queues in (1, 2)]


_BEAT = ("hset-worker-last_heartbeat", "expire-worker", "time", "hset-worker-hf_instance")
_CLOCKWORK = frozenset({"renew", "reclaim", "promote", *_BEAT})
_RENEW = frozenset({"renew"})


def _several(slow: str) -> Work:
    return Work(
        place=lambda at: orders.several(at, slow),
        jobs=SEVERAL,
        behind=SEVERAL[SEVERAL.index(slow) + 1 :],
        gates=1,
        clockwork=_RENEW,
    )


_WORKS = {
    "plain": Work(place=lambda at: at.order(tasks.plain), gates=1, clockwork=_CLOCKWORK),
    "effect": Work(place=lambda at: at.order(tasks.charge_or_stop, at.ledger), gates=2, clockwork=_CLOCKWORK),
    "probe": Work(place=lambda at: at.order(tasks.charge_or_ask, at.ledger), gates=2, clockwork=_CLOCKWORK),
    "child": Work(place=orders.child, jobs=(JOB, CHILD), gates=1, clockwork=_RENEW),
    "failing-parent": Work(place=orders.children_of_a_failure, jobs=(JOB, CHILD, FORGIVING), gates=1, clockwork=_RENEW),
    "several": _several(SLOW),
    # Again at once, and then a second later.
    "repeat": Work(
        place=lambda at: at.order(tasks.plain, repeat=Repeat(times=2, interval=[1, 0])),
        gates=1,
        clockwork=_RENEW,
        takings=2,
    ),
    "unkept": Work(place=lambda at: at.order(tasks.plain, result_ttl=0), gates=1, clockwork=_RENEW),
    "on-success": Work(
        place=lambda at: at.order(
            tasks.at_once, on_success=Callback(tasks.succeeded), on_failure=Callback(tasks.failed)
        ),
        gates=1,
        clockwork=_RENEW,
    ),
    "on-failure": Work(
        place=lambda at: at.order(
            tasks.fail_at_once, on_success=Callback(tasks.succeeded), on_failure=Callback(tasks.failed_and_wait)
        ),
        gates=1,
        clockwork=_RENEW,
    ),
    "raising-callbacks": Work(
        place=lambda at: at.order(
            tasks.at_once,
            on_success=Callback(tasks.succeeded_and_raise),
            on_failure=Callback(tasks.failed_and_raise),
        ),
        gates=2,
        clockwork=_RENEW,
    ),
    "last-crash": Work(
        place=lambda at: orders.with_deaths(at, tasks.plain, 0, tasks.failed), gates=1, clockwork=_RENEW
    ),
    "second-crash": Work(
        place=lambda at: orders.with_deaths(at, tasks.die_once, 1, tasks.failed),
        gates=2,
        clockwork=_RENEW,
        takings=2,
    ),
    "aftermath": Work(place=orders.buried, gates=1, clockwork=frozenset({"reclaim"})),
}


OURS = Cast(
    works=_WORKS,
    faults=SIDES,
    judge=judge,
    worker="holdfast.workers.Worker",
    healthy_worker="holdfast.workers.Worker",
    environment=_SETTINGS,
    clockwork=_CLOCKWORK,
)

#: How workers run jobs: a horse each, as RQ does; many in one horse; and several taken at a time.
MODES: dict[str, dict[str, str]] = {
    "fork": {"HOLDFAST_JOBS_PER_HORSE": "1"},
    "many-jobs": {"HOLDFAST_JOBS_PER_HORSE": "1000"},
    # So few that the jobs of `several` are more than fit.
    "prefetch": {"HOLDFAST_JOBS_PER_HORSE": "1000", "HOLDFAST_PREFETCH": "6"},
}


def ours_in(mode: str) -> Cast:
    """Give our worker in one of the modes. Raises ValueError for a name that is none."""
    if mode not in MODES:
        raise ValueError(f"there is no mode {mode!r}; there are {', '.join(MODES)}")
    # With a horse of its own the first is gone before anybody can kill it, unless it is the slow one.
    works = {**_WORKS, "several": _several(JOB)} if mode == "fork" else _WORKS
    return replace(OURS, works=works, environment={**OURS.environment, **MODES[mode]})
