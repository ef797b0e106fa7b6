"""A run as a picture."""

import json
import re

import pytest

from holdfast.chaos.history import History, Move
from holdfast.chaos.timeline import timeline
from holdfast.chaos.verdict import Ruling, Verdict

VALID = Verdict((Ruling("INV-01", "No job is lost."),), {"accepted": 2})


def data_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def a_history():
    """J1 is claimed, lost by a sleeper, and completed by another."""
    history = History()
    history.note(100_000, "producer", "enqueue", "J1")
    history.note(101_000, "producer", "accepted", "J1")
    history.note(300_000, "w1", "fault", execution="strike 1", detail="FM-012 sleep : a worker freezes")
    history.note(9_300_000, "w1", "healed", execution="strike 1")
    history.note(9_400_000, "w1-1", "refused", "J1", execution="a", fence=1, detail="fenced")
    history.note(2_000_000, "redis", "fault", execution="strike 2", detail="FM-030 flush-scripts : forgets")
    for ms, move, execution, fence, to, who in (
        (700_100, "enqueue", "", 0, "queued", ""),
        (700_200, "claim", "a", 1, "started", "w1-1"),
        (704_000, "reclaim", "a", 1, "queued", "w1-1"),
        (704_100, "claim", "b", 2, "started", "w10-3"),
        (704_500, "complete", "b", 2, "finished", "w10-3"),
    ):
        history.moves.append(Move(ms, move, "J1", "high", execution, fence, to, who))
    return history


def test_each_lease_is_a_bar_in_the_lane_of_its_worker():
    """From its claim to whatever ended it, in ms of the run, whatever the server's clock says."""
    bars = data_of(timeline(a_history(), "a run", VALID))["bars"]
    assert [(bar["lane"], bar["from"], bar["to"], bar["outcome"]) for bar in bars] == [
        ("w1", 200, 4_000, "reclaimed"),
        ("w10", 4_100, 4_500, "completed"),
    ]
    assert (bars[0]["refused"], bars[0]["why"]) == (9_400, "fenced")


def test_each_fault_is_a_mark_with_its_span():
    """On whom it struck; the server's strike everybody, and have no lane of their own."""
    data = data_of(timeline(a_history(), "a run", VALID))
    assert [(fault["lane"], fault["name"], fault["from"], fault["to"]) for fault in data["faults"]] == [
        ("w1", "sleep", 300, 9_300),
        ("redis", "flush-scripts", 2_000, 2_000),
    ]
    assert data["lanes"] == ["w1", "w10"]


def test_the_page_needs_nothing_but_itself():
    """It is opened from an archive years later, without a network."""
    page = timeline(a_history(), "a run", VALID)
    assert not re.search(r"(src|href)=|@import|url\((?!#)|fetch\(", page)
    assert "valid" in page
    assert "INV-01" in page
    assert "accepted <b>2</b>" in page


def test_what_a_run_says_of_itself_is_shown_as_text():
    """A title or an id is written by others."""
    history = a_history()
    history.note(1, "w1", "fault", detail="</script><b>")
    page = timeline(history, "<i>run</i>", VALID)
    assert "<i>run" not in page
    assert page.count("</script>") == 2
    assert any(fault["detail"] == "</script><b>" for fault in data_of(page)["faults"])


def test_a_run_without_moves_is_drawn_from_what_its_jobs_noted():
    """Stock workers write none: what began and was never heard of again has vanished."""
    history = a_history()
    history.moves = []
    history.note(200_000, "w1-1", "begin", "J1")
    history.note(900_000, "w1-1", "ended", detail="exit code -9")
    history.note(5_000_000, "w2-1", "begin", "J1")
    history.note(6_000_000, "w2-1", "end", "J1")
    bars = data_of(timeline(history, "a run", VALID))["bars"]
    assert [(bar["lane"], bar["from"], bar["to"], bar["outcome"]) for bar in bars] == [
        ("w1", 200, 900, "vanished"),
        ("w2", 5_000, 6_000, "returned"),
    ]


def test_a_lease_whose_end_the_server_forgot_ends_where_the_next_begins():
    """It would cover the rest of its lane otherwise."""
    history = a_history()
    history.moves = [move for move in history.moves if move.move != "reclaim"]
    bars = data_of(timeline(history, "a run", VALID))["bars"]
    assert [(bar["to"], bar["outcome"]) for bar in bars] == [(4_100, "forgotten"), (4_500, "completed")]


def test_a_simulated_run_is_drawn_by_the_same_hand():
    """Its workers, its virtual time, its faults."""
    simulation = pytest.importorskip("holdfast.chaos.simulation.run")
    plan = pytest.importorskip("holdfast.chaos.simulation.plan")
    run = simulation.run_plan(plan.plan_for(3))
    data = data_of(timeline(run.history, "seed 3", VALID))
    assert len(data["bars"]) == sum(move.move == "claim" for move in run.history.moves)
    assert {bar["lane"] for bar in data["bars"]} <= {"w1", "w2", "w3"}
    assert len(data["faults"]) == sum(line.did == "fault" for line in run.history.lines)
    assert all(0 <= bar["from"] <= bar["to"] <= data["end"] for bar in data["bars"])
