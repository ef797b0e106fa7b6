"""The shop's one job."""

import logging
import os
import time

from holdfast.examples.shop.ledger import Ledger
from holdfast.jobs import DidNotHappen, Effect, Happened, effect

logger = logging.getLogger(__name__)


def ledger() -> Ledger:
    """Return the bank's ledger, the file that SHOP_LEDGER names.

    Raises RuntimeError when SHOP_LEDGER is not set.
    """
    path = os.environ.get("SHOP_LEDGER")
    if not path:
        raise RuntimeError(
            "SHOP_LEDGER is not set, so there is no bank to charge. "
            "Start every worker with the same file in it: SHOP_LEDGER=/tmp/shop.db"
        )
    return Ledger(path)


def ask_ledger(charge: Effect) -> Happened | DidNotHappen:
    """Tell whether an attempt that died half-way had charged the order: the bank knows."""
    receipt = ledger().find(charge.key)
    return DidNotHappen() if receipt is None else Happened(receipt)


def fulfil(order_id: str, cents: int) -> int:
    """Charge an order once, then pack it. Return the receipt, however many attempts it took."""
    with effect("charge", on_doubt=ask_ledger) as charge:
        if charge.first:
            charge.value = ledger().charge(order_id, cents, idempotency_key=charge.key)
    pack(order_id)
    receipt: int = charge.value
    return receipt


def pack(order_id: str) -> None:
    """Put the order in a box, which takes SHOP_PACK_MS milliseconds (20 when it is not set)."""
    time.sleep(int(os.environ.get("SHOP_PACK_MS", "20")) / 1000)
    logger.info("packed %s", order_id)
