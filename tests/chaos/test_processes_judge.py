"""What is read from the evidence of a real run, and what is said of it."""

import json
import logging

import pytest

from holdfast.chaos.amnesia import tell_apart
from holdfast.chaos.history import History, Move, Place
from holdfast.chaos.processes.logs import Log, Said
from holdfast.chaos.processes.outcome import Witness, count_losses, decide
from holdfast.chaos.processes.outside import Outside
from holdfast.chaos.processes.plan import Plan
from holdfast.chaos.processes.report import compare
from holdfast.chaos.processes.workload import Order
from holdfast.chaos.terms import Violation
from holdfast.chaos.verdict import Ruling, Verdict, rule
from holdfast.jobs import events
from holdfast.jobs.clock import SystemClock
from holdfast.jobs.lease import Lease
from holdfast.jobs.store import outcomes as out
from holdfast.workers.say import Say

PLAN = Plan(
    1,
    2,
    10_000,
    (
        Order("J1", "high", 0),
        Order("J2", "high", 0, {"effect": "probe"}),
        Order("J3", "high", 0, {"fails": 9}),
    ),
    (),
)


def a_run(*, moves=True):
    """Three jobs: one finished at once, one after a reclaim, one failed as its code says."""
    history = History()
    for job in ("J1", "J2", "J3"):
        history.note(1_000, "producer", "enqueue", job)
        history.note(2_000, "producer", "accepted", job)
    told = [("J1", "a", 1, ("complete", "finished")), ("J2", "b", 2, ("reclaim", "queued"))]
    told += [("J2", "c", 3, ("complete", "finished")), ("J3", "d", 4, ("bury", "failed"))]
    for job in ("J1", "J2", "J3") if moves else ():
        history.moves.append(Move(1_000_002, "enqueue", job, "high", "", 0, "queued", ""))
    for number, (job, execution, fence, (end, to)) in enumerate(told):
        ms = 1_000_100 + number * 4_000
        about = {"execution": execution, "fence": fence}
        history.note((ms - 1_000_000) * 1_000, "w1-1", "begin", job, **about)
        if moves:
            history.moves.append(Move(ms, "claim", job, "high", execution, fence, "started", "w1-1"))
            history.moves.append(Move(ms + 3_500, end, job, "high", execution, fence, to, "w1-1"))
        if end == "complete":
            history.note((ms + 3_400 - 1_000_000) * 1_000, "w1-1", "end", job, **about)
    history.note(9_000_000, "w1-1", "act", "J2", execution="c", fence=3, detail="J2:1:act")
    history.final = {
        "J1": Place("finished", ("finished",), executions=1),
        "J2": Place("finished", ("finished",), executions=2, crashes=1),
        "J3": Place("failed", ("failed",), dead="failures", executions=1),
    }
    return history


def judged(history, *, is_stock=False, **seen):
    witness = Witness(**{"moves_made": len(history.moves)} | seen)
    return decide(history, PLAN, witness, is_stock=is_stock)


def words(verdict):
    return {ruling.invariant: ruling.word for ruling in verdict.rulings}


def test_a_run_in_which_all_is_well_is_valid():
    """Also one in which a lease was taken back, and a job failed because its code does."""
    verdict = judged(a_run())
    assert verdict.word == "valid", verdict
    assert verdict.exit_code == 0
    assert verdict.counts["reclaimed"] == 1
    assert verdict.counts["failed by fault"] == 0


def test_a_job_that_was_accepted_and_is_nowhere_is_a_loss():
    """INV-01, whoever ran it."""
    history = a_run()
    del history.final["J1"]
    verdict = judged(history)
    assert words(verdict)["INV-01"] == "invalid"
    assert verdict.exit_code == 1
    assert count_losses(history, PLAN).lost == ("J1",)


def test_an_effect_that_took_place_twice_unasked_is_a_violation():
    """INV-07; told of a doubt and asked, it is the probe's answer."""
    history = a_run()
    history.note(9_500_000, "w2-1", "act", "J2", execution="e", fence=9, detail="J2:1:act")
    assert words(judged(history))["INV-07"] == "invalid"
    assert count_losses(history, PLAN).acted_twice == ("J2",)
    history.note(9_400_000, "w2-1", "asked", "J2")
    assert words(judged(history))["INV-07"] == "valid"


