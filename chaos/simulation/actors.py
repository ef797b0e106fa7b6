"""Who acts in a simulated run: producers, workers with their horses, keepers. Production code throughout."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rq import Repeat

from holdfast.chaos.history import Move, move_of
from holdfast.chaos.simulation.bodies import SimBoard, SimClock, SimEars, SimFace, SimRuntime, SimWatch
from holdfast.chaos.simulation.breaking import NextVersion
from holdfast.jobs import events
from holdfast.jobs.errors import RedisAwayError
from holdfast.jobs.queue import Queue
from holdfast.jobs.retry import Retry
from holdfast.jobs.rq_surface import Job, resolve_serializer
from holdfast.jobs.store import keys
from holdfast.jobs.store.connections import Courier, Line
from holdfast.jobs.store.moves import Caller, Moves
from holdfast.jobs.store.scripts import Scripts, draw_name
from holdfast.recovery.keeper import Keeper, all_chores
from holdfast.workers.engine import Engine, Limits
from holdfast.workers.groom import HOSTAGE_MS
from holdfast.workers.hold import Patience
from holdfast.workers.horse import Horse, Means
from holdfast.workers.order import Order
from holdfast.workers.pace import Pace
from holdfast.workers.runtime import LEASE_ENDED
from holdfast.workers.speaker import Speaker
from holdfast.workers.trade import Trade
from holdfast.workers.turns import Lane, Turns, callers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis

    from holdfast.chaos.history import History
    from holdfast.chaos.simulation.world import Process, World
    from holdfast.jobs.settings import Settings
    from holdfast.recovery.keeper import Chore
    from holdfast.workers.reins import Bit
    from holdfast.workers.shared_memory import Board

RESTART_US = 1_000_000


class Stage:
    """What all actors of a run share: the world, how to connect, the settings, and where they are written down."""

    def __init__(
        self,
        world: World,
        connect: Callable[[], redis.Redis],
        settings: Settings,
        history: History,
        *,
        judge: redis.Redis,
        apply: Callable[[Any], None],
        queues: Sequence[str],
        batch: int,
    ) -> None:
        self.world = world
        self.connect = connect
        self.settings = settings
        self.history = history
        #: A connection that no fault befalls.
        self.judge = judge
        #: Has a packed command done whose sender waits for no answer.
        self.apply = apply
        self.queues = tuple(queues)
        #: How many jobs a pass of a chore takes at a time.
        self.batch = batch
        self.looked_at_s = -1
        #: How many moves and leases there were, and since when, in virtual s.
        self.moved: tuple[list[int], int] = ([], 0)
        #: Until when, in us, a worker by that name cannot reach the server.
        self.cut_off: dict[str, int] = {}
        #: Until when, in us, what a worker by that name asks takes so many us longer.
        self.slow: dict[str, tuple[int, int]] = {}
        #: Which workers bring scripts of another version in their next lives.
        self.deployed: set[str] = set()
        self._heard: dict[tuple[bytes, Move], None] = {}
        #: Rollbacks that have begun, by the name under which the history has them.
        self.amnesias: list[str] = []
        #: How long a horse by that name lives on after its settle.
        self.goodbyes_s: dict[str, float] = {}
        self.clock = SimClock(world)
        self.is_over = False
        self.workers: list[SimWorker] = []
        self.producers: list[Process] = []

    def scripts(self, client: redis.Redis, who: str = "", line: Line | None = None) -> Scripts:
        """Give the moves on a connection, recording themselves in the server's order."""
        kind = NextVersion if who.split(".", maxsplit=1)[0] in self.deployed else Scripts
        return kind(client, record=True, line=line)

    def chores(self, scripts: Scripts, who: str) -> list[Chore]:
        """Give what a keeper of that name does."""
        return all_chores(scripts, self.clock, self.settings, self.tell(who), batch=self.batch)

    def hear(self) -> tuple[Move, ...]:
        """Write down what the server has done so far, and give it: at the end, or when it is about to forget some."""
        judge: Any = self.judge  # redis-py's types know nothing of decode_responses
        # By the stream's own numbers: when a clock is put back, two moves may look the same.
        on_record = {(number, move_of(fields)): None for number, fields in judge.xrange(keys.moves())}
        self._heard |= on_record
        self.history.moves = [move for _, move in self._heard]
        return tuple(move for _, move in on_record)

    def tell(self, who: str) -> events.Events:
        """Give a stream whose listener writes the history."""

        def note(event: events.Event) -> None:
            # Nothing is of another type here: a script has a mistake.
            assert not isinstance(event, events.PassedOver), event
            self.history.event(self.world.now_us, who, event)

        return events.Events(note)


