"""`holdfast timeline`: a job's story in order, and where it is now."""

import re

from holdfast.jobs.store import keys


def story_of(done):
    """Give the events without their times, and what is said of now."""
    assert done.exit_code == 0, done.output
    before, _, now = done.output.partition("now:\n")
    events = [re.sub(r"^  .{9}  .{11}  ", "", line) for line in before.splitlines()[1:]]
    return events, [line.strip() for line in now.splitlines()]


def key_of(pool, name):
    """Spell a key by hand: the job, the digits of its birth, its generation, the effect."""
    born = pool.redis.hget(keys.job("job-1"), "created_at").decode()
    return f"job-1:{re.sub('[^0-9]', '', born)}.1:{name}"


def test_a_story_is_told_in_order(pool, holdfast):
    """Enqueued, claimed, crashed with its worker, claimed again, done: each effect behind the attempt that made it."""
    pool.enqueue()
    first, second = pool.worker("w1"), pool.worker("w2")
    held = first.hold()
    first.moves.begin_effect(held, "charge")
    first.moves.commit_effect(held, "charge", b"paid")
    pool.time_passes(10_500)
    pool.reap()
    again = second.hold()
    second.moves.begin_effect(again, "mail")
    second.complete(again)
    events, now = story_of(holdfast("timeline", "job-1"))
    assert events == [
        "enqueued to default: queued",
        f"claimed by w1 (execution {held.execution}, fence {held.fence})",
        f"  effect charge: done (fence {held.fence})",
        f"taken back from dead w1 (execution {held.execution}, lease expired)",
        f"claimed by w2 (execution {again.execution}, fence {again.fence})",
        f"  effect mail: in doubt (fence {again.fence}, key {key_of(pool, 'mail')})",
        f"completed by w2 (execution {again.execution})",
        "  result: successful after 2.0 s",
    ]
    assert now[0] == "finished in default"


def test_a_leased_job_says_who_has_it_and_until_when(pool, holdfast):
    """Its effect is begun, and not in doubt: somebody is at it."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    events, now = story_of(holdfast("timeline", "job-1"))
    assert events[-1] == f"  effect charge: begun (fence {held.fence})"
    assert re.fullmatch(r"leased to w1 for \d+\.\d s more", now[1])
    assert now[2:] == [f"execution {held.execution}, fence {held.fence}"]
    pool.time_passes(12_000)
    assert re.fullmatch(
        r"leased to w1 until 2\.\d s ago: a reaper is due", story_of(holdfast("timeline", "job-1"))[1][1]
    )


def test_a_waiting_job_says_what_for(pool, holdfast):
    """Its turn, its moment, or its parents."""
    pool.enqueue("a")
    pool.enqueue("b")
    pool.stock_queue().enqueue("shop.pack", job_id="child", depends_on=["a", "b"])
    pool.redis.delete(keys.job("b"))
    assert story_of(holdfast("timeline", "a"))[1] == ["queued in default", "in line, 0 ahead of it"]
    assert story_of(holdfast("timeline", "child"))[1] == [
        "deferred in default",
        "waits for a: queued",
        "waits for b: gone",
    ]
    worker = pool.worker()
    worker.postpone(worker.hold(), delay_ms=90_000)
    assert story_of(holdfast("timeline", "a"))[1] == ["scheduled in default", "due in 1 min"]
    pool.time_passes(100_000)
    assert story_of(holdfast("timeline", "a"))[1][1].startswith("due since ")


def test_a_dead_job_says_of_what_and_what_to_do(pool, holdfast):
    """And a person's part in its story is told like any other."""
    pool.enqueue()
    worker = pool.worker()
    held = worker.hold()
    worker.moves.begin_effect(held, "charge")
    worker.bury(held, cause="in_doubt", error="Traceback\nInDoubt: was begun")
    events, now = story_of(holdfast("timeline", "job-1"))
    assert events[-2:] == [
        f"failed for good at w1 (execution {held.execution}, in_doubt)",
        "  result: failed after 2.0 s: InDoubt: was begun",
    ]
    assert now == [
        "failed (in_doubt) in default",
        "in doubt: charge: find out, then `holdfast dead resolve job-1 EFFECT`",
    ]
    holdfast("dead", "resolve", "job-1", "charge", "--did-not-happen")
    holdfast("dead", "requeue", "job-1")
    events, now = story_of(holdfast("timeline", "job-1"))
    assert events[-2:] == [
        "a person settled a doubt: charge did not happen",
        "put in line again by a person: it was failed",
    ]
    assert now[0] == "queued in default"


def test_a_long_story_says_that_its_beginning_is_gone(pool, holdfast):
    """The journal keeps sixteen moves: the seventeenth takes the place of the first."""
    pool.enqueue()
    worker = pool.worker()
    for _ in range(10):
        worker.give_back(worker.hold())
    events, _ = story_of(holdfast("timeline", "job-1"))
    assert events[0] == "  (the first 5 moves are no longer kept)"
    assert len(events) == 17


def test_a_job_of_stock_rq_has_no_moves_and_a_place(pool, holdfast):
    """Also while a stock worker runs it."""
    job = pool.stock_queue().enqueue("shop.fulfil", job_id="job-1")
    assert story_of(holdfast("timeline", "job-1")) == ([], ["queued in default", "in line, 0 ahead of it"])
    pool.redis.lpop(keys.queue("default"))
    job.set_status("started")
    assert story_of(holdfast("timeline", "job-1"))[1][1].startswith("no lease of ours: run by a stock worker")


def test_an_id_that_is_nobodys_is_said(holdfast):
    """With the reasons there may be."""
    done = holdfast("timeline", "job-7")
    assert done.exit_code == 1
    assert "there is no job job-7 on this server." in done.output


def test_names_with_spaces_are_told_whole(pool, holdfast):
    """The result stands behind the end of its attempt; a number in the name is no fence."""
    pool.enqueue(queue="high priority")
    worker = pool.worker("box 7 of 9")
    held = worker.hold("high priority")
    worker.complete(held, value="dGVuIGV1cm9z")
    events, _ = story_of(holdfast("timeline", "job-1"))
    assert events == [
        "enqueued to high priority: queued",
        f"claimed by box 7 of 9 (execution {held.execution}, fence {held.fence})",
        f"completed by box 7 of 9 (execution {held.execution})",
        "  result: successful after 2.0 s",
    ]


def test_what_is_no_text_on_a_record_is_spelled_out(pool, holdfast):
    """FM-033: somebody's program wrote it; all else is told."""
    pool.enqueue()
    pool.redis.hset(keys.job("job-1"), mapping={"hf_move_1": b"1 5 enqueue caf\xe9 queued", "hf_dead": b"\xe9"})
    pool.redis.sadd(keys.dependencies("job-1"), b"caf\xe9")
    events, now = story_of(holdfast("timeline", "job-1"))
    assert events == [r"enqueued to caf\xe9: queued"]
    assert r"waits for caf\xe9: gone" in now


def test_a_job_in_no_line_is_told_from_a_deep_one(pool, holdfast):
    """The one is lost until a chore restores it, the other waits its turn."""
    pool.enqueue()
    pool.redis.delete(keys.queue("default"))
    said = story_of(holdfast("timeline", "job-1"))[1][1]
    assert said.startswith("in no line: not among the 0 in default. The orphans chore")
    pool.redis.rpush(keys.queue("default"), *(f"other-{number}" for number in range(10_001)), "job-1")
    assert story_of(holdfast("timeline", "job-1"))[1][1] == "not among the first 10,000 of 10,002 in line in default"
