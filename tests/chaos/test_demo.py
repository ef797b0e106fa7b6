"""The demo hurts real workers and says yes; its judge says no whenever a promise was broken."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.chaos.demo import performance as demo_module
from holdfast.chaos.demo.judge import Evidence, Farewell, Harm, judge
from holdfast.chaos.demo.performance import FEWEST_ORDERS, demo
from holdfast.chaos.demo.server import GivenServer, Occupied, spoken
from holdfast.chaos.demo.story import Story, refusals_in
from holdfast.chaos.history import Move
from holdfast.examples.shop.produce import enqueue_orders
from holdfast.jobs import events
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.lease import Lease
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.workers.say import Say
from tests.patience import wait_until

KEPT = re.compile(r"(/\S*holdfast-demo-\w+)")


def move(word, order, execution, who, ms=0, fence=0, to=""):
    return Move(ms, word, f"fulfil-{order}", "high", execution, fence, to, who)


#: w1 was killed over A-1 and w2 slept over A-2; w3 finished both; w4 stopped over A-3.
MOVES = (
    move("claim", "A-1", "e1", "w1-x", ms=100),
    move("claim", "A-2", "e2", "w2-x", ms=110),
    move("claim", "A-3", "e3", "w4-x", ms=120),
    move("complete", "A-3", "e3", "w4-x", ms=200),
    move("reclaim", "A-1", "e1", "w1-x", ms=4_600),
    move("reclaim", "A-2", "e2", "w2-x", ms=4_700),
    move("claim", "A-1", "e4", "w3-x", ms=4_800),
    move("complete", "A-1", "e4", "w3-x", ms=4_900),
    move("claim", "A-2", "e5", "w3-x", ms=5_000),
    move("complete", "A-2", "e5", "w3-x", ms=5_100),
)
GOOD = Evidence(
    jobs={f"A-{n}": f"fulfil-A-{n}" for n in (1, 2, 3)},
    finished=frozenset(f"fulfil-A-{n}" for n in (1, 2, 3)),
    charges={"A-1": 1, "A-2": 1, "A-3": 1},
    moves=MOVES,
    killed=Harm("w1-x", "fulfil-A-1", "e1", at_ms=150),
    slept=Harm("w2-x", "fulfil-A-2", "e2", at_ms=160, woken_ms=5_050),
    stopped=Farewell("w4-x", 0, ()),
    refused=frozenset({"e2"}),
    fallen=(),
    bound_ms=5_500,
)
NO_RECLAIM = {
    word: tuple(each for each in MOVES if (each.move, each.execution) != ("reclaim", word)) for word in ("e1", "e2")
}
WOKEN_EARLY = replace(GOOD.slept, woken_ms=4_650)
LATE_COMPLETE = move("complete", "A-2", "e2", "w2-x", ms=5_060)
AT_ONCE = replace(GOOD.killed, at_ms=-901)


def troubles(**changed):
    return [finding.trouble for finding in judge(replace(GOOD, **changed)) if finding.trouble]


def test_the_judge_says_yes_when_all_went_well():
    """A judge that always says no would prove nothing either."""
    assert troubles() == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"finished": frozenset({"fulfil-A-1", "fulfil-A-2"})}, "1 of 3 orders did not finish: A-3"),
        ({"jobs": {}, "charges": {}}, "no order was ever enqueued"),
        ({"moves": (*MOVES, move("complete", "A-3", "e3", "w4-x"))}, "not completed exactly once: A-3"),
        ({"charges": {"A-1": 2, "A-2": 1, "A-3": 1}}, "charged: A-1 2 times"),
        ({"charges": {"A-1": 1, "A-2": 1}}, "charged: A-3 0 times"),
        ({"charges": {**GOOD.charges, "A-9": 1}}, "charged: A-9 1 times"),
        ({"killed": None}, "no worker was killed while it held a job"),
        ({"moves": NO_RECLAIM["e1"]}, "fulfil-A-1 was never reclaimed from w1"),
        ({"killed": AT_ONCE}, "reclaimed 5501 ms after the kill, not within 5500 ms"),
        ({"slept": None}, "no worker was stopped while it held a job"),
        ({"moves": NO_RECLAIM["e2"]}, "w2 did not sleep until fulfil-A-2 was reclaimed"),
        ({"slept": WOKEN_EARLY}, "w2 did not sleep until fulfil-A-2 was reclaimed"),
        ({"slept": replace(GOOD.slept, woken_ms=None)}, "w2 did not sleep until fulfil-A-2 was reclaimed"),
        ({"moves": (*MOVES[:-1], LATE_COMPLETE)}, "w2 woke and its complete of fulfil-A-2 was let through"),
        ({"moves": MOVES[:-1]}, "fulfil-A-2, which w2 slept on, was completed 0 times"),
        ({"stopped": None}, "no worker was asked to stop and ended"),
        ({"stopped": Farewell("w4-x", 1, ())}, "w4 ended with 1 after SIGTERM"),
        ({"stopped": Farewell("w4-x", 0, ("fulfil-A-3",))}, "w4 ended and left leased: fulfil-A-3"),
        ({"fallen": ("w3 (exit 1: no more)",)}, "ended by themselves: w3 (exit 1: no more)"),
    ],
)
def test_the_judge_says_no_when_a_promise_was_broken(changed, words):
    """And names who it was broken to."""
    assert any(words in trouble for trouble in troubles(**changed))


def test_the_story_knows_who_holds_what():
    """From a claim to whatever ends it, and whether the customer had been charged by then."""
    story = Story()
    for each in MOVES[:3]:
        story.add(each)
    assert story.held_by("w1-x") == MOVES[0]
    assert story.packed_by("w1-x") is None

    story.add(move("commit_effect", "A-1", "e1", ""))
    assert story.packed_by("w1-x") == MOVES[0]

    for each in MOVES[3:]:
        story.add(each)
    assert [story.held_by(f"w{n}-x") for n in (1, 2, 3, 4)] == [None] * 4
    assert dict(story.done) == {"w4-x": 1, "w3-x": 2}
    assert story.of_execution("e2", "reclaim") == MOVES[5]


@pytest.mark.parametrize(("by", "why"), [(out.Lost(), "lost"), (out.Fenced(9), "fenced")])
def test_a_refusal_is_read_from_what_a_worker_logs(by, why, caplog):
    """Whoever rewords that line of the log is told here that the demo counts it."""
    lease = Lease("high", "fulfil-A-1", "e1", 7, 0, "1")
    log = logging.getLogger("a worker's")
    with caplog.at_level(logging.INFO, log.name):
        Say(log, "w1-x", SystemClock(), log_description=True)(events.Refused(lease, by))

    (refusal,) = refusals_in(caplog.text)
    assert (refusal.job, refusal.execution, refusal.fence, refusal.why) == ("fulfil-A-1", "e1", 7, why)


def test_an_address_is_told_without_its_password():
    """The first lines of a demo end up in tickets and in chats."""
    assert spoken("rediss://me:s3cret@host:6379/0") == "rediss://host:6379/0"
    assert spoken("redis://host:6379?password=s3cret") == "redis://host:6379"
    assert spoken("unix:///tmp/s") == "unix:///tmp/s"


def processes_of(folder):
    """Find every process that was told of a folder, by its command line or its environment."""
    needle, found = str(folder).encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if needle in told:
                found.append(int(process.name))
    return found


def test_too_few_orders_are_refused(capsys):
    """Nobody is hurt over an order that is not there."""
    assert demo(orders=FEWEST_ORDERS - 1, plain=True) == 2
    assert f"fewer than {FEWEST_ORDERS}" in capsys.readouterr().err


def test_a_server_that_is_away_is_named(capsys):
    """One line, and no traceback."""
    assert demo(redis_url="unix:///nowhere/s", plain=True) == 2
    assert "could not run" in capsys.readouterr().err


def test_a_server_with_jobs_in_line_is_left_alone(server, direct, capsys):
    """The demo's workers would run them, with a bank of their own."""
    enqueue_orders(direct)
    keys_before = direct.dbsize()

    assert demo(redis_url=server.url, plain=True) == 2

    assert "jobs in rq:queue:high" in capsys.readouterr().err
    assert direct.dbsize() == keys_before


