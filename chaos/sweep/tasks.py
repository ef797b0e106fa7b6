"""What the sweep's jobs do. Workers import this by name; it must hold whatever kills them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.examples.shop.ledger import Ledger
from holdfast.jobs import DidNotHappen, Effect, Happened, effect

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longer than any case lasts: a gate that stays shut ends its job as failed, and the case with it.
_GATE_S = 60


def gate(folder: str, stage: int) -> Path:
    """Name the file whose being there lets a job go on from a stage."""
    return Path(folder, f"gate-{stage}")


def arrival(folder: str, stage: int) -> Path:
    """Name the file by which a job says that it waits at a gate."""
    return Path(folder, f"arrival-{stage}")


def pass_gate(folder: str, stage: int) -> None:
    """Wait until the sweep has seen the requests it wanted to see in this stage."""
    arrival(folder, stage).touch()
    until = time.monotonic() + _GATE_S
    while not gate(folder, stage).exists():
        if time.monotonic() > until:
            raise TimeoutError(f"gate {stage} in {folder} stayed shut for {_GATE_S} s: the sweep is gone or stuck")
        time.sleep(0.005)


def plain(folder: str) -> str:
    """Change nothing in the world."""
    pass_gate(folder, 1)
    return "done"


def charge_or_stop(folder: str, ledger: str) -> int:
    """Charge once; when an earlier attempt left doubt about that, stop."""
    with effect("charge") as charge:
        _charge(charge, folder, ledger)
    pass_gate(folder, 2)
    return int(charge.value)


def charge_or_ask(folder: str, ledger: str) -> int:
    """Charge once; when an earlier attempt left doubt about that, ask the bank."""
    with effect("charge", on_doubt=_asker(ledger)) as charge:
        _charge(charge, folder, ledger)
    pass_gate(folder, 2)
    return int(charge.value)


def charge_as_it_comes(folder: str, ledger: str) -> int:
    """Charge without any care, as a job of a stock worker does."""
    return Ledger(ledger).charge(folder, 500, idempotency_key=folder)


def _charge(charge: Effect, folder: str, ledger: str) -> None:
    if charge.first:
        charge.value = Ledger(ledger).charge(folder, 500, idempotency_key=charge.key)
        pass_gate(folder, 1)


def _asker(ledger: str) -> Callable[[Effect], Happened | DidNotHappen]:
    def ask(charge: Effect) -> Happened | DidNotHappen:
        receipt = Ledger(ledger).find(charge.key)
        return DidNotHappen() if receipt is None else Happened(receipt)

    return ask
