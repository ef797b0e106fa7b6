"""Real sweeps in tests: of our worker, or of one with a mistake that is to be found."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.chaos.server import NoServer
from holdfast.chaos.sweep.run import run_sweep
from holdfast.chaos.sweep.works import OURS


def mistaken(name, cast=OURS, **more):
    """Put a worker of broken_workers.py in place of a cast's, both of the hurt and of the healthy one."""
    name = f"broken_workers.{name}"
    environment = {**cast.environment, "PYTHONPATH": str(Path(__file__).parent)}
    return replace(cast, worker=name, healthy_worker=name, environment=environment, **more)


def run(only, cast=OURS, jobs=1):
    """Run a slice of the sweep, or skip where no server can be started."""
    try:
        return run_sweep(only, cast=cast, jobs=jobs)
    except NoServer as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