class SimWorker:
    """One worker under a supervisor: when it dies or stops, it is started again."""

    def __init__(self, stage: Stage, name: str, queues: Sequence[str]) -> None:
        self._stage = stage
        self.name = name
        self._queues = queues
        self._life = 0
        self.process: Process | None = None
        self.engine: Engine | None = None
        self.ears: SimEars | None = None
        stage.workers.append(self)

    def start(self, delay_us: int = 0) -> None:
        """Start it, and again a second after each end until the run is over."""
        self._life += 1
        name = f"{self.name}.{self._life}"
        self.process = self._stage.world.spawn(name, lambda: self._live(name), delay_us=delay_us)
        self.process.on_end = self._ended

    def _ended(self, process: Process) -> None:
        # A horse dies with its parent: PDEATHSIG.
        for child in process.family()[1:]:
            self._stage.world.end(child)
        if not self._stage.is_over:
            self.start(RESTART_US)

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.engine is not None and self.process is not None and self.process.is_alive:
            self.engine.ask_to_stop()
            if self.ears is not None:
                self.ears.nudge()

    def _live(self, name: str) -> int:
        stage = self._stage
        rng = stage.world.chance(name + "/engine")
        client = stage.connect()
        scripts = stage.scripts(client, name)
        caller = Caller(name, draw_name(rng))
        horse_callers = callers_of(caller, stage.settings, rng)
        board = SimBoard(stage.world)
        tell = stage.tell(name)
        courier = Courier(client, stage.clock, rng)
        ears = self.ears = SimEars(stage.world, stage.clock, poll_ms=stage.settings.poll_ms, apply=stage.apply)

        def serve(bit: Bit) -> int:
            return _serve(stage, caller, horse_callers, self._queues, board, bit)

        self.engine = Engine(
            moves=Moves(scripts, stage.clock, stage.settings, caller),
            horse_moves=[Moves(scripts, stage.clock, stage.settings, caller) for caller in horse_callers],
            courier=courier,
            settings=stage.settings,
            clock=stage.clock,
            runtime=SimRuntime(stage.world),
            ears=ears,
            keeper=Keeper(stage.chores(scripts, name), stage.clock, rng, on_trouble=courier.take_note),
            board=board,
            order=Order(self._queues, "default", rng),
            tell=tell,
            face=SimFace(stage.clock),
            rng=rng,
            serve=serve,
        )
        self.engine.run(Limits())
        return 0


