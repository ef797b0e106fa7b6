"""Moments on records are RQ's to the last digit: a job object and its record are compared by tools and by tests."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq.utils import utcformat

from holdfast.jobs.store.records import stamp

NOW_S = 1_795_353_208


@given(st.floats(0, 4e9) | st.floats(NOW_S, NOW_S + 1))
def test_a_moment_is_written_as_rq_writes_it(wall_s):
    """Whatever its fraction: rounded in another way, one in a thousand would be another microsecond."""
    assert stamp(wall_s) == utcformat(datetime.fromtimestamp(wall_s, tz=UTC))


@pytest.mark.parametrize("fraction", [0.0, 0.000_000_4, 0.123_456_5, 0.999_999_4, 0.999_999_6, 0.999_999_9])
def test_a_moment_just_before_a_second_belongs_to_the_next(fraction):
    """With six digits, never seven."""
    assert stamp(NOW_S + fraction) == utcformat(datetime.fromtimestamp(NOW_S + fraction, tz=UTC))
