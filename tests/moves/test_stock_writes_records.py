"""An app writes on a job's record with RQ's own objects, fresh or stale: the job is neither lost nor run again."""

import pytest

from tests.moves.stock_writes import RECORDS, befall, cells


@pytest.mark.parametrize(("write", "state", "way"), list(cells(RECORDS)))
def test_what_an_app_writes_on_a_record_neither_loses_the_job_nor_runs_it_again(redis, write, state, way):
    """FM-053, INV-01: RQ's `save()` writes the status too, as it was when the object was read."""
    befall(redis, write, state, way)
