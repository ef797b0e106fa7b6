"""One simulated run: from a plan to a history."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

from rq import job as rq_job
from rq import queue as rq_queue

from holdfast.chaos.amnesia import tell_apart
from holdfast.chaos.checker import judge
from holdfast.chaos.faults import load_all
from holdfast.chaos.history import History, Move, Place
from holdfast.chaos.simulation import work
from holdfast.chaos.simulation.actors import SimProducer, SimWorker, Stage
from holdfast.chaos.simulation.plan import HARDER, Plan, Strike
from holdfast.chaos.simulation.servers import EPOCH_US, Fake
from holdfast.chaos.simulation.wire import Call, Fate
from holdfast.chaos.simulation.world import US, World
from holdfast.chaos.terms import Terms, Violation, uncharged_with
from holdfast.jobs import mould
from holdfast.jobs.settings import Settings
from holdfast.jobs.store import keys
from holdfast.recovery.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.chaos.simulation.servers import RealServer

SETTINGS = Settings(
    lease_ms=4_000,
    renew_ms=1_000,
    margin_ms=500,
    reap_ms=1_000,
    promote_ms=1_000,
    poll_ms=800,
    grace_ms=5_000,
    record_moves=True,
    # What our own moves lose is to be seen, not mended by the chore that looks after stock RQ's.
    orphans_ms=10_000,
    orphaned_ms=3_600_000,
)
#: How much likelier than another call a call is struck: two thirds are chores and claims that find nothing to do.
WEIGHTS = {"reclaim": 0.4, "promote": 0.4, "claim": 1.0}
_USUAL_WEIGHT = 2.5
#: Where nothing has moved for so long nothing will: the longest wait is a poison job's, from crash to crash.
_LONGEST_S = 130
#: A record that is gone will not come back either.
_ENDS = {b"finished", b"failed", b"stopped", b"canceled", None}


class StrikesOf:
    """Decides the fate of each call: drawn from the seed, or as a list says."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        self._stage = stage
        self._rng = stage.world.chance("fates")
        self._rate = HARDER if plan.hard else 1.0
        faults = load_all()
        self._kinds = [faults[name] for name in plan.kinds if hasattr(faults[name], "rate")]
        self._given = None
        if plan.strikes is not None:
            self._given = {(strike.process, strike.call): strike for strike in plan.strikes if strike.process}
        self.struck: list[Strike] = []

    def of(self, call: Call) -> Fate:
        """Give the fate of this call, and write it down."""
        fate = Fate()
        worker, now_us = call.process.name.split(".")[0], self._stage.world.now_us
        if self._stage.cut_off.get(worker, 0) > now_us:
            fate.drop_request = True
            return fate
        slow_until_us, fate.delay_us = self._stage.slow.get(worker, (0, 0))
        if slow_until_us <= now_us:
            fate.delay_us = 0
        strike = self._draw(call) if self._given is None else self._given.get((call.process.name, call.number))
        if strike is not None:
            self.struck.append(strike)
            strike.make().befall(fate, call, self._stage)
            self._stage.history.note(self._stage.world.now_us, "nemesis", "fault", detail=f"{strike} {call.name}")
        return fate

    def _draw(self, call: Call) -> Strike | None:
        if self._stage.world.now_us >= self._plan.storm_us:
            return None
        rate = self._rate * WEIGHTS.get(call.name, _USUAL_WEIGHT)
        for kind in self._kinds:
            if self._rng.random() < kind.rate * rate:
                return Strike(kind.name, tuple(vars(kind.draw(self._rng)).values()), call.process.name, call.number)
        return None

    def schedule(self) -> None:
        """Arrange the faults that come at a moment."""
        for strike in self._moments():
            self._stage.world.at(strike.at_us, lambda strike=strike: self._harm(strike))  # type: ignore[misc]

    def _moments(self) -> list[Strike]:
        if self._plan.strikes is not None:
            return [strike for strike in self._plan.strikes if not strike.process]
        faults = load_all()
        drawn = []
        for kind in (faults[name] for name in self._plan.kinds if hasattr(faults[name], "count")):
            expected = kind.count * self._rate
            count = int(expected) + (self._rng.random() < expected % 1)
            for _ in range(count):
                at_us = self._rng.randrange(self._plan.storm_us)
                drawn.append(Strike(kind.name, tuple(vars(kind.draw(self._rng)).values()), at_us=at_us))
        return drawn

    def _harm(self, strike: Strike) -> None:
        self.struck.append(strike)
        self._stage.history.note(self._stage.world.now_us, "nemesis", "fault", detail=str(strike))
        strike.make().harm(self._stage)