def test_a_server_with_workers_is_left_alone(server, direct):
    """They would take the demo's orders."""
    direct.hset(keys.worker("theirs"), mapping={"queues": "mail,default"})
    with pytest.raises(Occupied, match="theirs serves mail,default"), GivenServer(server.url):
        pass


def test_workers_of_other_queues_are_no_obstacle(server, direct):
    """Nor is one that has died."""
    direct.hset(keys.worker("theirs"), mapping={"queues": "mail"})
    direct.hset(keys.worker("dead"), mapping={"queues": "default", "death": "2026-01-01T00:00:00Z"})
    with GivenServer(server.url):
        pass


@pytest.mark.processes
def test_a_small_demo_keeps_its_promises(capsys):
    """One worker killed, one put to sleep, one stopped; every order charged once."""
    status = demo(orders=60, seed=7, plain=True)

    told = capsys.readouterr().out
    assert status == 0, told
    for fault in ("KILLED", "FROZEN", "WOKEN", "SIGTERM"):
        assert len(re.findall(rf"!! +\d+ w\d +{fault}", told)) == 1
    assert re.search(r"refused \(worker logs\) +[1-9]", told)
    assert "ALL PROMISES HELD (seed 7" in told
    (folder,) = set(KEPT.findall(told))
    assert not Path(folder).exists()
    assert processes_of(folder) == []


