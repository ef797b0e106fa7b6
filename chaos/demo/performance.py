"""The demo: a shop's orders on three real workers, hurt on purpose and watched live, and a verdict at the end."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

import redis
from rich.console import Console

from holdfast.chaos.demo.faults import Plan
from holdfast.chaos.demo.judge import Evidence, judge
from holdfast.chaos.demo.run import Run
from holdfast.chaos.demo.server import GivenServer, Occupied, tidy
from holdfast.chaos.demo.view import Lines, Picture, View, print_verdict
from holdfast.chaos.server import NoServer, NotStarted, PrivateServer
from holdfast.examples.shop.orders import Order, read_orders
from holdfast.jobs import HoldfastError
from holdfast.jobs.clock import Clock, SystemClock
from holdfast.jobs.store.door import client_from, explained

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: With fewer, a worker may hold nothing at the moment it is to be hurt.
FEWEST_ORDERS = 12
# From the first line of `demo` until the verdict on what there is then. What follows takes a few seconds more.
_PATIENCE_MS = 50_000
_SMALLEST_PICTURE = (72, 20)
_COULD_NOT_RUN = 2


class CannotRun(Exception):
    """The demo was asked for what it cannot do."""


def demo(
    *, orders: int | None = None, redis_url: str | None = None, seed: int | None = None, plain: bool = False
) -> int:
    """Run the demo in less than a minute and give its exit status. Call it from the main thread.

    `orders`: how many of the shop's 400, at least 12; all unless told. `redis_url`: a server that is there, on which
    the queues `high` and `default` must be empty and unserved; unless told, a private one is started. `seed`: whom to
    hurt, and when; drawn unless told. `plain`: lines in place of a live picture, as where there is no terminal.

    0: every promise held. 1: one did not; the evidence is kept. 2: it could not run. 130: interrupted.
    """
    console = Console()
    try:
        with _signals_tidy_up():
            seed = random.randrange(10_000) if seed is None else seed
            return _perform(_take(orders), redis_url, seed, console, SystemClock(), plain=plain)
    except (CannotRun, HoldfastError, NoServer, NotStarted, Occupied, redis.RedisError) as error:
        Console(stderr=True).print(f"The demo could not run: {error}", style="bold red", markup=False, soft_wrap=True)
        return _COULD_NOT_RUN
    except KeyboardInterrupt:
        console.print("Interrupted. All that the demo started is gone.", highlight=False)
        return 128 + signal.SIGINT


def _perform(
    shop: list[Order], redis_url: str | None, seed: int, console: Console, clock: Clock, *, plain: bool
) -> int:
    began_ms = clock.boot_ms()
    # The last one in is the first one out: workers end before their server does, and both before the folder.
    with ExitStack() as stack:
        folder = stack.enter_context(_RunFolder(console))
        server = _given(redis_url) if redis_url else PrivateServer(folder.path / "server", unix_socket=True)
        with explained(server.client):
            stack.enter_context(server)
        run = Run(shop, folder.path, server.url, stack.enter_context(server.client()))
        if redis_url:
            stack.callback(tidy, run.scene)
        stack.callback(run.fleet.kill)
        view = _choose_view(console, run.header(seed), plain=plain)
        run.play(view, Plan.draw(seed, len(shop)), clock, began_ms + _PATIENCE_MS)
        evidence = run.evidence()
        findings = judge(evidence)
        print_verdict(console, evidence, findings, f"seed {seed}, {(clock.boot_ms() - began_ms) / 1000:.1f} s")
        if not any(finding.trouble for finding in findings):
            return 0
        folder.keep(evidence)
        return 1


def _given(redis_url: str) -> GivenServer:
    """Take a server that is there. Raises Unreachable for an address that is none."""
    server = GivenServer(redis_url)
    client_from(server.client, "--redis-url")
    return server


def _take(orders: int | None) -> list[Order]:
    everything = read_orders()
    if orders is not None and not FEWEST_ORDERS <= orders <= len(everything):
        raise CannotRun(
            f"{orders} orders were asked for. The shop has {len(everything)}, and with fewer than {FEWEST_ORDERS} "
            f"there may be none left to hurt a worker over. Ask for a number between the two."
        )
    return everything[:orders]


def _choose_view(console: Console, header: list[str], *, plain: bool) -> View:
    width, height = _SMALLEST_PICTURE
    if plain or not console.is_terminal or console.is_dumb_terminal or console.width < width or console.height < height:
        return Lines(console, header)
    return Picture(console, header)


class _RunFolder:
    """Where the server, the ledger and the logs of one run are; removed at its end unless somebody wants them."""

    def __init__(self, console: Console) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
        self._console = console
        self._is_wanted = False

    def keep(self, evidence: Evidence) -> None:
        """Leave it where it is, with the moves beside the logs."""
        self._is_wanted = True
        moves = "".join(json.dumps(asdict(move)) + "\n" for move in evidence.moves)
        (self.path / "moves.jsonl").write_text(moves, encoding="utf-8")
        self._console.print(f"Moves, logs and ledger are kept in {self.path}", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_wanted:
            shutil.rmtree(self.path)


@contextmanager
def _signals_tidy_up() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: with everything it started."""

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