def terms_of(plan: Plan, strikes: Iterable[Strike], settings: Settings = SETTINGS) -> Terms:
    """Give what the judge must know of a plan and of what struck."""
    orders = [order for some in plan.orders for order in some]
    return Terms(
        lease_ms=settings.lease_ms,
        reap_ms=settings.reap_ms,
        crashes=settings.crashes,
        at_most_once=frozenset(order["job_id"] for order in orders if order.get("crashes") == 0),
        effects=frozenset(order["job_id"] for order in orders if "effect" in order["body"]),
        delays_ms=tuple((order["job_id"], int(order["in_s"] * 1_000)) for order in orders if "in_s" in order),
        unkept=frozenset(order["job_id"] for order in orders if order.get("kept_s") == 0),
        repeats=tuple((order["job_id"], order["repeats"]) for order in orders if "repeats" in order),
        calm_from_us=plan.storm_us + _longest_us(strikes),
        uncharged=uncharged_with(plan.prefetch),
    )


def _longest_us(strikes: Iterable[Strike]) -> int:
    """Give for how long the last of them may still be felt: until who slept is awake, and holders had time to renew."""
    longest_ms = max((getattr(strike.make(), "for_ms", 0) for strike in strikes), default=0)
    jumped = any("clock" in strike.fault for strike in strikes)
    grace_ms = jumped * (SETTINGS.holder_grace_ms + SETTINGS.reap_ms)
    return (longest_ms + 2 * SETTINGS.lease_ms if longest_ms else grace_ms) * 1_000


@dataclass(frozen=True)
class Run:
    """What came of a plan."""

    plan: Plan
    history: History
    #: What struck, so that the run can be repeated without drawing.
    strikes: tuple[Strike, ...]
    calls: int
    virtual_s: float
    #: The moves that are on the server's record at the end; more were made where it forgot some.
    surviving: tuple[Move, ...] = ()
    #: Under which names the history has the faults that made it forget.
    amnesias: tuple[str, ...] = ()

    def violations(self) -> list[Violation]:
        """Judge it."""
        return judge(self.to_be_judged(), terms_of(self.plan, self.strikes))

    def to_be_judged(self) -> History:
        """Give the history without what the server forgot: that excuses what it explains, and no more."""
        if not self.amnesias:
            return self.history
        history, forgotten = tell_apart(self.history, self.surviving, self.amnesias)
        history.ghosts = [ghost for ghost in history.ghosts if ghost.split()[0] not in forgotten.jobs]
        if any("clock" in strike.fault for strike in self.strikes):
            # A fence is kept apart from a forgotten one by the clock alone: where that went back, too, none can be.
            claims = {move.execution for move in self.surviving if move.move == "claim"}
            history.lines = [line for line in history.lines if line.did != "claimed" or line.execution in claims]
        return history


def run_plan(plan: Plan, *, real: RealServer | None = None, settings: Settings = SETTINGS) -> Run:
    """Run a plan on fakeredis, or on a real server under our clock."""
    world = World(plan.seed)
    server: Any = Fake(world) if real is None else real.of(world)
    history = History()
    fates = _Later()
    settings = plan.tuned(settings)
    connection = server.connection_class(fates, settings.reply_ms * 1_000)
    stage = Stage(
        world,
        lambda: server.client(connection),
        settings,
        history,
        judge=server.client(),
        apply=server.apply,
        queues=plan.queues,
        batch=plan.batch,
    )
    fates.strikes = strikes = StrikesOf(plan, stage)
    with server.in_force(), _rq_time(world):
        try:
            work.set_stage(stage)
            strikes.schedule()
            _start(plan, stage)
            world.run(plan.storm_us)
            world.run(plan.storm_us + plan.calm_us, is_over=lambda: _is_quiet(stage))
            stage.is_over = True
            server.set_clock()
            _look_around(stage, plan)
            surviving = stage.hear()
            history.is_closed = True
        finally:
            work.set_stage(None)
            world.close()
            stage.judge.close()
            # fakeredis remembers every class of connections for ever; it need not remember all of the run.
            connection.world = connection.fates = connection.server = None
    calls = sum(process.calls for process in world.processes)
    return Run(plan, history, tuple(strikes.struck), calls, world.now_us / US, surviving, tuple(stage.amnesias))


