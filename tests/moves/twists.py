"""What may be about a job that ends, the one that is next in line, and those around them: one thing each."""

from rq import Repeat, Retry
from rq.suspension import suspend

from holdfast.jobs.store import keys

#: The job that a worker has in hand, and the one that is next in line.
ENDED, NEXT = "ended", "next"


def field(job_id, *fields):
    """Write fields on the record of a job, as stock tools and other versions may have."""
    return lambda scene: scene.pool.redis.hset(keys.job(job_id), items=fields)


def member(family, job_id, score):
    """List a job where stock producers leave it, too."""
    return lambda scene: scene.pool.redis.zadd(family("default"), {job_id: score})


def other(call):
    """Do something to the server."""
    return lambda scene: call(scene.pool)


def asked(**how):
    """Let the worker ask otherwise."""
    return lambda scene: scene.how.update(how)


def loses_its_lease(scene):
    held = scene.held
    scene.pool.redis.zrem(keys.leases("default"), f"{held.job_id}:{held.execution}")


def is_enqueued_again(scene):
    scene.pool.enqueue(ENDED)


def is_enqueued_by_stock(scene):
    scene.pool.redis.delete(keys.queue("default"), keys.job(NEXT))
    scene.pool.stock_queue().enqueue("shop.fulfil", job_id=NEXT)


def is_enqueued(**options):
    def twist(scene):
        scene.pool.redis.delete(keys.queue("default"), keys.job(NEXT))
        scene.pool.enqueue(NEXT, **options)

    return twist


def was_held_by_another(scene):
    scene.pool.redis.hset(keys.held(), NEXT, "default:elsewhere")


def is_held_by_another(scene):
    was_held_by_another(scene)
    scene.pool.redis.zadd(keys.leases("default"), {f"{NEXT}:elsewhere": 9e15})


def gets_a_second_in_line(scene):
    scene.pool.enqueue("third")


def gets_one_in_another_queue(scene):
    scene.pool.enqueue("third", queue="low")


def another_is_in_line_and_no_bell_hangs(scene):
    gets_a_second_in_line(scene)
    scene.pool.redis.delete(keys.bell("default"))


def its_worker_wants_both(scene):
    gets_a_second_in_line(scene)
    scene.how["want"] = 2


def its_worker_wants_one_of_each(scene):
    gets_one_in_another_queue(scene)
    scene.how.update(want=2, queues=("default", "low"))


def has_not_heard(scene):
    """Leave the worker with an answer that it did not hear: the job in hand, and more."""
    scene.worker.seen_fence -= 10


def listened(scene):
    """Let it have listened there for plain producers until now."""
    scene.pool.redis.set(keys.listener("default"), scene.worker.instance)
    scene.how["listens"] = True


def comes_late(scene):
    """Let it have made another operation since."""
    scene.how["op"] = scene.worker.op
    scene.worker.claim("nowhere")


def waits(scene):
    scene.pool.enqueue("child", depends_on=ENDED)