def test_a_lease_taken_back_too_early_is_a_violation():
    """INV-05, by the server's own clock: the judge of real runs is the simulation's."""
    history = a_run()
    at = next(n for n, move in enumerate(history.moves) if move.move == "reclaim")
    early = history.moves[at]
    history.moves[at] = Move(early.ms - 1_000, *list(vars(early).values())[1:])
    assert words(judged(history))["INV-05"] == "invalid"


def test_of_a_stream_cut_short_nothing_is_claimed():
    """What was not heard may have been anything: unknown, and no success."""
    history = a_run()
    verdict = judged(history, moves_made=len(history.moves) + 1)
    assert words(verdict)["INV-04"] == "unknown"
    assert words(verdict)["INV-01"] == "valid"
    assert (verdict.word, verdict.exit_code) == ("unknown", 2)


def test_of_stock_workers_is_judged_what_can_be_seen_from_outside():
    """They write no moves and have no fences; where a job ended and what it did is seen all the same."""
    verdict = judged(a_run(moves=False), is_stock=True, moves_made=None)
    assert {name for name, word in words(verdict).items() if word == "valid"} == {"INV-01", "INV-07", "LIV-01"}
    assert verdict.counts["executions"] == 4


def test_a_run_that_asked_for_nothing_proves_nothing():
    """No job was accepted: unknown, throughout."""
    assert set(words(judged(History())).values()) == {"unknown"}


def test_a_failure_is_put_down_to_whoever_caused_it():
    """To the job's own code, to a doubt that it asks to be stopped at, or else to a fault."""
    history = a_run()
    history.final["J1"] = Place("failed", ("failed",), dead="crashes", executions=1)
    history.final["J2"] = Place("failed", ("failed",), dead="in_doubt", executions=2)
    losses = count_losses(history, PLAN)
    assert losses.failed_by_fault == ("J1",)
    assert losses.in_doubt == ("J2",)
    assert losses.failed_unrun == ()
    assert judged(history).counts["finished"] == 0


def test_code_that_is_called_again_after_its_end_is_counted():
    """Running again is no violation, for an execution may die before it has said so; but it is a cost."""
    history = a_run()
    history.note(9_900_000, "w2-1", "begin", "J1")
    assert count_losses(history, PLAN).ran_again == ("J1",)


def test_what_was_seen_broken_is_broken_whatever_was_not_seen():
    """One invalid outweighs any unknown."""
    broken = rule(a_run(), PLAN.terms(0))[0]
    verdict = Verdict(
        (Ruling("X", "", undecided="no idea"), Ruling("Y", "", violations=(Violation("Y", "J1", "seen"),)), broken)
    )
    assert verdict.word == "invalid"
    assert verdict.to_json()["rulings"]["X"]["verdict"] == "unknown"


def forgetful(history):
    """Let the server forget, from the 5th second to the 6th, the end of J2 and all there was of J1."""
    history.note(5_000_000, "redis", "fault", execution="strike 1", detail="FM-019 cut-tail")
    history.note(6_000_000, "redis", "healed", execution="strike 1")
    return [move for move in history.moves if move.job != "J1" and move.ms not in range(1_005_000, 1_006_000)]


def test_what_a_server_forgot_is_told_apart_from_what_was_lost():
    """An enqueue accepted inside the window may be gone, and a settle repeated: both are listed, not judged."""
    history = a_run()
    surviving = forgetful(history)
    history.lines = [line for line in history.lines if line.job != "J1"]
    history.note(5_500_000, "producer", "accepted", "J1")
    history.note(5_600_000, "w1-1", "completed", "J2", execution="b", fence=2)
    del history.final["J1"]
    left, forgotten = tell_apart(history, surviving, {"strike 1"})
    assert (forgotten.jobs, forgotten.ends) == (("J1",), ("J2",))
    assert forgotten.moves == len(history.moves) - len(surviving)
    assert not any(line.job == "J1" or line.did == "completed" for line in left.lines)


