"""The shop: its orders can be read, and its ledger hides no charge."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from holdfast.examples.shop.ledger import Ledger
from holdfast.examples.shop.orders import Order, parse_orders, read_orders

HEADER = "order_id,customer,cents,item,queue\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


def test_every_order_of_the_shop_has_an_id_of_its_own() -> None:
    """Two orders with one id would share a job, and one customer would wait forever."""
    orders = read_orders()

    assert len({order.order_id for order in orders}) == len(orders) == 400


def test_a_third_of_the_orders_is_in_a_hurry() -> None:
    """Both queues have work, so that priority can be seen."""
    queues = [order.queue for order in read_orders()]

    assert set(queues) == {"high", "default"}
    assert queues.count("high") == pytest.approx(len(queues) / 3, rel=0.2)


def test_an_item_may_have_a_comma_in_its_name() -> None:
    """A quoted cell stays one cell."""
    text = HEADER + 'A-0001,Ada Berg,3890,"Enamel teapot, blue",high\n'

    assert parse_orders(text) == [Order("A-0001", "Ada Berg", 3890, "Enamel teapot, blue", "high")]


@pytest.mark.parametrize(
    "row",
    [
        "A-0002,Ada Berg,12.50,Mug,high",
        "A-0002,Ada Berg,0,Mug,high",
        "A-0002,Ada Berg,1250,Mug,urgent",
        "A:0002,Ada Berg,1250,Mug,high",
        "A-0002,Ada Berg,1250,Mug",
        "A-0002,Ada Berg,1250,Mug,high,today",
        "",
    ],
)
def test_a_row_that_is_no_order_is_named_with_its_line(row: str) -> None:
    """Whoever edits the file learns where to look, and what to write there."""
    text = HEADER + "A-0001,Ada Berg,1450,Mug,high\n" + row + "\n"

    with pytest.raises(ValueError, match=r"^Line 3 of the orders is not an order: \[.*\]\. Write ") as error:
        parse_orders(text)

    assert all(repr(cell) in str(error.value) for cell in row.split(",") if cell)


def test_orders_without_a_header_are_refused() -> None:
    """Without it the first order would be taken for the header, and never be fulfilled."""
    with pytest.raises(ValueError, match="Make the first line order_id,customer,cents,item,queue"):
        parse_orders("A-0001,Ada Berg,1450,Mug,high\n")


def test_a_ledger_that_never_charged_counts_nothing(ledger: Ledger) -> None:
    """A reader may come before the first worker."""
    assert ledger.rows_per_order() == {}
    assert ledger.find("key-1") is None


def test_a_charge_is_found_by_its_key(ledger: Ledger) -> None:
    """Someone in doubt asks with the key alone, and gets the receipt that the lost answer held."""
    ledger.charge("A-0001", 1450, idempotency_key="key-1")
    receipt = ledger.charge("A-0002", 3890, idempotency_key="key-2")

    assert ledger.find("key-2") == receipt
    assert ledger.find("key-3") is None


def test_a_double_charge_shows_up(ledger: Ledger) -> None:
    """The bank does not protect its customer from us, so a job that charges twice cannot hide."""
    first = ledger.charge("A-0001", 1450, idempotency_key="key-1")
    second = ledger.charge("A-0001", 1450, idempotency_key="key-1")
    ledger.charge("A-0002", 3890, idempotency_key="key-2")

    assert first != second
    assert ledger.find("key-1") == first
    assert ledger.rows_per_order() == {"A-0001": 2, "A-0002": 1}


def test_a_crowd_at_a_new_ledger_loses_no_charge(tmp_path: Path) -> None:
    """Workers start together, so they meet while the file is being made."""
    together = Barrier(8)

    def charge_some(worker: int) -> list[int]:
        together.wait(timeout=10)
        return [Ledger(tmp_path / "new.db").charge("A-0001", 1450, f"key-{worker}-{n}") for n in range(5)]

    with ThreadPoolExecutor(8) as crowd:
        receipts = [receipt for some in crowd.map(charge_some, range(8)) for receipt in some]

    assert len(set(receipts)) == 40
    assert Ledger(tmp_path / "new.db").rows_per_order() == {"A-0001": 40}
