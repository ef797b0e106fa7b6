"""Small runs in which every Redis call can be cut in turn, and the calls they make when nothing goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.plan import Plan, Strike
from holdfast.chaos.simulation.run import Run, run_plan
from holdfast.chaos.simulation.servers import Fake

if TYPE_CHECKING:
    from holdfast.chaos.simulation.wire import Call, Fate, Fates
    from holdfast.chaos.simulation.world import World


@dataclass(frozen=True, eq=False)
class Scenario:
    """A few jobs, and who is there to do them."""

    name: str
    sentence: str
    #: What each order asks for: `body` for the job itself, the rest for its enqueue.
    orders: tuple[dict[str, Any], ...]
    workers: int = 1
    keepers: int = 0
    #: What happens in it anyway.
    strikes: tuple[Strike, ...] = ()
    jobs_per_horse: int = 1
    prefetch: int = 1

    def plan(self, *strikes: Strike, storm_us: int = 1) -> Plan:
        """Make the plan in which these strikes fall, all of them before `storm_us`."""
        orders = tuple(
            {"job_id": f"{self.name}-{number}", "queue": "q", "after_s": 0.3} | order
            for number, order in enumerate(self.orders, 1)
        )
        fall = (*self.strikes, *strikes)
        return Plan(
            seed=0,
            hard=False,
            orders=(orders,),
            workers=self.workers,
            queues=("q",),
            storm_us=storm_us,
            kinds=(),
            strikes=fall,
            keepers=self.keepers,
            calm_us=_CALM_US,
            jobs_per_horse=self.jobs_per_horse,
            prefetch=self.prefetch,
        )


#: One blow is over sooner than a storm; the longest wait is a poison job's, from crash to crash.
_CALM_US = 120_000_000
#: Longer than a renewal interval, so that each job is renewed.
_WORKS = {"works_s": (1.3,)}
_ACTS = {"works_s": (0.4,), "effect": "probe", "lingers_s": 0.8}
_FAILS_ONCE = {"works_s": (0.2,), "fails": 1}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("plain", "a job that works for a while", ({"body": _WORKS},)),
        Scenario("goodbye", "a job whose horse lives on when it is settled", ({"body": _WORKS | {"leaves_s": 2.0}},)),
        Scenario("effect", "a job that acts on the world once, and can ask whether it did", ({"body": _ACTS},)),
        Scenario(
            "retry",
            "a job that fails once and has a retry",
            ({"body": _FAILS_ONCE, "retries": 2, "interval_s": 1},),
        ),
        Scenario("scheduled", "a job that is not due yet", ({"body": _WORKS, "in_s": 1.2},)),
        Scenario(
            "repeat",
            "a job that repeats once, a moment after it was done",
            ({"body": {"works_s": (0.3,)}, "repeats": 1, "every_s": 1},),
            jobs_per_horse=1_000,
        ),
        Scenario(
            "again",
            "a job that is enqueued again under its id while it runs",
            ({"body": {"works_s": (0.8,)}}, {"job_id": "again-1", "body": {"works_s": (0.2,)}}),
            jobs_per_horse=1_000,
        ),
        Scenario("many", "a job of those that an app enqueues together", ({"body": _WORKS, "many": True},)),
        Scenario("once", "a job that may run at most once", ({"body": _WORKS, "crashes": 0},)),
        Scenario(
            "once-turn",
            "a job that may run at most once, taken by a horse with its own turn",
            ({"body": {"works_s": (0.3,)}}, {"body": {"works_s": (0.3,)}, "after_s": 0.01, "crashes": 0}),
            jobs_per_horse=1_000,
        ),
        Scenario("buried", "a job that fails and has no retry", ({"body": _FAILS_ONCE},)),
        Scenario("poison", "a job that kills whoever works on it", ({"body": {"poison": True}},)),
        Scenario(
            "deploy",
            "a worker that is told to stop, twice, while it works",
            ({"body": {"works_s": (4.0,)}},),
            strikes=(Strike("terminate", (0, True), at_us=1_500_000),),
        ),
        Scenario(
            "deploy-once",
            "a worker that is told to stop, twice, while it works on a job that may run at most once",
            ({"body": {"works_s": (4.0,)}, "crashes": 0},),
            strikes=(Strike("terminate", (0, True), at_us=1_500_000),),
        ),
        Scenario(
            "company",
            "jobs that are taken four at a time by a worker that has seen a quick one; a slow one among them",
            (
                {"body": {}},
                *({"body": body, "after_s": 0.001} for body in ({}, _ACTS | {"lingers_s": 0.3}, {}, {})),
            ),
            jobs_per_horse=1_000,
            prefetch=4,
        ),
        Scenario(
            "mix",
            "three kinds of jobs, two workers and a keeper",
            (
                {"body": _ACTS, "after_s": 0.1},
                {"body": _FAILS_ONCE, "after_s": 0.1, "retries": 2, "interval_s": 0},
                {"body": _WORKS, "after_s": 0.1},
            ),
            workers=2,
            keepers=1,
        ),
    )
}


class Unsound(Exception):
    """A scenario goes wrong without a fault, so there is nothing to be learnt from its cuts."""


@dataclass(frozen=True)
class Point:
    """One call of a run, by who made it and as which of its calls."""

    process: str
    call: int
    move: str
    #: Whether the caller is somebody's child.
    has_parent: bool


@dataclass(frozen=True)
class Baseline:
    """A scenario without faults of its own: which calls it makes, and by when it is over."""

    points: tuple[Point, ...]
    over_us: int


def baseline(scenario: Scenario) -> Baseline:
    """Run a scenario as it is.

    Raises Unsound when it violates an invariant although nothing went wrong.
    """
    run, points = listen(scenario.plan())
    if violations := run.violations():
        raise Unsound(f"scenario {scenario.name} violates, without a fault, {violations[0]}")
    return Baseline(points, int(run.virtual_s * 1_000_000))


def listen(plan: Plan) -> tuple[Run, tuple[Point, ...]]:
    """Run a plan on fakeredis, and give the calls its processes made, in the order they were sent."""
    servers = _Listening()
    with quiet():
        run = run_plan(plan, real=servers)  # type: ignore[arg-type]  # all that is asked of it is `of`
    return run, tuple(servers.heard)


class _Listening:
    """Gives servers that note what is asked of them."""

    def __init__(self) -> None:
        self.heard: list[Point] = []

    def of(self, world: World) -> Fake:
        return _ListeningFake(world, self.heard)


class _ListeningFake(Fake):
    def __init__(self, world: World, heard: list[Point]) -> None:
        super().__init__(world)
        self._heard = heard

    def connection_class(self, fates: Fates, patience_us: int) -> type[Any]:
        return super().connection_class(_Noting(fates, self._heard), patience_us)


class _Noting:
    def __init__(self, fates: Fates, heard: list[Point]) -> None:
        self._fates = fates
        self._heard = heard
        self._last: dict[str, str] = {}

    def of(self, call: Call) -> Fate:
        who = call.process.name
        # A script that the server did not know is sent again in full: still the same move.
        move = self._last.get(who, call.name) if call.name == "EVAL" else call.name
        self._last[who] = move
        self._heard.append(Point(who, call.number, move, call.process.parent is not None))
        return self._fates.of(call)