def test_what_was_lost_outside_of_the_window_stays_lost():
    """A server that forgets its last second must not cover for a queue that loses a job any day."""
    history = a_run()
    surviving = [move for move in history.moves if move.job == "J1"] + forgetful(history)
    history.note(60_000_000, "producer", "accepted", "J1")
    del history.final["J1"]
    left, forgotten = tell_apart(history, surviving, {"strike 1"})
    assert forgotten.jobs == ()
    assert words(judged(left))["INV-01"] == "invalid"


def test_two_runs_are_compared_in_a_table(tmp_path):
    """For the README: each row a cost, each column a worker, and below it how to run both again."""
    stock = a_run(moves=False)
    del stock.final["J1"]
    runs = {"ours": judged(a_run()), "stock": judged(stock, is_stock=True)}
    for name, verdict in runs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(json.dumps({"run": f"the {name} run"} | verdict.to_json()))
    table = compare(tmp_path / "ours", tmp_path / "stock")
    assert "| lost: accepted, and now nowhere | 0 | 1 |" in table
    assert "| verdict | valid | invalid |" in table
    assert "stock RQ: the stock run" in table


LEASE = Lease("high", "J7", "e12", 42, 0, "1")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (events.Settled(LEASE, "completed", "in 0.1 s"), Said("completed", "J7", "e12", 42)),
        (events.Settled(LEASE, "given back"), Said("given back", "J7", "e12", 42)),
        (events.Settled(LEASE, "postponed", "1000 ms"), Said("postponed", "J7", "e12", 42, "1000 ms")),
        (events.Refused(LEASE, out.Lost()), Said("refused", "J7", "e12", 42, "lost")),
        (events.HorseStopped(LEASE, "stop-by"), Said("stopped horse", "J7", "e12", 42, "stop-by")),
        (
            events.Reclaimed(out.Reclaimed("reclaimed", "high", "J9", "e1", 3, "w2-1", 120)),
            Said("reclaimed", "J9", detail="120 ms late"),
        ),
    ],
)
def test_what_a_worker_says_is_understood(tmp_path, told, expected):
    """In the very words of its log: when these change, the history of a real run would fall silent."""
    path = tmp_path / "w1-1.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log = logging.getLogger(f"a worker in {tmp_path}")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    say = Say(log, "w1-1", SystemClock(), log_description=True)
    say(events.Claimed(LEASE, {b"description": b"perform('J7', {})"}))
    say(told)
    handler.close()
    family = type("Family", (), {"name": "w1-1", "log": path})
    assert list(Log(family).news()) == [Said("claimed", "J7", "e12", 42), expected]


def test_a_line_half_written_is_read_when_it_is_whole(tmp_path):
    """A log is read while it is written."""
    path = tmp_path / "w1-1.log"
    log = Log(type("Family", (), {"name": "w1-1", "log": path}))
    path.write_text("12:00:00 Worker w1-1: high: x (J1) execution e1 fe")
    assert list(log.news()) == []
    path.write_text("12:00:00 Worker w1-1: high: x (J1) execution e1 fence 5\n")
    assert list(log.news()) == [Said("claimed", "J1", "e1", 5)]


def test_the_world_outside_remembers_what_happened(tmp_path):
    """Lines and acts, in files that hold whatever becomes of their writer."""
    outside = Outside(tmp_path)
    outside.make()
    outside.note("w1-1", "begin", "J1", "e1", 5)
    outside.act("w1-1", "J1", "e1", 5, "J1:1:act")
    with (tmp_path / "outside.jsonl").open("a") as file:
        file.write(json.dumps({"us": 1})[:4])  # its writer was killed in the middle
    assert [(line.did, line.job, line.detail) for line in outside.lines()] == [
        ("begin", "J1", ""),
        ("act", "J1", "J1:1:act"),
    ]
    assert outside.has_acted("J1:1:act")
    assert not outside.has_acted("J2:1:act")
    assert [outside.fail_again("J1", 2) for _ in range(3)] == [True, True, False]
