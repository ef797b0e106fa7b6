"""The orders the shop has taken."""

import csv
import re
from dataclasses import dataclass
from importlib.resources import files

COLUMNS = ["order_id", "customer", "cents", "item", "queue"]
# An order id becomes part of a job id, where RQ allows only letters, digits, _ and -.
ORDER_ID = re.compile(r"[A-Z]-[0-9]{4}")
CENTS = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Order:
    """What a customer bought, for how many cents, and the queue it waits in: high or default."""

    order_id: str
    customer: str
    cents: int
    item: str
    queue: str


def read_orders() -> list[Order]:
    """Read the orders that come with the shop, `orders.csv`, in the order they were taken."""
    return parse_orders(files("holdfast.examples.shop").joinpath("orders.csv").read_text(encoding="utf-8"))


def parse_orders(text: str) -> list[Order]:
    """Read orders from CSV text whose first line is `order_id,customer,cents,item,queue`.

    Raises ValueError at the first line that is not an order.
    """
    rows = csv.reader(text.splitlines())
    header = next(rows, [])
    if header != COLUMNS:
        raise ValueError(f"Orders start with {header}. Make the first line {','.join(COLUMNS)}")
    return [_order(row, rows.line_num) for row in rows]


def _order(row: list[str], line: int) -> Order:
    match row:
        case [order_id, customer, cents, item, "high" | "default" as queue]:
            if ORDER_ID.fullmatch(order_id) and CENTS.fullmatch(cents):
                return Order(order_id, customer, int(cents), item, queue)
    raise ValueError(
        f"Line {line} of the orders is not an order: {row}. Write {','.join(COLUMNS)}: "
        "an id like A-0001, a whole number of cents above 0, and queue high or default"
    )