class _Later:
    """Passes on to strikes that are made after the connections they strike."""

    strikes: StrikesOf

    def of(self, call: Call) -> Fate:
        return self.strikes.of(call)


@contextmanager
def _rq_time(world: World) -> Iterator[None]:
    """Let RQ date its jobs by the virtual clock."""

    def now() -> datetime:
        return datetime.fromtimestamp((EPOCH_US + world.now_us) / 1_000_000, tz=UTC)

    with ExitStack() as patches:
        for place in (rq_job, rq_queue, mould):
            patches.enter_context(mock.patch.object(place, "now", now))
        yield


def _start(plan: Plan, stage: Stage) -> None:
    for number, orders in enumerate(plan.orders, 1):
        SimProducer(stage, f"p{number}", orders).start()
    for number in range(1, plan.workers + 1):
        SimWorker(stage, f"w{number}", plan.queues).start()
    for number in range(1, plan.keepers + 1):
        stage.world.spawn(f"k{number}", lambda number=number: _keep(stage, f"k{number}"))  # type: ignore[misc]


def _keep(stage: Stage, name: str) -> int:
    scripts = stage.scripts(stage.connect())
    rng = stage.world.chance(name + "/keeper")
    Keeper(stage.chores(scripts, name), stage.clock, rng).run(stops=lambda: stage.is_over)
    return 0


def _is_quiet(stage: Stage) -> bool:
    """Tell whether all is over, or will never be: looked at once a virtual second.

    Over means that every accepted job has come to its end, nobody holds one, and nobody sleeps.
    """
    second = stage.world.now_us // US
    if second == stage.looked_at_s:
        return False
    stage.looked_at_s = second
    if any(producer.is_alive for producer in stage.producers) or stage.world.has_sleepers(woken_us=US):
        return False
    with stage.judge.pipeline(transaction=False) as pipe:
        pipe.xlen(keys.moves())
        for queue in stage.queues:
            pipe.zcard(keys.leases(queue))
        _, *leases = state = pipe.execute()
    if state != stage.moved[0]:
        stage.moved = (state, second)
    elif stage.moved[1] < second:  # what has not moved is not over; where nothing moves, nothing will
        return second - stage.moved[1] > _LONGEST_S
    return not any(leases) and _have_all_ended(stage)


def _have_all_ended(stage: Stage) -> bool:
    with stage.judge.pipeline(transaction=False) as pipe:
        for job in sorted({line.job for line in stage.history.of("accepted")}):
            pipe.hget(keys.job(job), "status")
        return all(status in _ENDS for status in pipe.execute())


def _look_around(stage: Stage, plan: Plan) -> None:
    """Write down where everything is, and what the server did."""
    history = stage.history
    judge: Any = stage.judge  # redis-py's types know nothing of decode_responses
    known = {order["job_id"] for orders in plan.orders for order in orders}
    where: dict[str, list[str]] = {}
    for queue in plan.queues:
        for job in judge.lrange(keys.queue(queue), 0, -1):
            where.setdefault(job.decode(), []).append("line")
        for place in ("scheduled", "finished", "failed", "deferred", "canceled", "wip", "leases"):
            for member in judge.zrange(keys.FAMILIES[place](queue), 0, -1):
                where.setdefault(member.decode().split(":")[0], []).append(place)
    for job in sorted(known | set(where)):
        record = judge.hgetall(keys.job(job))
        if job in known and record:
            history.final[job] = _place(record, where.get(job, []))
        elif where.get(job) or any(line.job == job for line in history.of("accepted")):
            history.ghosts.append(f"{job} in {where.get(job, [])}")


def _place(record: dict[bytes, bytes], places: list[str]) -> Place:
    return Place(
        status=record.get(b"status", b"").decode(),
        places=tuple(sorted(places)),
        ended=record.get(b"hf_ended", b"").decode(),
        dead=record.get(b"hf_dead", b"").decode(),
        executions=int(record.get(b"hf_executions", 0)),
        crashes=int(record.get(b"hf_crashes", 0)),
        failures=int(record.get(b"hf_failures", 0)),
    )
