"""The simulation's two servers check each other: what a seed makes of the one it makes of the other.

SIMULATED_TWINS says how many seeds (10 at a desk, 30 in CI; 200 have been compared). Without redis-server and a C
compiler these tests are skipped, and say so; in CI they fail.
"""

import os

import pytest

from holdfast.chaos.simulation.batch import quiet
from holdfast.chaos.simulation.plan import plan_for
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.servers import RealServer, real_server_is_possible

IN_CI = bool(os.environ.get("CI"))
SEEDS = int(os.environ.get("SIMULATED_TWINS", "30" if IN_CI else "10"))
#: Seeds that one test runs: one start of a server serves them all.
CHUNK = 10

pytestmark = pytest.mark.skipif(
    not IN_CI and not real_server_is_possible(),
    reason="no redis-server or no C compiler (apt-get install redis-server gcc)",
)


@pytest.fixture(scope="module")
def real():
    with RealServer() as server:
        yield server


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_both_servers_make_the_same_history_of_a_seed(real, first):
    """Byte for byte, standard and hard in turn: a difference is a defect of one of them, or of our picture of it."""
    differing = []
    with quiet():
        for seed in range(first, min(first + CHUNK, SEEDS)):
            plan = plan_for(seed, hard=bool(seed % 2))
            on_fake, on_real = run_plan(plan), run_plan(plan, real=real)
            if on_fake.history.digest() != on_real.history.digest():
                differing.append(f"seed {seed}{' hard' if plan.hard else ''}: {_first_difference(on_fake, on_real)}")
    assert not differing, "\n".join(differing)


def _first_difference(one, other):
    for ours, theirs in zip(one.history.lines, other.history.lines, strict=False):
        if ours != theirs:
            return f"fakeredis {ours} · redis-server {theirs}"
    return "the same lines, other moves or ends"
