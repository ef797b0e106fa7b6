"""Pools around the fake, around the real server, and as many as a test needs."""

from contextlib import contextmanager

import fakeredis
import pytest

from holdfast.jobs.clock import SystemClock
from tests.moves.pool import Pool, RealPool


@pytest.fixture
def pool(either, request):
    """Give a pool around the fake, and around the real server."""
    if isinstance(either, fakeredis.FakeRedis):
        return Pool(either, request.getfixturevalue("clock"))
    return RealPool(either, SystemClock())


@pytest.fixture
def real_pool(redis):
    """Give a pool around the real server only, for what a fake cannot tell."""
    return RealPool(redis, SystemClock())


@pytest.fixture
def new_pool(new_world):
    """Give a function that opens a pool around a fake server of its own."""

    @contextmanager
    def make(scripts=lambda redis: None):
        with new_world() as (client, clock):
            yield Pool(client, clock, scripts=scripts(client))

    return make
