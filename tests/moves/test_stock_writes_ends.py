"""A person ends a job with RQ's own tools: it stays ended, whatever state it was in, and leaves nothing behind."""

import pytest

from tests.moves.stock_writes import ENDS, befall, cells


@pytest.mark.parametrize(("write", "state", "way"), list(cells(ENDS)))
def test_what_a_person_ended_with_stock_tools_stays_ended(redis, write, state, way):
    """FM-050, INV-06: what the holder says afterwards is void, and what others waited for is as RQ has it."""
    befall(redis, write, state, way)
