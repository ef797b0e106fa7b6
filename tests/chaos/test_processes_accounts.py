"""In a fleet of both kinds, whose doing it was is read from the evidence, and never in our favour without a proof."""

from holdfast.chaos.history import History, Move, Place
from holdfast.chaos.processes.accounts import Accounts, decide_between
from holdfast.chaos.processes.outcome import Witness
from holdfast.chaos.processes.plan import Plan
from holdfast.chaos.processes.workload import Order

BEGAN_MS = 1_000_000
JOBS = ("S1", "P1", "O1")
#: S1 is had by stock workers, P1 by ours though plainly enqueued, O1 is all ours.
PLAN = Plan(1, 2, 10_000, tuple(Order(job, "high", 0, is_plain=job == "P1") for job in JOBS), (), "ours")


def a_run():
    """Three jobs: a stock worker finished one, ours the others."""
    history = History()
    for job in JOBS:
        history.note(1_000, "producer", "enqueue", job)
        history.note(2_000, "producer", "accepted", job)
        if job != "P1":
            move(history, 2, "enqueue", job, to="queued")
        history.final[job] = Place("finished", ("finished",), executions=int(job != "S1"))
    run(history, "S1", "w1-1-stock")
    run(history, "O1", "w2-1", "a", 1)
    run(history, "P1", "w2-1", "b", 2)
    return history


def run(history, job, who, execution="", fence=0, at_ms=100):
    about = {"execution": execution, "fence": fence}
    history.note(at_ms * 1_000, who, "begin", job, **about)
    history.note((at_ms + 50) * 1_000, who, "end", job, **about)
    if execution:
        move(history, at_ms, "claim", job, execution, fence, "started")
        move(history, at_ms + 50, "complete", job, execution, fence, "finished")


def move(history, ms, name, job, execution="", fence=0, to="", who="w2-1"):
    history.moves.append(Move(BEGAN_MS + ms, name, job, "high", execution, fence, to, who))


def judged(history, last_words=None, **seen):
    witness = Witness(**{"moves_made": len(history.moves)} | seen)
    verdict, costs = decide_between(history, PLAN, witness, last_words or {}, BEGAN_MS)
    return {ruling.invariant for ruling in verdict.rulings if ruling.word == "invalid"}, [cost.job for cost in costs]


def test_a_run_in_which_all_is_well_is_valid():
    """Nothing on stock's account either."""
    assert judged(a_run()) == (set(), [])


def test_what_stock_says_that_it_failed_is_on_its_account():
    """Its own words are the proof; without them it is ours to answer for."""
    history = a_run()
    history.final["S1"] = Place("failed", ("failed",))
    assert judged(history, {"S1": ["Work-horse terminated unexpectedly; waitpid returned 9"]}) == (set(), ["S1"])
    assert judged(history, {"S1": ["ZeroDivisionError: division by zero"]}) == ({"FM-053"}, [])


def test_a_job_that_is_nowhere_is_stocks_only_if_ours_did_not_have_it_last():
    """A claim of ours without an end, and no job any more: INV-01, whatever stock workers did beside it."""
    history = a_run()
    history.final["S1"] = Place("queued", ())
    assert judged(history) == (set(), ["S1"])
    move(history, 9_000, "claim", "S1", "c", 3, "started")
    assert judged(history) == ({"INV-01", "LIV-01"}, [])


def test_a_job_of_ours_that_a_stock_worker_let_fall_is_stocks():
    """Nothing tells that one had it, but that it lies where only stock workers put jobs."""
    history = a_run()
    history.final["O1"] = Place("queued", ("intermediate",))
    history.moves = [each for each in history.moves if each.job != "O1" or each.move == "enqueue"]
    history.lines = [each for each in history.lines if each.job != "O1" or each.who == "producer"]
    assert judged(history) == (set(), ["O1"])


def test_a_job_that_has_no_record_any_more_is_nobodys_but_ours():
    """Stock workers delete none that are to be kept."""
    history = a_run()
    del history.final["S1"]
    assert judged(history) == ({"INV-01"}, [])


def test_two_at_once_are_seen_whoever_they_are():
    """Begun by one, begun by another, and then the first goes on to its end."""
    history = a_run()
    history.note(300_000, "w1-1-stock", "begin", "P1")
    history.note(310_000, "w2-1", "begin", "P1", execution="d", fence=4)
    history.note(320_000, "w1-1-stock", "end", "P1")
    assert judged(history)[0] == {"FM-053"}


def test_of_what_only_ours_had_every_promise_is_held():
    """A second end of a job that no stock worker touched is no migration's fault."""
    history = a_run()
    move(history, 200, "complete", "O1", "a", 1, "finished")
    assert "INV-04" in judged(history)[0]


def test_of_a_stream_cut_short_nothing_is_claimed():
    """What was not heard may have been anything."""
    history = a_run()
    verdict, _ = decide_between(history, PLAN, Witness(moves_made=99), {}, BEGAN_MS)
    assert {ruling.invariant: ruling.word for ruling in verdict.rulings}["INV-04"] == "unknown"


def test_what_ours_took_up_is_told_with_how_long_it_took():
    """From the death of the stock worker that had begun it."""
    history = a_run()
    history.note(400_000, "w1-2-stock", "begin", "S1")
    history.note(500_000, "w1-2-stock", "ended", "")
    move(history, 61_500, "reclaim", "S1", "stocks-own", 0, "queued")
    history.note(600_000, "w1-3-stock", "ended", "")
    move(history, 6_600, "rescue", "P1", to="queued", who="intermediate")
    repairs = Accounts(history, PLAN, {}, BEGAN_MS).repairs
    assert [(each.job, each.place, each.after_ms) for each in repairs] == [
        ("S1", "wip", 61_000),
        ("P1", "intermediate", 6_000),
    ]
