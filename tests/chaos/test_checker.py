"""The judge, on histories written by hand: a clean one, and for each promise one that breaks it."""

from dataclasses import replace

import pytest

from holdfast.chaos.checker import CHECKS, judge
from holdfast.chaos.history import History, Line, Move, Place
from holdfast.chaos.terms import Terms

TERMS = Terms(
    lease_ms=4_000,
    reap_ms=500,
    crashes=3,
    effects=frozenset({"j"}),
    delays_ms=(("j", 1_000),),
    at_most_once=frozenset({"once"}),
    repeats=(("j", 0),),
)


def move(ms, word, execution="", fence=0, to="started", job="j"):
    return Move(ms, word, job, "q", execution, fence, to, "w1")


def line(ms, who, did, execution="", fence=0, detail="", job="j"):
    return Line(ms * 1_000, who, did, job, execution, fence, detail)


def clean():
    """Tell of a job that is due in a second, whose first worker dies, and which is done by the second."""
    return History(
        lines=[
            line(0, "p1", "enqueue"),
            line(1, "p1", "accepted"),
            line(1_101, "w1", "claimed", "A", 7),
            line(1_102, "w1.h1", "begin", "A", 7),
            line(6_102, "w2", "reclaimed", "A", 7, "1 ms late"),
            line(6_201, "w2", "claimed", "B", 8),
            line(6_202, "w2.h1", "begin", "B", 8),
            line(6_204, "w2.h1", "act", "B", 8, "j:1:act"),
            line(6_301, "w2.h1", "completed", "B", 8),
        ],
        moves=[
            move(0, "enqueue", to="scheduled"),
            move(1_000, "promote", to="queued"),
            move(1_100, "claim", "A", 7),
            move(2_100, "renew", "A", 7),
            move(6_101, "reclaim", "A", 7, "queued"),
            move(6_200, "claim", "B", 8),
            move(6_203, "begin_effect", "B", 8, "act"),
            move(6_300, "complete", "B", 8, "finished"),
        ],
        final={"j": Place("finished", ("finished",), "finished", executions=2, crashes=1)},
    )


def change_move(at, **changes):
    def change(history):
        history.moves[at] = replace(history.moves[at], **changes)

    return change


def change_place(**changes):
    def change(history):
        history.final["j"] = replace(history.final["j"], **changes)

    return change


def add_moves(*moves):
    return lambda history: history.moves.extend(moves)


def add_lines(*lines):
    return lambda history: history.lines.extend(lines)


#: invariant, what goes wrong, and the change that makes the clean history show it.
BREAKS = [
    ("INV-01", "the record is gone", lambda history: history.final.clear()),
    ("INV-01", "it is in no place", change_place(places=())),
    (
        "INV-01",
        "enqueued again, and over with its first run",
        lambda history: history.moves.insert(6, move(6_250, "enqueue", to="again")),
    ),
    ("INV-01", "to be done once, and not done", change_move(7, move="postpone", to="scheduled")),
    ("INV-02", "finished, and still at work", change_place(places=("finished", "wip"))),
    ("INV-02", "an entry without a job", lambda history: history.ghosts.append("x in ['line']")),
    ("INV-03", "the second fence is the first again", change_move(5, fence=7)),
    ("INV-03", "two claimants heard one fence", add_lines(line(7_000, "w3", "claimed", "C", 8))),
    ("INV-04", "claimed while held", change_move(4, move="renew")),
    ("INV-04", "completed by the first holder", change_move(7, execution="A", fence=7)),
    ("INV-05", "reclaimed a ms early", change_move(4, ms=6_099)),
    ("INV-06", "claimed once it was finished", add_moves(move(6_400, "claim", "C", 9))),
    ("INV-07", "acted twice", add_lines(line(6_205, "w2.h1", "act", "B", 8, "j:1:act"))),
    ("INV-07", "finished and never acted", lambda history: history.lines.pop(7)),
    ("INV-09", "an execution is not counted", change_place(executions=1)),
    ("INV-09", "a crash that nobody died of", change_place(crashes=2)),
    (
        "INV-09",
        "began twice, and may once",
        add_lines(*(line(ms, "w1.h1", "begin", "C", 9, job="once") for ms in (1, 2))),
    ),
    ("INV-10", "told completed, and was not", change_move(7, move="bury", to="failed")),
    ("INV-10", "one claim answered with two jobs", add_moves(move(6_300, "claim", "B", 9, job="k"))),
    ("INV-10", "accepted, and never arrived", change_move(0, job="k")),
    ("INV-10", "stopped once it had ended", add_lines(line(6_400, "w2", "stopped horse", "B", 8, "grace"))),
    ("INV-11", "one enqueue, two jobs", add_moves(move(6_400, "enqueue", to="queued"))),
    ("INV-12", "in line a ms early", change_move(1, ms=999)),
    ("LIV-01", "in line for ever", change_place(status="queued", places=("line",))),
    ("LIV-02", "found dead after three seconds", add_lines(line(9_000, "w2", "reclaimed", "A", 7, "3000 ms late"))),
]


def test_a_clean_history_is_valid():
    """A death, a reclaim and a second attempt are no violation."""
    assert judge(clean(), replace(TERMS, at_most_once=frozenset())) == []


