"""A fleet is idle and a job comes in, by our Queue or by RQ's own: it begins at once, whatever happened before."""

import time
from statistics import median

import pytest
import rq

import holdfast.jobs
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

#: So long between two looks that whatever begins soon was heard.
DEAF = {"poll_ms": 5_000}
#: What an app waits at the most after a listener was lost, at the default interval.
DEFAULT = {"poll_ms": 1_000, "lease_ms": 10_000, "renew_ms": 3_000, "margin_ms": 1_000}
LOST_MS = 2_500
SOON_MS = 1_000
AT_ONCE_MS = 100


@pytest.fixture
def timed(redis, notes, wait_until, ledger):
    """Give a function that enqueues a job and gives the ms until its first line; workers are idle again afterwards."""

    def enqueue(queue, *, within=10.0):
        seen = len(notes("at"))
        begun = time.monotonic()
        job = queue.enqueue("work.say_when", notes.path)
        line = wait_until(lambda: notes("at")[seen:], within=within)[0]
        wait_until(lambda: ledger.status(job) == "finished")
        wait_until(lambda: all_idle(redis))
        return (float(line.split()[1]) - begun) * 1000

    return enqueue


def all_idle(redis):
    return all(redis.hget(key, "state") == b"idle" for key in redis.smembers(keys.workers.spelling))


def listener_of(redis, workers, queue="default"):
    """Give the worker that hears the plain producers of a queue, or None."""
    instance = redis.get(keys.listener(queue))
    found = [each for each in workers if redis.hget(keys.worker(each.name), "hf_instance") == instance]
    return found[0] if instance and found else None


@pytest.mark.slow
@pytest.mark.parametrize("queue_class", [rq.Queue, holdfast.jobs.Queue], ids=["plain", "ours"])
@pytest.mark.parametrize("queues", [1, 3])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_idle_fleet_begins_a_job_at_once(start_ready, redis, timed, workers, queues, queue_class):
    """Two hundred times, over several of the intervals at which workers look by themselves: nobody waits for one."""
    names = [f"q{number}" for number in range(queues)]
    for number in range(workers):
        start_ready(*names, name=f"w{number}", **DEAF)
    waits = [timed(queue_class(names[number % queues], connection=redis)) for number in range(200)]
    assert (median(waits) < AT_ONCE_MS, max(waits) < SOON_MS) == (True, True), sorted(waits)[-10:]


@pytest.fixture
def fleet(start_ready, redis, wait_until):
    """Three idle workers at the default interval, one of which listens: give them and a way to find it."""
    workers = [start_ready(name=f"w{number}", **DEFAULT) for number in range(3)]

    def listener():
        return wait_until(lambda: listener_of(redis, workers))

    return workers, listener


@pytest.mark.parametrize("loss", ["killed", "frozen", "cut off", "forgotten", "at a long job", "server restarted"])
def test_after_the_listener_was_lost_a_plain_job_begins_soon_and_the_next_at_once(
    fleet, redis, server, notes, timed, wait_until, loss
):
    """The others look by themselves meanwhile: nothing hangs on one process, one connection or one key."""
    workers, listener = fleet
    queue, lost = rq.Queue(connection=redis), listener()
    timed(queue)
    lost = listener()
    match loss:
        case "killed":
            lost.kill()
        case "frozen":
            lost.freeze_all()
        case "cut off":
            redis.client_kill_filter(_type="normal", skipme=True)
        case "forgotten":
            redis.delete(keys.listener("default"))
        case "at a long job":
            queue.enqueue("work.held", notes.path)
            wait_until(lambda: notes("began"))
        case "server restarted":
            server.restart()
    lost_at = time.monotonic()
    assert begins(queue, notes, wait_until) < LOST_MS
    # Whoever listens next may still be connecting: that is over when the others' first look would be.
    wait_until(lambda: time.monotonic() - lost_at > LOST_MS / 1000)
    able = [each for each in workers if each is not lost or loss not in {"killed", "frozen", "at a long job"}]
    wait_until(lambda: listener_of(redis, able))
    assert begins(queue, notes, wait_until) < SOON_MS
    notes.say_go()


def begins(queue, notes, wait_until):
    """Enqueue a job and give the ms until its first line."""
    seen, begun = len(notes("at")), time.monotonic()
    queue.enqueue("work.say_when", notes.path)
    return (float(wait_until(lambda: notes("at")[seen:])[0].split()[1]) - begun) * 1000


@pytest.mark.parametrize("queue_class", [rq.Queue, holdfast.jobs.Queue], ids=["plain", "ours"])
def test_an_idle_horse_is_called_without_its_parent(start_ready, redis, notes, wait_until, timed, queue_class):
    """The parent stands still, and the job begins all the same: nobody hands it over."""
    queue = queue_class(connection=redis)
    worker = start_ready(lease_ms=20_000, renew_ms=5_000, **DEAF)
    timed(queue)
    wait_until(lambda: redis.get(keys.listener("default")))
    worker.freeze()
    assert begins(queue, notes, wait_until) < SOON_MS
    worker.thaw()
    wait_until(lambda: all_idle(redis))


def test_a_burst_of_plain_jobs_wakes_the_whole_fleet(start_ready, redis, wait_until, notes):
    """Only one worker listens, but each claim that leaves jobs behind rings for the next worker."""
    for number in range(4):
        start_ready(name=f"w{number}", **DEAF)
    begun = time.monotonic()
    rq.Queue(connection=redis).enqueue_many(
        [rq.Queue.prepare_data("work.noted_nap", (notes.path, 0.5)) for _ in range(200)]
    )
    wait_until(lambda: len(notes("began")) >= 4, within=5)
    assert time.monotonic() - begun < DEAF["poll_ms"] / 1000
