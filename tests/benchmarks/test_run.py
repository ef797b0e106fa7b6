"""A run from end to end on a private server, with this environment's own Python for all systems."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import redis as redis_py

from benchmarks import environments, wire
from benchmarks.cast import SYSTEMS, System
from benchmarks.figures import Results
from benchmarks.machine import Cores, idle, warning
from benchmarks.plan import Plan
from benchmarks.relay import Relay
from benchmarks.report import report
from benchmarks.rounds import Rounds, rotated
from benchmarks.stage import NotRun, Stage

pytestmark = pytest.mark.processes

#: Nothing is pinned: other tests run beside this one.
ONE_CORE = Cores((0,))
FLOOR = next(system for system in SYSTEMS if system.adapter == "floor" and system.mode == "10")
REFUSED = System("holdfast, refused", "holdfast", "Queue", {"HOLDFAST_LEASE_MS": "1"}, words="refused")
MISSING = System("nobody", "floor", "1", environment="nowhere", words="missing")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Let every environment but `nowhere` be this one: no peer need be installed."""
    where = {"nowhere": Path("/nowhere/bin/python")}
    monkeypatch.setattr(environments, "python", lambda name: where.get(name, Path(sys.executable)))


def run(*systems, **words):
    results, steps = Results({}), []
    plan = Plan(systems=systems, rounds=1, drain_s=0.02, ones=20, many=20, wired=200, **words)
    rounds = Rounds(plan, ONE_CORE, results, steps.append)
    rounds.run()
    assert len(steps) == rounds.steps()
    return results


def test_a_system_is_drained_and_its_trips_are_counted():
    """Ten jobs a trip are a tenth of a trip for each, and a little for the ends."""
    results = run(FLOOR, measures=("enqueue", "drain", "wire"))
    figures = results.of(FLOOR.name)
    assert not figures.not_run
    assert figures.median("drain 1") > 0
    assert figures.median("enqueue many") > 0
    assert figures.median("trips enqueue") == 1
    assert 0.05 < figures.median("trips run") < 0.3
    assert figures.median("server us") > 0


def test_a_drain_is_on_a_server_as_it_comes_and_some_are_on_one_that_writes_its_log(monkeypatch):
    """Two tables, of two measures."""
    logged, enter = [], Stage.__enter__

    def watched(stage):
        entered = enter(stage)
        logged.append(entered.redis.config_get("appendonly")["appendonly"])
        return entered

    monkeypatch.setattr(Stage, "__enter__", watched)
    results = run(replace(FLOOR, measures=frozenset({"drain", "logged"})), measures=("drain", "logged"))
    assert set(logged) == {"no", "yes"}
    assert logged == sorted(logged)
    page = report(results)
    titles = [line for line in page.splitlines() if line.startswith("## Draining")]
    assert [title.partition(": ")[2] for title in titles] == [
        "the server as it comes",
        "with its log on (appendfsync everysec)",
    ]
    assert page.count(f"| {FLOOR.name} |") == 2


def test_all_else_is_measured_with_the_log_on():
    """What is to be kept is kept by a log."""
    with Stage(FLOOR, ONE_CORE) as stage:
        assert stage.redis.config_get("appendonly")["appendonly"] == "yes"


def test_a_system_that_refuses_its_settings_is_said_to_be_not_run():
    """With its own last words, and without a number."""
    page = report(run(REFUSED, measures=("drain",)))
    assert "- **holdfast, refused**, drain: its client ended" in page
    assert "HOLDFAST_LEASE_MS (lease_ms) is 1: it must exceed" in page
    assert "Draining" not in page


def test_a_system_that_is_not_installed_is_said_to_be_not_run():
    """With what to do."""
    page = report(run(MISSING, measures=("drain", "recovery")))
    assert "- **nobody**, drain: /nowhere/bin/python is missing: python3 -m benchmarks.environments nowhere" in page


def test_a_worker_that_dies_is_seen():
    """Rather than waited for."""
    with Stage(replace(FLOOR, mode="none"), ONE_CORE) as stage:
        stage.start_workers(1)
        stage._workers[0].wait(20)
        with pytest.raises(NotRun, match=r"status 1: ValueError: invalid literal"):
            stage.check_workers()


def test_a_relay_counts_what_was_written_after_an_answer(server):
    """A pipeline is one trip, however many commands it has."""
    with Stage(FLOOR, ONE_CORE) as stage, Relay(stage.server.port) as relay:
        client = redis_py.Redis.from_url(relay.url)
        client.ping()
        before = len(relay.trips)
        client.ping()
        pipe = client.pipeline(transaction=False)
        for _ in range(50):
            pipe.ping()
        pipe.execute()
        assert len(relay.trips) == before + 2
        client.close()


def test_the_trips_of_an_enqueue_are_the_clients_own():
    """RQ's single enqueue takes two: the queue's name, and the job with its place."""
    rq = next(system for system in SYSTEMS if system.name == "rq.SimpleWorker")
    with Stage(rq, ONE_CORE) as stage:
        assert wire.of_enqueue(stage) == 2


def test_each_round_begins_with_another_system():
    """So that nobody is always the one after the slowest."""
    names = ["a", "b", "c", "d"]
    assert [rotated(names, number, 2) for number in range(2)] == [["a", "b", "c", "d"], ["c", "d", "a", "b"]]


def test_a_busy_machine_is_said_to_have_been_one():
    """Its ratios are not those of a quiet one."""
    assert "load 6.10" in warning("6.10 3.00 1.00")
    assert not warning("0.10 3.00 1.00")


@pytest.mark.parametrize(
    ("governor", "polls_ns", "says"),
    [
        ("haltpoll", "0", "haltpoll, guest_halt_poll_ns 0"),
        ("haltpoll", "200000", "haltpoll, guest_halt_poll_ns 200000"),
        ("menu", "200000", "menu"),  # the number is there, and means nothing
        (None, None, "unknown"),
    ],
)
def test_the_head_says_what_an_idle_core_does(tmp_path, governor, polls_ns, says):
    """With one job in hand the server's core is idle once a trip, and its waking is in every number."""
    for file, text in (
        ("devices/system/cpu/cpuidle/current_governor", governor),
        ("module/haltpoll/parameters/guest_halt_poll_ns", polls_ns),
    ):
        if text is not None:
            (tmp_path / file).parent.mkdir(parents=True)
            (tmp_path / file).write_text(f"{text}\n", "utf-8")
    assert idle(tmp_path) == says
