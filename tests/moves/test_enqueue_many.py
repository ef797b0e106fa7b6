"""none -> queued, many at once: as if each had been enqueued by itself, in their order, once."""

import sys
from datetime import timedelta

import pytest
import rq

from holdfast.jobs import Exponential, Queue
from holdfast.jobs.mould import Maker
from holdfast.jobs.rq_surface import Job
from holdfast.jobs.store import keys
from holdfast.jobs.store.batches import MOST_BYTES, MOST_JOBS, Batch, flows


def prepare(*ids, **options):
    return [Queue.prepare_data("shop.fulfil", ("A-1",), job_id=job_id, **options) for job_id in ids]


def many(pool, *ids, queue="default", **options):
    return pool.queue(queue).enqueue_many(prepare(*ids, **options))


def batch(pool, *ids, op="b1", **options):
    """Make a batch that may be sent as often as a test wants."""
    queue = pool.queue()
    maker = Maker(queue.create_job)
    made = [maker.make(data) for data in prepare(*ids, **options)]
    together = Batch(op=op, queue="default", form=made[0][1], asked_s=pool.clock.wall_s(), at_front=False, ttl=None)
    for job, form in made:
        together.add(job, size=form.weigh(job), chosen_id=job.id)
    return together


def facts(pool, job_id):
    """Give a record without what only tells when and by which request."""
    record = pool.record(job_id)
    moments = {name: record.pop(name) for name in ("created_at", "enqueued_at")}
    assert all(moment.endswith("Z") and len(moment) == 27 for moment in moments.values())
    op, word = record.pop("hf_op").split()
    assert len(op) == 16
    move = [part for part in record.pop("hf_move_1").split() if not part.isdigit() or part == "1"]
    return record | {"word": word, "move": move}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"ttl": 30, "result_ttl": 0, "failure_ttl": "1h", "timeout": "2m"}, id="times"),
        pytest.param({"ttl": sys.maxsize}, id="a ttl longer than Redis can count"),
        pytest.param({"meta": {"who": "Ada"}, "description": "a gift"}, id="meta"),
        pytest.param({"retry": rq.Retry(max=3, interval=[1, 2])}, id="RQ's retry"),
        pytest.param({"retry": Exponential(max=3)}, id="a retry of ours"),
        pytest.param({"on_failure": rq.Callback("shop.tell", timeout=9), "repeat": rq.Repeat(2)}, id="callbacks"),
    ],
)
def test_a_record_is_the_one_of_a_single_enqueue(pool, options):
    """Field by field: the first of its kind, which RQ makes, and those that are cast from it."""
    pool.queue().enqueue(
        "shop.fulfil", args=("A-1",), kwargs=None, job_id="alone", job_timeout=options.get("timeout"),
        **{name: value for name, value in options.items() if name != "timeout"},
    )  # fmt: skip
    many(pool, "first", "second", **options)
    ttl = options.get("ttl", -1)
    assert facts(pool, "first") == facts(pool, "second") == facts(pool, "alone")
    assert [pool.redis.ttl(keys.job(job_id)) for job_id in ("first", "second")] == [{sys.maxsize: -1}.get(ttl, ttl)] * 2


def test_a_new_enqueue_finds_stock_fields_and_ours_as_rq_reads_them(pool):
    """Stock tools read the job: its call, its moments and its state."""
    job = many(pool, "one", "job-1")[1]
    read = Job.fetch("job-1", connection=pool.redis)
    assert (read.func_name, read.args, read.kwargs, read.description) == ("shop.fulfil", ("A-1",), {}, job.description)
    assert (read.created_at, read.origin, read.timeout) == (job.created_at, "default", 180)
    assert (read.get_status(), read.enqueued_at) == ("queued", job.enqueued_at)


def test_many_stand_in_the_order_in_which_they_were_given(pool):
    """Over more than one batch, and behind those who were there."""
    pool.enqueue("before")
    jobs = pool.queue().enqueue_many([Queue.prepare_data("shop.fulfil") for _ in range(2 * MOST_JOBS + 1)])
    assert pool.line() == ["before", *(job.id for job in jobs)]
    assert pool.redis.smembers(keys.queues()) == {b"rq:queue:default"}
    assert pool.redis.lrange(keys.bell("default"), 0, -1) == [b"1"]


def test_unlike_jobs_stand_in_order_too(pool):
    """Each kind goes in a batch of its own."""
    datas = [*prepare("a", ttl=5), *prepare("b", "c"), *prepare("d", meta={"x": 1}), *prepare("e")]
    pool.queue().enqueue_many(datas)
    assert pool.line() == ["a", "b", "c", "d", "e"]


def test_who_asks_for_the_front_is_next_the_last_one_first(pool):
    """As in RQ, which puts each in front of all."""
    pool.enqueue("before")
    many(pool, "a", "b", at_front=True)
    assert pool.line() == ["b", "a", "before"]