@pytest.mark.processes
def test_a_given_server_is_left_as_it_was_found(server, direct, capsys):
    """But for the orders that were finished, which expire by themselves."""
    status = demo(orders=FEWEST_ORDERS, redis_url=server.url, plain=True)

    assert status == 0, capsys.readouterr().out
    with GivenServer(server.url):
        pass
    assert not direct.exists(keys.moves())


@pytest.mark.processes
def test_a_terminal_gets_a_picture(monkeypatch, capsys):
    """Whoever watches sees at any moment who was hurt, how far the orders are, and what happens."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(demo_module, "Console", partial(Console, force_terminal=True, width=100, height=30))

    status = demo(orders=FEWEST_ORDERS)

    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    assert status == 0, told
    for words in (
        r"─ w\d killed ─",
        r"─ w\d asleep ─",
        r"lease ends in \d\.\d s",
        "12 of 12 finished",
    ):
        assert re.search(words, told), words


@pytest.mark.processes
def test_a_demo_that_runs_out_of_time_says_what_is_missing(monkeypatch, capsys):
    """It ends all the same, and keeps what a person needs to find out why."""
    monkeypatch.setattr(demo_module, "_PATIENCE_MS", 2_000)

    assert demo(orders=60, plain=True) == 1

    told = capsys.readouterr().out
    folder = Path(re.search(r"are kept in (\S+)", told)[1])
    assert "NOT HELD" in told
    assert {"moves.jsonl", "ledger.db", "server"} <= {path.name for path in folder.iterdir()}
    assert processes_of(folder) == []
    shutil.rmtree(folder)


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(number, tmp_path):
    """Neither a process nor a folder, whoever ends it."""
    code = "import sys; from holdfast.chaos.demo.performance import demo; sys.exit(demo(orders=60, plain=True))"
    told = tmp_path / "told"
    with told.open("w") as output, subprocess.Popen([sys.executable, "-u", "-c", code], stdout=output) as running:
        wait_until(lambda: "KILLED" in told.read_text(), within=20)
        folder = Path(KEPT.search(told.read_text())[1])
        assert processes_of(folder)
        running.send_signal(number)
        assert running.wait(20) == 128 + number

    assert processes_of(folder) == []
    assert not folder.exists()
