"""The shop's report: it says yes only when every order is finished and was charged once."""

import pytest
from click.testing import CliRunner

from holdfast.examples.shop import produce, report
from holdfast.examples.shop.ledger import Ledger
from holdfast.examples.shop.orders import read_orders
from holdfast.examples.shop.report import Standing
from holdfast.jobs.store import keys

DONE = {"A-1": "finished", "A-2": "finished"}


@pytest.fixture
def shop(server, redis, monkeypatch, tmp_path):
    """Give a function that runs one of the shop's commands as its container would."""
    monkeypatch.setenv("RQ_REDIS_URL", server.url)
    monkeypatch.setenv("ORDERS", "3")
    monkeypatch.setenv("SHOP_LEDGER", str(tmp_path / "ledger.db"))
    return lambda module, *words: CliRunner().invoke(module.main, words)


@pytest.mark.parametrize(
    ("statuses", "charges", "is_done"),
    [
        (DONE, {"A-1": 1, "A-2": 1}, True),
        (DONE, {"A-1": 1}, False),
        (DONE, {"A-1": 1, "A-2": 2}, False),
        (DONE, {"A-1": 1, "A-2": 1, "A-3": 1}, False),
        (DONE | {"A-2": "failed"}, {"A-1": 1, "A-2": 1}, False),
        (DONE | {"A-2": "started"}, {"A-1": 1, "A-2": 1}, False),
        ({}, {}, False),
    ],
)
def test_only_finished_and_charged_once_is_done(statuses, charges, is_done):
    """An order too many is as wrong as one that is missing."""
    assert Standing(statuses, charges).is_done is is_done


def test_the_first_so_many_orders_are_enqueued_and_told_of(shop, redis):
    """ORDERS is the same for both, so that an order with no record shows."""
    assert shop(produce).output == "enqueued 3 orders\n"
    redis.delete(keys.job(produce.job_id_of(read_orders()[0])))
    told = shop(report)
    assert told.output == "3 orders: 1 no record, 2 queued; 0 charged once, 0 more than once\n"
    assert told.exit_code == 1


def test_the_report_ends_well_when_all_is_done(shop, redis, tmp_path):
    """So that a script may go on from there."""
    shop(produce)
    for order in read_orders()[:3]:
        redis.hset(keys.job(produce.job_id_of(order)), "status", "finished")
        Ledger(tmp_path / "ledger.db").charge(order.order_id, order.cents, "key")
    told = shop(report, "--within", "5")
    assert told.output == "3 orders: 3 finished; 3 charged once, 0 more than once\n"
    assert told.exit_code == 0


@pytest.mark.parametrize("module", [produce, report], ids=["produce", "report"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("unix:///nowhere/redis.sock", "Redis cannot be asked: "),
        ("redis://:sec/ret@localhost:6379", "that is no address of a Redis"),
        ("shop", "that is no address of a Redis"),
    ],
)
def test_a_redis_that_is_not_there_is_a_sentence(shop, monkeypatch, module, url, said):
    """Whoever tries the shop has not started everything yet."""
    monkeypatch.setattr("holdfast.jobs.store.way_in._PATIENCE_MS", 100)
    done = shop(module, url)
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1, done.output
    assert done.output.startswith(f"Error: {said}")
    assert "sec" not in done.output


def test_a_report_without_its_bank_says_what_to_set(shop, monkeypatch):
    """As the workers say it in their log."""
    monkeypatch.delenv("SHOP_LEDGER")
    done = shop(report)
    assert done.exit_code == 1
    assert done.output.startswith("Error: SHOP_LEDGER is not set")
