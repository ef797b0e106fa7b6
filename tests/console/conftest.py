"""The command line beside a pool on a private server."""

import pytest
from click.testing import CliRunner

from holdfast.console.cli import main
from holdfast.jobs.clock import SystemClock
from tests.moves.pool import RealPool


@pytest.fixture
def pool(redis):
    """Give a pool around the real server: jobs are made and ended by moves."""
    return RealPool(redis, SystemClock())


@pytest.fixture
def holdfast(redis, server, monkeypatch):
    """Give a function that runs `holdfast WORD...` on that server."""
    monkeypatch.setenv("HOLDFAST_REDIS_URL", server.url)

    def run(*words, **more):
        return CliRunner().invoke(main, [*map(str, words)], **more)

    return run
