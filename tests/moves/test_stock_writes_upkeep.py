"""Stock workers, schedulers and people with `rq` keep house around our jobs: none is lost, none runs twice."""

import pytest

from tests.moves import stock_deeds as deeds
from tests.moves.stock_cell import Cell
from tests.moves.stock_writes import UPKEEP, befall, cells


@pytest.mark.parametrize(("write", "state", "way"), list(cells(UPKEEP)))
def test_stock_upkeep_does_our_jobs_no_harm(redis, write, state, way):
    """FM-053, INV-05: none of them knows of leases."""
    befall(redis, write, state, way)


def test_a_stock_worker_may_run_beside_ours_what_a_stock_producer_enqueued_again(redis):
    """The one limit: it knows of no lease, and asks no claim of ours. Each ends its own run, as two stock ones do."""
    cell = Cell(redis, "running")
    deeds.enqueue(cell)
    deeds.work_in_burst(cell)
    assert cell.status() == "finished"
    cell.drive_to_the_end("completes")
    cell.judge(runs=0, ends="finished", cut_off=False)


def test_what_a_stock_worker_did_beside_one_that_died_is_not_taken_for_its_work(redis):
    """INV-01: both were enqueued, one was done."""
    cell = Cell(redis, "running")
    deeds.enqueue(cell)
    deeds.work_in_burst(cell)
    pool = cell.pool
    for _ in range(11):
        pool.time_passes(1_000)
        pool.reap()
    assert (cell.status(), pool.line()) == ("queued", ["job-1"])