@pytest.mark.parametrize(("invariant", "what", "change"), BREAKS, ids=[f"{inv}: {what}" for inv, what, _ in BREAKS])
def test_a_broken_promise_is_named(invariant, what, change):
    """The change alone makes the difference."""
    history = clean()
    if what.startswith("began"):
        history.final["once"] = Place("finished", ("finished",))
    change(history)
    assert invariant in {violation.invariant for violation in judge(history, TERMS)}


def test_a_history_is_not_gone_through_once_for_each_job():
    """A storm of 20,000 small jobs is judged in seconds."""

    def passes(count):
        seen = []

        class Watched(History):
            def of(self, *did):
                seen.append(did)
                return super().of(*did)

        ids = [f"j{number}" for number in range(count)]
        history = Watched(
            lines=[replace(each, job=job) for job in ids for each in clean().lines],
            moves=[replace(each, job=job) for job in ids for each in clean().moves],
            final=dict.fromkeys(ids, clean().final["j"]),
        )
        judge(history, TERMS)
        return len(seen)

    assert passes(2) == passes(50)


def test_every_check_is_seen_to_fail():
    """A check without a history that breaks it may be blind."""
    assert {invariant for invariant, _, _ in BREAKS} >= set(CHECKS)


DELETED = line(6_400, "person", "deleted")
MADE_AGAIN = move(6_500, "enqueue", to="queued")
ACTED_AGAIN = line(6_600, "w2.h1", "act", "C", 9, "j:1:act")


@pytest.mark.parametrize(
    ("lines", "moves", "broken"),
    [
        ([DELETED, ACTED_AGAIN], [MADE_AGAIN], set()),
        ([DELETED, ACTED_AGAIN], [], {"INV-07"}),
        ([ACTED_AGAIN], [MADE_AGAIN], {"INV-07", "INV-11"}),
        ([DELETED], [MADE_AGAIN], set()),
        ([], [MADE_AGAIN], {"INV-11"}),
    ],
)
def test_a_job_that_was_deleted_while_its_enqueue_was_under_way_may_be_made_and_act_again(lines, moves, broken):
    """FM-029: nothing was left to know it by. Only both together excuse it."""
    history = clean()
    history.lines += lines
    history.moves += moves
    assert {each.invariant for each in judge(history, TERMS)} & {"INV-07", "INV-11"} == broken


@pytest.mark.parametrize(
    ("is_deleted", "renewed_ms", "claimed_ms", "is_broken"),
    [(True, 2_100, 6_100, False), (True, 2_100, 6_099, True), (True, 2_101, 6_100, True), (False, 2_100, 6_100, True)],
)
def test_the_lease_of_a_job_that_was_deleted_runs_out_before_it_is_anybody_elses(
    is_deleted, renewed_ms, claimed_ms, is_broken
):
    """FM-029: no reclaim of it is on record, and the job that has its id now is not to run beside it."""
    history = clean()
    history.lines += [DELETED] if is_deleted else []
    history.moves[3:5] = [move(renewed_ms, "renew", "A", 7)]
    history.moves[4] = replace(history.moves[4], ms=claimed_ms)
    assert ("INV-04" in {each.invariant for each in judge(history, TERMS)}) is is_broken


SAVED = line(6_350, "app", "saved", detail="started")
ANEW, RESCUED = move(6_400, "anew", to=""), move(6_450, "rescue", to="queued")
RUN_AGAIN = [move(6_500, "claim", "C", 9), move(6_600, "complete", "C", 9, "finished")]


@pytest.mark.parametrize(
    ("moves", "broken"),
    [([ANEW, RESCUED, *RUN_AGAIN], set()), ([RESCUED, *RUN_AGAIN], {"INV-01", "INV-06"}), (RUN_AGAIN, {"INV-06"})],
)
def test_only_what_was_made_anew_with_nothing_left_to_know_it_by_may_be_put_back_and_run(moves, broken):
    """FM-050: an app saved an object of a job whose record a person had deleted."""
    history = clean()
    history.moves += moves
    terms = replace(TERMS, are_all_ours=True, repeats=())
    assert {each.invariant for each in judge(history, terms)} & {"INV-01", "INV-06"} == broken


@pytest.mark.parametrize(("is_saved", "status"), [(True, "started"), (False, "started"), (True, "queued")])
def test_a_status_that_an_app_saved_last_is_not_held_against_the_place(is_saved, status):
    """FM-050: only that very status."""
    history = clean()
    history.lines += [SAVED] if is_saved else []
    change_place(status=status)(history)
    found = {each.invariant for each in judge(history, TERMS)} & {"INV-02", "LIV-01"}
    assert found == (set() if is_saved and status == "started" else {"INV-02", "LIV-01"})


@pytest.mark.parametrize(("word", "is_broken"), [("cancel", True), ("overruled", False)])
def test_what_a_person_canceled_is_not_run(word, is_broken):
    """FM-050: unless an app overruled it before the holder heard of it."""
    history = clean()
    history.moves.insert(7, move(6_250, "cancel", to=""))
    if word == "overruled":
        history.moves.insert(8, move(6_260, word, to=""))
    assert ("INV-06" in {each.invariant for each in judge(history, TERMS)}) is is_broken
