"""When the server's moves were made, by the world's clock: its own, that they carry, may have jumped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.chaos.simulation.servers import EPOCH_US

if TYPE_CHECKING:
    from holdfast.chaos.history import History
    from holdfast.chaos.simulation.run import Run


def world_ms(run: Run) -> list[int]:
    """Give for each move of a run when it was made, in ms from the run's start."""
    jumps = [(0, 0)]
    for strike, line in zip(run.strikes, run.history.of("fault"), strict=False):
        if strike.fault in {"clock-forward", "clock-back"}:
            by_us = strike.arguments[0] * (1_000 if strike.fault == "clock-forward" else -1_000)
            jumps.append((line.us, jumps[-1][1] + by_us))
    now_us, at, found = 0, 0, []
    for move in run.history.moves:
        server_us = move.ms * 1_000 - EPOCH_US
        # A move after the next jump shows a time that it could not have shown before.
        while at + 1 < len(jumps) and not _fits(server_us - jumps[at][1], now_us, jumps[at + 1][0]):
            at += 1
        now_us = max(now_us, server_us - jumps[at][1])
        found.append(now_us // 1_000)
    return found


def in_world_time(run: Run) -> History:
    """Give the run's history with its moves dated so."""
    moves = [replace(move, ms=ms) for move, ms in zip(run.history.moves, world_ms(run), strict=True)]
    return replace(run.history, moves=moves)


def _fits(us: int, from_us: int, to_us: int) -> bool:
    return from_us - 1_000 <= us <= to_us