def _serve(
    stage: Stage, caller: Caller, horse_callers: Sequence[Caller], queues: Sequence[str], board: Board, bit: Bit
) -> int:
    """Do in a simulated child what the adapter does in a forked one."""
    world = stage.world
    process = world.running
    assert process is not None
    rng = world.chance(process.name + "/horse")
    client = stage.connect()
    trade = Trade(connection=client, job_class=Job, serializer=resolve_serializer(None), death_penalty=_NoPenalty)
    moves = Moves(stage.scripts(client, caller.name), stage.clock, stage.settings, caller)
    courier = Courier(client, stage.clock, rng)
    patience = Patience(stage.settings)

    def lane(caller: Caller) -> Lane:
        line = Line(client)
        moves = Moves(stage.scripts(client, caller.name, line), stage.clock, stage.settings, caller)
        return Lane(moves, Courier(client, stage.clock, rng, line=line))

    turns = Turns(
        bit=bit,
        board=board,
        lanes=list(map(lane, horse_callers)),
        clock=stage.clock,
        queues=queues,
        pace=Pace(stage.settings.prefetch, HOSTAGE_MS),
        hold_ms=patience.hold_ms,
        tell=stage.tell(process.name),
        watch=SimWatch(world, patience.stand_ms, stage.apply),
    )
    horse = Horse(
        bit=bit,
        turns=turns,
        board=board,
        means=Means(trade=trade, moves=moves, courier=courier, clock=stage.clock, rng=rng),
        speaker=Speaker(trade, moves, courier, stage.clock, stage.tell(process.name)),
        most_jobs=stage.settings.jobs_per_horse,
        looks_ahead=stage.settings.prefetch > 1,
    )

    def watch() -> int:
        while not (board.is_at_work and horse.is_out_of_time()):
            left_us = (board.stop_by_ms - stage.clock.boot_ms()) * 1_000 if board.is_at_work else 1_000_000
            world.wait(min(max(left_us, 5_000), 1_000_000))
        world.end(process, exit_code=LEASE_ENDED)
        return 0

    # The guard is a thread of the horse: what freezes the one freezes the other.
    world.spawn(process.name + ".guard", watch, thread_of=process)
    code = horse.serve()
    # Between its last word and its end a process still has things to do: what runs at exit.
    stage.clock.sleep(stage.goodbyes_s.get(process.name, 0.0))
    return code


class _NoPenalty(nullcontext[None]):
    """Stands for RQ's alarm: simulated bodies do not hang."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


class SimProducer:
    """App code that enqueues, one job after the other, and writes down what it was told."""

    def __init__(self, stage: Stage, name: str, orders: Sequence[dict[str, Any]]) -> None:
        self._stage = stage
        self._name = name
        self._orders = orders

    def start(self) -> None:
        """Begin to enqueue."""
        self._stage.producers.append(self._stage.world.spawn(self._name, self._live))

    def _live(self) -> int:
        stage = self._stage
        rng = stage.world.chance(self._name + "/queue")
        client = stage.connect()
        queues: dict[str, Queue] = {}
        for order in self._orders:
            stage.clock.sleep(order["after_s"])
            queue = queues.setdefault(
                order["queue"],
                Queue(order["queue"], connection=client, clock=stage.clock, rng=rng, settings=stage.settings),
            )
            self._enqueue(queue, order)
        return 0

    def _enqueue(self, queue: Queue, order: dict[str, Any]) -> None:
        history, world = self._stage.history, self._stage.world
        job_id = order["job_id"]
        history.note(world.now_us, self._name, "enqueue", job_id, detail=order["queue"])
        options: dict[str, Any] = {"job_id": job_id, "args": (job_id, order["body"]), "crashes": order.get("crashes")}
        if order.get("retries"):
            options["retry"] = Retry(max=order["retries"], interval=order["interval_s"])
        if order.get("repeats"):
            options["repeat"] = Repeat(times=order["repeats"], interval=order["every_s"])
        if "kept_s" in order:
            options |= {"result_ttl": order["kept_s"], "failure_ttl": order["kept_s"]}
        if order.get("timeout_s"):
            options["job_timeout"] = order["timeout_s"]
        try:
            if order.get("many"):
                queue.enqueue_many([Queue.prepare_data(BODY, options["args"], job_id=job_id)])
            elif order.get("in_s"):
                queue.enqueue_in(timedelta(seconds=order["in_s"]), BODY, **options)
            else:
                queue.enqueue(BODY, **options)
        except RedisAwayError:
            history.note(world.now_us, self._name, "unknown", job_id)
        else:
            history.note(world.now_us, self._name, "accepted", job_id)


#: Which function simulated jobs call.
BODY = "holdfast.chaos.simulation.work.body"