#: About the job that ends: what is plain, and what is not.
OF_THE_ENDED = {
    "returned something": (asked(value="dg=="), True),
    "wants no result": (asked(value="-"), True),
    "is not kept": (asked(result_ttl=0), False),
    "is kept for ever": (asked(result_ttl=-1), False),
    "repeats": (asked(repeat_ms=5_000, repeats_left=1), False),
    "has a fence of somebody newer": (field(ENDED, "hf_fence", "9" * 16), False),
    "has another execution": (field(ENDED, "hf_lease", "0" * 32), False),
    "has another status": (field(ENDED, "status", "canceled"), False),
    "was told of an error": (field(ENDED, "hf_error", "boom"), True),
    "was suspected": (field(ENDED, "hf_suspect", "1"), True),
    "loses its lease": (loses_its_lease, False),
    "is enqueued again": (is_enqueued_again, False),
    "is waited for": (waits, False),
    "waited for another": (field(ENDED, "dependency_ids", "gone"), False),
    "is the last for now": (asked(want=0), False),
    "is gone": (other(lambda pool: pool.redis.delete(keys.job(ENDED))), False),
}
#: About the next one.
OF_THE_NEXT = {
    "is stock RQ's": (is_enqueued_by_stock, True),
    "may be retried": (is_enqueued(retry=Retry(max=3)), True),
    "may be repeated": (is_enqueued(repeat=Repeat(times=2)), True),
    "may wait so long": (is_enqueued(ttl=300), True),
    "has a timeout": (is_enqueued(job_timeout=20), True),
    "has no timeout": (is_enqueued(job_timeout=-1), True),
    "may crash twice": (field(NEXT, "hf_crashes_max", "2"), True),
    "may run once": (field(NEXT, "hf_crashes_max", "0"), False),
    "came long ago": (field(NEXT, "created_at", ""), True),
    "has no data": (other(lambda pool: pool.redis.hdel(keys.job(NEXT), "data")), False),
    "has no record": (other(lambda pool: pool.redis.delete(keys.job(NEXT))), False),
    "has no origin": (other(lambda pool: pool.redis.hdel(keys.job(NEXT), "origin")), False),
    "is of another queue": (field(NEXT, "origin", "low"), False),
    "is deferred, it says": (field(NEXT, "status", "deferred"), False),
    "is finished, it says": (field(NEXT, "status", "finished"), False),
    "is started, it says": (field(NEXT, "status", "started"), False),
    "stands among the finished": (member(keys.finished, NEXT, 9e9), True),
    "stands among the failed": (member(keys.failed, NEXT, 9e9), True),
    "stands among the canceled": (member(keys.canceled, NEXT, 9e9), True),
    "stands among the deferred": (member(keys.deferred, NEXT, 9e9), True),
    "stands among the scheduled": (member(keys.scheduled, NEXT, 9e9), True),
    "has a record that goes by": (other(lambda pool: pool.redis.expire(keys.job(NEXT), 60)), True),
    "was held by another": (was_held_by_another, False),
    "is held by another": (is_held_by_another, False),
    "left a tombstone": (other(lambda pool: pool.redis.set(keys.tombstone(NEXT), "op queued 5")), False),
    "had a generation": (field(NEXT, "hf_generation", "3"), False),
    "had a fence": (field(NEXT, "hf_fence", "9" * 16), False),
    "had a lease": (field(NEXT, "hf_lease", "0" * 32, "hf_lease_queue", "default"), False),
    "was suspected": (field(NEXT, "hf_suspect", "1"), False),
    "had retries": (field(NEXT, "hf_retries", "3"), False),
    "had ended": (field(NEXT, "hf_ended", "failed"), False),
    "had died": (field(NEXT, "hf_dead", "crashes"), False),
    "was to be retried": (field(NEXT, "hf_retry_state", "EXHAUSTED"), False),
    "was put off": (field(NEXT, "hf_next_run_ms", "9" * 13), False),
    "was called again": (field(NEXT, "hf_again", "1"), False),
    "was in company": (field(NEXT, "hf_company", "1"), False),
    "stands behind a ghost": (other(lambda pool: pool.redis.lpush(keys.queue("default"), "ghost")), False),
    "is not there": (other(lambda pool: pool.redis.delete(keys.queue("default"))), False),
}
#: About those around them.
BESIDES = {
    "another is in line": (gets_a_second_in_line, True),
    "another is in line and no bell hangs": (another_is_in_line_and_no_bell_hangs, True),
    "another queue has one": (gets_one_in_another_queue, True),
    "a bell hangs": (other(lambda pool: pool.redis.rpush(keys.bell("default"), "1")), True),
    "no bell hangs": (other(lambda pool: pool.redis.delete(keys.bell("default"))), True),
    "workers are suspended": (other(lambda pool: suspend(pool.redis)), False),
    "there is something to tell": (
        other(lambda pool: pool.redis.zadd(keys.aftermath("default"), {f"0 failed {ENDED}:1": 1})),
        False,
    ),
    "one that failed is kept": (member(keys.failed, "third", 9e9), True),
    "one is deferred": (member(keys.deferred, "third", 9e9), True),
    "something is to be forgotten": (member(keys.finished, "third", 1), True),
    "its worker wants many": (asked(want=3), True),
    "its worker wants both in line": (its_worker_wants_both, False),
    "its worker wants one of each queue": (its_worker_wants_one_of_each, False),
    "its worker has more in hand": (asked(besides=2), True),
    "its worker has not heard": (has_not_heard, False),
    "its worker listened": (listened, True),
    "its worker comes late": (comes_late, False),
    "both queues are looked in": (asked(queues=("low", "default")), True),
    "a crash is not forgiven": (asked(crashes=0), False),
}
TWISTS = {
    f"{name} {words}": (twist, is_plain)
    for name, twists in (("the ended", OF_THE_ENDED), ("the next", OF_THE_NEXT), ("besides,", BESIDES))
    for words, (twist, is_plain) in twists.items()
}
