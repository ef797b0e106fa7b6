"""One run on real processes: prepare, let the storm pass, wait for calm, and judge."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import redis
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.chaos.processes import report
from holdfast.chaos.processes.accounts import decide_between
from holdfast.chaos.processes.evidence import Evidence, write
from holdfast.chaos.processes.fleet import SETTINGS, Fleet, Wire, environment, make_places
from holdfast.chaos.processes.nemesis import Nemesis, Pool, Strike
from holdfast.chaos.processes.outcome import Witness, decide
from holdfast.chaos.processes.outside import Outside
from holdfast.chaos.processes.plan import JOBS, MINUTES, PREFETCH, PRODUCER, WORKERS, Plan, wired
from holdfast.chaos.processes.producer import Producer, open_queues
from holdfast.chaos.processes.seat import Seat
from holdfast.chaos.proxy import FaultProxy
from holdfast.chaos.timeline import timeline
from holdfast.jobs.store.scripts import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from holdfast.chaos.processes.accounts import Cost
    from holdfast.chaos.processes.family import Family
    from holdfast.chaos.processes.fleet import Place
    from holdfast.chaos.processes.migration import Goal
    from holdfast.chaos.processes.workload import Order
    from holdfast.chaos.verdict import Verdict

#: Once all faults are healed: how long it may take from the end of one job to the end of the next. As long as jobs
#: end, whoever is slow is not stuck. Stock RQ thinks a job dead after 61 s at the earliest.
PATIENCE_S, STOCK_PATIENCE_S = 60, 180
_STEP_S = 0.02
_COUNT_S = 0.5
_REPLY_S = 0.25
_HOME_S = SETTINGS.grace_ms / 1_000 + 2


def run_processes(
    seed: int,
    *,
    jobs: int = JOBS,
    minutes: float = MINUTES,
    workers: int = WORKERS,
    stock: bool = False,
    lossy: bool = False,
    goal: Goal | None = None,
    prefetch: int = PREFETCH,
    folder: Path,
    console: Console,
) -> Verdict:
    """Run real workers through a storm of faults and judge what is left. Call it from the main thread.

    `folder` is made, and must not be there; it keeps plan.json, history.jsonl, verdict.json, timeline.html and every
    log. `stock`: the same jobs and faults for RQ's own worker. `lossy`: now and then the server forgets up to three
    seconds of what it has acknowledged; what was lost so is listed, and all else is judged as ever. `goal`: half of the
    workers are stock, all are only killed, and halfway this kind takes the places of the other; what stock RQ alone
    cost is listed. `prefetch`: how many jobs a worker of ours may have in hand.

    Takes `minutes`, and then until the last job is over, or none has been for a minute; with stock workers, for three.
    Raises NoServer, NotStarted, FileExistsError.
    """
    plan = Plan.draw(seed, jobs=jobs, minutes=minutes, workers=workers, lossy=lossy, goal=goal, prefetch=prefetch)
    return run_plan(plan, stock=stock, folder=folder, console=console)


def run_plan(plan: Plan, *, stock: bool = False, folder: Path, console: Console) -> Verdict:
    """Run this plan, drawn or made by hand, as `run_processes` does."""
    folder = folder.absolute()  # where a worker stands is not where we do
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    head = report.headline(plan, is_stock=stock, is_lossy=any(strike.fault.is_lossy for strike in plan.strikes))
    report.say(console, head)
    report.introduce(console, plan, folder, is_stock=stock)
    with _scene(plan, folder, console, is_stock=stock) as scene:
        scene.play()
        verdict = scene.judge()
    history = scene.evidence.history
    write(history, folder / "history.jsonl")
    (folder / "verdict.json").write_text(json.dumps({"run": head} | verdict.to_json(), indent=1), encoding="utf-8")
    (folder / "timeline.html").write_text(timeline(history, head, verdict), encoding="utf-8")
    if plan.goal:
        report.tell_costs(console, scene.costs)
    report.conclude(console, verdict, history, head, folder)
    return verdict


@contextmanager
def _scene(plan: Plan, folder: Path, console: Console, *, is_stock: bool) -> Iterator[Scene]:
    """Start the server, the proxies and the fleet; end them, the last one first, however it goes."""
    outside = Outside(folder)
    outside.make()
    with ExitStack() as stack:
        kinds = {strike.fault.name for strike in plan.strikes}
        seat = stack.enter_context(Seat(folder, on_small_disk="fill-disk" in kinds))
        admin = stack.enter_context(seat.server.client(socket_timeout=_REPLY_S, socket_connect_timeout=_REPLY_S))
        wires = {name: Wire(stack.enter_context(FaultProxy(("127.0.0.1", seat.port)))) for name in wired(plan.workers)}
        places = make_places(plan.workers, seat.server.url, wires, is_stock=is_stock, goal=plan.goal)
        fleet = Fleet(places, folder, environment(folder, plan.settings))
        stack.callback(fleet.kill)
        # As RQ's first page has it: for stock, a client that sends again by itself; ours is derived from it.
        app = stack.enter_context(redis.Redis(host="127.0.0.1", port=wires[PRODUCER].proxy.port))
        evidence = Evidence(admin, outside)
        # Only stock workers are behind a proxy in a fleet of both kinds.
        told_by = is_stock_move if is_stock or plan.goal else partial(is_move, _shas())
        pool = Pool(seat, admin, fleet, wires, told_by)
        yield Scene(plan, fleet, evidence, pool, app, console, is_stock=is_stock)


class Scene:
    """Everything that goes on in a run, stepped in one thread. The producer has one of its own."""

    def __init__(
        self,
        plan: Plan,
        fleet: Fleet,
        evidence: Evidence,
        pool: Pool,
        app: redis.Redis,
        console: Console,
        *,
        is_stock: bool,
    ) -> None:
        self.evidence = evidence
        self._plan = plan
        self._fleet = fleet
        self._pool = pool
        self._console = console
        self._is_stock = is_stock
        kinds = (True, False) if plan.goal else (is_stock,)
        self._producers = [
            Producer(
                [order for order in plan.orders if not plan.goal or order.is_plain is plain],
                open_queues(app, SETTINGS, is_stock=plain),
                self._on_enqueue,
                is_stock=plain,
            )
            for plain in kinds
        ]
        self._nemesis = Nemesis(pool, plan.strikes, self._on_strike)
        self._tally = _Tally(evidence, may_forget=any(strike.fault.is_lossy for strike in plan.strikes))
        self._calm_from_us = 0
        self._unasked_ends = 0
        #: What was stock RQ's doing, in a run with both kinds of workers.
        self.costs: list[Cost] = []

    def play(self) -> None:
        """Let the storm pass, then wait until every job is over or patience is."""
        with _progress(self._console) as progress:
            task = progress.add_task("storm", total=len(self._plan.orders))
            for producer in self._producers:
                producer.start()
            try:
                for phase in self._phases():
                    self._step()
                    progress.update(task, description=phase, completed=self._tally.over)
            finally:
                self._nemesis.heal_all()
                for producer in self._producers:
                    producer.stop()

    def _phases(self) -> Iterator[str]:
        while not (self._nemesis.is_over and self.evidence.now_us() >= self._plan.storm_ms * 1_000):
            yield f"storm, {len(self._plan.strikes)} faults"
        self._calm_from_us, calm_from = self.evidence.now_us(), time.monotonic()
        patience_s = STOCK_PATIENCE_S if self._is_stock or self._plan.goal else PATIENCE_S
        while time.monotonic() < max(calm_from, self._tally.grew_at) + patience_s:
            yield "calm"
            if not any(producer.is_alive() for producer in self._producers) and self._tally.is_complete:
                return

    def _step(self) -> None:
        self._nemesis.step(self.evidence.now_us() // 1_000)
        for place, ended in self._fleet.step():
            self._on_end(place, ended)
        self.evidence.look(self._fleet.families)
        self._tally.look()
        time.sleep(_STEP_S)

    def judge(self) -> Verdict:
        """Send the workers home, and judge what there is then."""
        self._fleet.stop(_HOME_S)
        for wire in self._pool.wires.values():
            wire.proxy.check()
        history = self.evidence.close(self._fleet.families, {order.job_id for order in self._plan.orders})
        evidence = self.evidence
        witness = Witness(
            self._calm_from_us, evidence.moves_made, tuple(evidence.on_record()), unasked_ends=self._unasked_ends
        )
        if self._plan.goal:
            words = evidence.last_words(job for job, place in history.final.items() if place.status == "failed")
            verdict, self.costs = decide_between(history, self._plan, witness, words, evidence.started_ms)
            return verdict
        return decide(history, self._plan, witness, is_stock=self._is_stock)

    def _on_enqueue(self, order: Order, did: str, detail: str) -> None:
        self.evidence.note(PRODUCER, did, order.job_id, detail=detail)
        if did == "accepted":
            self._tally.add(order.job_id)

    def _on_strike(self, strike: Strike, did: str, why: str) -> None:
        # The number joins a fault with its healing.
        self.evidence.note(strike.fault.target, did, execution=strike.name, detail=str(strike))
        if did != "healed":
            report.tell_strike(self._console, self.evidence.now_us(), strike, did, why)

    def _on_end(self, place: Place, ended: Family) -> None:
        self.evidence.note(ended.name, "ended", detail=f"exit code {ended.exit_code}")
        if not ended.is_doomed:
            self._unasked_ends += 1
            self.evidence.note(ended.name, "ended unasked", detail=f"exit code {ended.exit_code}")
            report.tell_end(self._console, self.evidence.now_us(), place.name, ended)


class _Tally:
    """Which of the accepted jobs are still open, asked of the server now and then."""

    def __init__(self, evidence: Evidence, *, may_forget: bool) -> None:
        self._evidence = evidence
        self._may_forget = may_forget
        self._accepted: list[str] = []
        self._taken = 0
        self._open: dict[str, bool] = {}
        self._look_at = 0.0
        self.over = 0
        #: When one more was seen to be over.
        self.grew_at = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all that are known were looked at, and none is open."""
        # Of what the server has forgotten nothing more will come.
        is_open = any(self._open.values()) if self._may_forget else bool(self._open)
        return self._taken == len(self._accepted) and not is_open

    def add(self, job: str) -> None:
        """Know one more. Called by the producer's thread."""
        self._accepted.append(job)

    def look(self) -> None:
        """Ask, if it is time to."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _COUNT_S
        fresh = self._accepted[self._taken :]
        self._taken += len(fresh)
        self._open |= dict.fromkeys(fresh, True)
        try:
            self._open = self._evidence.open_of(self._open)
        except redis.RedisError:
            return
        over = self._taken - len(self._open)
        if over > self.over:
            self.grew_at = time.monotonic()
        self.over = over


def _shas() -> dict[bytes, str]:
    return {script.sha.encode(): move for move, script in load(record=True).items()}


def is_move(shas: dict[bytes, str], move: str, words: tuple[bytes, ...]) -> bool:
    """Tell whether a request runs the script of this move."""
    return len(words) > 1 and words[0].upper() == b"EVALSHA" and shas.get(words[1]) == move


def is_stock_move(move: str, words: tuple[bytes, ...]) -> bool:
    """Tell whether a request is what a stock worker sends where ours would make this move, or its *result* of a job."""
    word = words[0].upper()
    if move == "claim":
        return word in {b"BLPOP", b"LPOP", b"BLMOVE", b"LMOVE"}
    # A result stands in the transaction that ends a job, and in no other.
    return word == (b"XADD" if move == "result" else b"EXEC")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("jobs over"))
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