def test_an_id_that_is_known_goes_where_a_single_enqueue_puts_it(pool):
    """INV-02: from where it was to its place among the others."""
    pool.enqueue("in-line")
    pool.queue().enqueue_in(timedelta(hours=1), "shop.fulfil", job_id="later")
    pool.enqueue("held", "other")
    worker = pool.worker()
    held = worker.hold("other")
    many(pool, "new-1", "later", "in-line", "held", "new-2")
    assert pool.line() == ["new-1", "later", "in-line", "new-2"]
    assert pool.places("held") == ["leases other"]
    worker.complete(held)
    assert pool.line()[-1] == "held"


def test_an_id_given_twice_is_in_line_once_with_the_last_call(pool):
    """INV-02: as if they had been enqueued one after the other."""
    datas = [
        Queue.prepare_data("shop.fulfil", (name,), job_id=job_id)
        for name, job_id in (("x", "a"), ("y", "b"), ("z", "a"))
    ]
    pool.queue().enqueue_many(datas)
    assert pool.line() == ["b", "a"]
    assert Job.fetch("a", connection=pool.redis).args == ("z",)


def test_a_batch_sent_twice_is_in_line_once(pool):
    """FM-008: the reply was lost and the same request came again: nothing moves."""
    asked = batch(pool, "a", "b", "c")
    pool.entrance.enqueue_many([asked])
    pool.enqueue("behind")
    with pool.nothing_changes():
        pool.entrance.enqueue_many([asked])
    assert pool.line() == ["a", "b", "c", "behind"]


@pytest.mark.parametrize("settle", [{"result_ttl": 500}, {"result_ttl": 0}], ids=["kept", "not kept"])
def test_a_batch_sent_twice_does_not_run_again_what_has_run(pool, settle):
    """FM-010: meanwhile one has finished, one is held, one failed, one waits for its retry and one is in line."""
    asked = batch(pool, "a", "b", "c", "d", "e")
    pool.entrance.enqueue_many([asked])
    worker = pool.worker()
    worker.complete(worker.hold(), **settle)
    worker.bury(worker.hold())
    worker.postpone(worker.hold(), delay_ms=60_000)
    pool.worker("w2").hold()
    with pool.nothing_changes():
        pool.entrance.enqueue_many([asked])
    assert pool.line() == ["e"]


def test_a_batch_sent_twice_of_which_nothing_was_kept_does_not_run_again(pool):
    """FM-010: the tombstones speak for all of it."""
    asked = batch(pool, "a", "b")
    pool.entrance.enqueue_many([asked])
    worker = pool.worker()
    for _ in "ab":
        worker.complete(worker.hold(), result_ttl=0)
    with pool.nothing_changes():
        pool.entrance.enqueue_many([asked])


def test_a_batch_of_another_name_is_another_enqueue(pool):
    """The ids are known, the request is not: they begin anew, at the back."""
    pool.entrance.enqueue_many([batch(pool, "a", "b")])
    pool.enqueue("behind")
    pool.entrance.enqueue_many([batch(pool, "a", "b", op="b2")])
    assert pool.line() == ["behind", "a", "b"]


def test_an_unknown_job_of_a_batch_with_a_known_one_is_answered_too(pool):
    """One half of a batch was lost with a server's memory: it is enqueued, and the other half is not again."""
    asked = batch(pool, "a", "b")
    pool.entrance.enqueue_many([asked])
    pool.redis.delete(keys.job("b"))
    pool.redis.lrem(keys.queue("default"), 1, "b")
    pool.entrance.enqueue_many([asked])
    assert pool.line() == ["a", "b"]


def test_no_script_takes_more_than_it_may(pool):
    """A server that is held up by a script hears nobody: a hundred jobs, or a megabyte and the job that passed it."""
    queue, flown = pool.queue(), []
    queue._way.entrance.enqueue_many = flown.append
    queue.enqueue_many([Queue.prepare_data("shop.fulfil", (b"x" * size,)) for size in [10] * 250 + [400_000] * 7])
    batches = [batch for flow in flown for batch in flow]
    assert [len(batch.jobs) for batch in batches] == [100, 100, 53, 3, 1]
    assert all(batch.size < MOST_BYTES + 401_000 for batch in batches)


def test_what_may_be_known_goes_alone():
    """Those after it wait for how it ends, or they would stand before it. New ones go in bounded flows."""

    def some(*chosen):
        return type("Batch", (), {"chosen_ids": set(chosen)})()

    new, known = [some() for _ in range(40)], [some("a"), some("b")]
    assert list(flows([*new[:2], known[0], new[2], known[1]])) == [new[:2], known[:1], new[2:3], known[1:]]
    assert [len(flow) for flow in flows(new)] == [32, 8]
