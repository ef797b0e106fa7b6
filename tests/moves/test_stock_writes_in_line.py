"""Stock RQ puts a job of ours in line, in any state: it runs as often as was asked for, and never beside itself."""

import pytest

from tests.moves.stock_writes import IN_LINE, befall, cells


@pytest.mark.parametrize(("write", "state", "way"), list(cells(IN_LINE)))
def test_a_job_that_stock_rq_puts_in_line_runs_as_often_as_asked_and_not_beside_itself(redis, write, state, way):
    """FM-053, INV-02: a producer that knows no leases, a person with `rq requeue`, a nightly id triggered twice."""
    befall(redis, write, state, way)
