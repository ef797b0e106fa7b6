"""`holdfast dead`: what failed is found, put in line again, deleted, and never by mistake."""

import pickle

import pytest
from rq.results import Result

from holdfast.console import wishes as wishes_module
from holdfast.jobs.store import keys


def bury(pool, job_id="job-1", queue="default", effects=(), **end):
    pool.enqueue(job_id, queue)
    worker = pool.worker()
    held = worker.hold(queue)
    for name in effects:
        worker.moves.begin_effect(held, name)
    worker.bury(held, **end)


def fail_at_stock(pool, job_id="job-s"):
    job = pool.stock_queue().enqueue("shop.fulfil", "A-7", job_id=job_id)
    pool.redis.lrem(keys.queue("default"), 1, job_id)
    job.set_status("failed")
    job.failed_job_registry.add(job, ttl=600)
    Result.create_failure(job, 600, "Traceback\nValueError: at stock", worker_name="s1", execution_id="e1",
                          execution_started_at=job.created_at, execution_ended_at=job.created_at)  # fmt: skip


def rows_of(done):
    """Read the table: job -> its cells."""
    lines = [line.split("  ") for line in done.output.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {row[0]: row[1:] for row in cells if len(row) > 4 and row[0] != "job"}


def test_the_dead_are_listed_with_their_causes(pool, holdfast):
    """Ours, those of stock RQ, and what a person stopped; what is in doubt is named."""
    bury(pool, "a", cause="in_doubt", effects=("charge", "mail"))
    bury(pool, "b", queue="high", cause="rejected")
    bury(pool, "c", cause="stopped", status="stopped")
    fail_at_stock(pool, "d")
    rows = rows_of(holdfast("dead", "list"))
    assert set(rows) == {"a", "b", "c", "d"}
    assert rows["a"][:3] == ["default", "shop.fulfil('A-1')", "in_doubt"]
    assert rows["a"][-3:] == ["1", "0", "charge, mail"]
    assert rows["b"][0] == "high"
    assert (rows["c"][2], rows["d"][2], rows["d"][-1]) == ("stopped", "stock RQ", "-")
    assert set(rows_of(holdfast("dead", "list", "high"))) == {"b"}


@pytest.mark.parametrize("command", [("dead", "list"), ("status",)], ids=" ".join)
def test_an_id_that_is_no_text_hides_nobody(pool, holdfast, command):
    """FM-033: it is shown as far as it can be read."""
    bury(pool, "a")
    pool.redis.zadd(keys.failed("default"), {b"caf\xe9": 9e9})
    done = holdfast(*command)
    assert done.exit_code == 0, done.output
    assert "failures" in done.output


def test_a_long_list_says_how_much_it_leaves_out(pool, holdfast):
    """The last ones first: they are what woke the operator."""
    for number in range(5):
        bury(pool, f"job-{number}")
        pool.redis.zadd(keys.failed("default"), {f"job-{number}": pool.now_ms() / 1_000 + 600 + number})
    done = holdfast("dead", "list", "--limit", 2)
    assert list(rows_of(done)) == ["job-4", "job-3"]
    assert "default: 3 more of 5; --limit shows them." in done.output


def test_no_dead_is_said(pool, holdfast):
    """An empty table could be a wrong address."""
    pool.enqueue(queue="low")
    assert holdfast("dead", "list").output == "nothing is dead in any queue.\n"
    assert holdfast("dead", "list", "low").output == "nothing is dead in low.\n"


def test_a_dead_job_is_shown_whole(pool, holdfast):
    """The call, the cause, the error, the effects, the moves, and what to do about a doubt."""
    bury(pool, cause="in_doubt", effects=("charge",), error="Traceback\nInDoubt: effect 'charge' was begun")
    shown = holdfast("dead", "show", "job-1", "--arguments").output
    for line in (
        *("function:    shop.fulfil", "arguments:   'A-1'", "status:      failed in default", "cause:       in_doubt"),
        *("failures:    1", "executions:  1", "  InDoubt: effect 'charge' was begun"),
        "effect:      charge: in doubt (fence ",
        "holdfast dead resolve job-1 charge --happened, or --did-not-happen",
    ):
        assert line in shown, shown
    assert "failed for good at w1" in shown


def test_a_call_that_was_not_compressed_is_read(pool, holdfast):
    """As RQ reads it."""
    bury(pool)
    pool.redis.hset(keys.job("job-1"), "data", pickle.dumps(("shop.fulfil", None, ("B-2",), {"fast": True})))
    assert "arguments:   'B-2', fast=True" in holdfast("dead", "show", "job-1", "--arguments").output


def test_of_two_errors_the_last_is_shown(pool, holdfast):
    """It was requeued, and died of something else."""
    bury(pool, error="ValueError: the first")
    holdfast("dead", "requeue", "job-1")
    worker = pool.worker()
    worker.bury(worker.hold(), error="ValueError: the second")
    error = holdfast("dead", "show", "job-1").output.partition("error:\n")[2].splitlines()[0]
    assert error == "  ValueError: the second"


def test_a_job_that_stock_rq_failed_is_shown_with_its_traceback(pool, holdfast):
    """RQ keeps it in its results, and has no words of ours."""
    fail_at_stock(pool)
    shown = holdfast("dead", "show", "job-s").output
    assert "  ValueError: at stock" in shown
    assert "ended by stock RQ" in shown


def test_a_call_that_cannot_be_read_does_not_hide_the_rest(pool, holdfast):
    """Another serializer, or a class that this machine does not have."""
    bury(pool)
    pool.redis.hset(keys.job("job-1"), "data", b"\x80 not a pickle")
    shown = holdfast("dead", "show", "job-1", "--arguments")
    assert shown.exit_code == 0
    assert "arguments:   cannot be read here: " in shown.output
    assert "PYTHONPATH, your workers' serializer by -S." in shown.output
    assert "status:      failed in default" in shown.output


@pytest.mark.parametrize("command", [("show",), ("requeue",), ("drop", "--yes"), ("resolve", "x", "--happened")])
def test_an_id_that_is_nobodys_is_said(holdfast, command):
    """A misspelled id does not look like success."""
    words = ["dead", command[0], "job-7", *command[1:]]
    done = holdfast(*words)
    assert done.exit_code == 1
    assert "there is no job job-7" in done.output


@pytest.mark.parametrize("command", [("list", "hihg"), ("requeue", "--all", "hihg")])
def test_a_queue_that_nobody_knows_is_said(pool, holdfast, command):
    """Nothing is dead in it, and that says nothing."""
    bury(pool, queue="high")
    done = holdfast("dead", *command)
    assert done.exit_code == 1
    assert "there is no queue hihg on this server; the ones there are: high." in done.output


def test_a_queue_that_rq_forgot_is_known_by_its_dead(pool, holdfast):
    """`rq empty` and others take it out of RQ's set."""
    bury(pool, queue="high")
    pool.redis.delete(keys.queues(), keys.leased())
    assert set(rows_of(holdfast("dead", "list", "high"))) == {"job-1"}
    assert holdfast("dead", "requeue", "--all", "high").exit_code == 0


def test_the_dead_are_requeued_by_name(pool, holdfast):
    """What can be is in line; what cannot is named, and the exit code tells."""
    bury(pool, "a")
    pool.enqueue("b")
    done = holdfast("dead", "requeue", "a", "b")
    assert done.exit_code == 1
    assert "a: in line in default" in done.output
    assert "b is queued: only what failed, or was stopped or canceled, can be taken." in done.output
    assert "1 in line again, 1 left as they were." in done.output
    assert sorted(pool.line()) == ["a", "b"]


def test_a_doubt_stands_in_the_way_until_it_is_settled(pool, holdfast):
    """It says which effect, and how to settle it; the word of the person is kept, and the requeue goes through."""
    bury(pool, cause="in_doubt", effects=("charge",))
    refused = holdfast("dead", "requeue", "job-1")
    assert refused.exit_code == 1
    assert "holdfast dead resolve job-1 charge --happened" in refused.output
    assert "--even-in-doubt" in refused.output
    settled = holdfast("dead", "resolve", "job-1", "charge", "--happened", "--value", "r-77")
    assert settled.output.splitlines() == [
        "resolved: charge of job-1 happened.",
        "Put the job in line again with: holdfast dead requeue job-1",
    ]
    assert holdfast("dead", "requeue", "job-1").exit_code == 0
    assert pool.line() == ["job-1"]


def test_a_job_that_settles_its_own_doubts_may_go(pool, holdfast):
    """Its code has an on_doubt= now."""
    bury(pool, cause="in_doubt", effects=("charge",))
    assert holdfast("dead", "requeue", "job-1", "--even-in-doubt").exit_code == 0
    assert pool.line() == ["job-1"]


def test_all_of_a_queue_is_requeued_but_what_a_person_stopped(pool, holdfast, monkeypatch):
    """In batches, with what is in doubt left and named, and registry entries without a record passed over."""
    monkeypatch.setattr(wishes_module, "_BATCH", 3)
    for number in range(8):
        bury(pool, f"job-{number}", effects=("charge",) if number == 2 else ())
    bury(pool, "halted", status="stopped")
    bury(pool, "other", queue="high")
    pool.redis.delete(keys.job("job-5"))
    done = holdfast("dead", "requeue", "--all", "default")
    assert done.exit_code == 1
    assert "6 in line again, 1 left as they were." in done.output
    assert "job-2: effect charge is in doubt" in done.output
    assert sorted(pool.line()) == [f"job-{n}" for n in (0, 1, 3, 4, 6, 7)]
    assert pool.places("halted") == ["failed default"]
    assert pool.places("other") == ["failed high"]


def test_a_requeue_of_all_takes_each_once_and_ends_although_jobs_fail_meanwhile(pool, holdfast, monkeypatch):
    """The bug is still there: these fail again at once, others for the first time, and nobody waits for ever."""
    monkeypatch.setattr(wishes_module, "_BATCH", 2)
    for number in range(5):
        bury(pool, f"job-{number}")
    send, sent = wishes_module.Requeues._send, []

    def send_and_fail(asks, wishes):
        answers = send(asks, wishes)
        sent.extend(wish.job_id for wish in wishes)
        assert len(sent) < 50
        while pool.line():
            pool.worker().bury(pool.worker().hold())
        bury(pool, f"new-{len(sent)}")
        pool.redis.zadd(keys.failed("default"), {f"new-{len(sent)}": pool.now_ms()})
        return answers

    monkeypatch.setattr(wishes_module.Requeues, "_send", send_and_fail)
    done = holdfast("dead", "requeue", "--all", "default")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "5 in line again."
    assert sorted(sent) == [f"job-{number}" for number in range(5)]


@pytest.mark.parametrize("words", [(), ("job-1", "--all", "default")])
def test_a_requeue_of_nothing_or_of_two_things_is_refused(holdfast, words):
    """It is not guessed which was meant."""
    done = holdfast("dead", "requeue", *words)
    assert done.exit_code == 2
    assert "name jobs, or --all QUEUE." in done.output


def test_a_requeue_outlasts_a_lost_reply(pool, holdfast, monkeypatch):
    """FM-008: it is sent again under the same name, and the job is in line once."""
    bury(pool)
    send, heard = wishes_module.Requeues._send, []

    def lose_the_first(asks, wishes):
        answers = send(asks, wishes)
        heard.append(wishes)
        if len(heard) == 1:
            raise ConnectionErrorOfRedis("the reply is lost")
        return answers

    from redis.exceptions import ConnectionError as ConnectionErrorOfRedis  # noqa: PLC0415 - named for this test

    monkeypatch.setattr(wishes_module.Requeues, "_send", lose_the_first)
    done = holdfast("dead", "requeue", "job-1")
    assert done.exit_code == 0, done.output
    assert len(heard) == 2
    assert heard[0] == heard[1]
    assert pool.line() == ["job-1"]


def test_a_drop_is_asked_about(pool, holdfast):
    """`n` keeps the job; --yes asks nothing."""
    bury(pool)
    assert holdfast("dead", "drop", "job-1", input="n\n").exit_code == 1
    assert pool.places("job-1") == ["failed default"]
    done = holdfast("dead", "drop", "job-1", "--yes")
    assert (done.exit_code, done.output) == (0, "job-1: deleted\n")
    assert pool.places("job-1") == []


def test_a_drop_names_who_waits_for_ever_and_what_is_kept(pool, holdfast):
    """The one that runs is not dropped."""
    pool.enqueue("a")
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on="a")
    worker = pool.worker()
    worker.bury(worker.hold())
    pool.enqueue("b")
    worker.hold()
    done = holdfast("dead", "drop", "a", "b", "--yes")
    assert done.exit_code == 1
    assert "child waited for it, and never starts now" in done.output
    assert "b is being worked on: wait until it is not." in done.output
    assert pool.places("b") == ["leases default"]


def test_a_doubt_of_a_job_in_line_is_settled_without_a_requeue(pool, holdfast):
    """Its worker died in the middle, and the job waits for its next attempt, which will know."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.crash(held)
    assert "in doubt: charge: the next attempt settles it" in holdfast("timeline", "job-1").output
    done = holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen")
    assert done.output == "resolved: charge of job-1 did not happen.\n"


def test_a_doubt_about_a_running_job_is_not_settled(pool, holdfast):
    """INV-07: it may be acting at this moment."""
    pool.enqueue()
    worker = pool.worker()
    worker.moves.begin_effect(worker.hold(), "charge")
    done = holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen")
    assert done.exit_code == 1
    assert "job job-1 is being worked on." in done.output
