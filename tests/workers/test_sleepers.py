"""A worker freezes past its lease, another finishes its job, and the sleeper wakes: it must change nothing."""

import signal
import time

import pytest
import rq
from rq.job import Callback

from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

TIMING = {"lease_ms": 1_000, "renew_ms": 200, "margin_ms": 200, "reap_ms": 100, "poll_ms": 100}


@pytest.fixture
def look(redis):
    """Give a function that reads all that Redis holds, but for what living workers say of themselves."""
    turns = {keys.turn(chore) for chore in ("reaper", "promoter", "orphans", "leavers")}
    alive = {keys.bell("default"), keys.listener("default"), keys.sweep(), keys.second_look(), keys.reaper(), *turns}

    def read(key):
        match redis.type(key):
            case b"hash":
                said = {b"last_heartbeat", b"hf_beat"} if key.startswith(keys.worker("").encode()) else set()
                return {name: value for name, value in redis.hgetall(key).items() if name not in said}
            case b"zset":
                return redis.zrange(key, 0, -1, withscores=True)
            case b"stream":
                return redis.xrange(key)
            case b"set":
                return redis.smembers(key)
            case b"list":
                return redis.lrange(key, 0, -1)
            case _:
                return redis.get(key)

    def look(but):
        hidden = alive | {keys.worker(but)}
        found = {}
        for key in redis.scan_iter(count=1_000):
            if key.decode() not in hidden and not key.startswith(keys.replay("").encode()):
                # Of a worker's entry the expiry moves with each heartbeat; of all else it says who touched it.
                ends = None if key.startswith(keys.worker("").encode()) else redis.pexpiretime(key)
                found[key] = (read(key), ends)
        return found

    return look


@pytest.fixture
def fall_asleep(start_worker, start_ready, redis, notes, wait_until, ledger, look):
    """Give a function that brings a sleeper to where its job was finished by another, and what Redis then held."""

    def fall_asleep(function, freeze):
        # A horse of one job ends with it, so that it is seen when the sleeper's is done.
        sleeper = start_worker(name="sleeper", jobs_per_horse=1, **TIMING)
        job = rq.Queue(connection=redis).enqueue(
            function, notes.path, on_success=Callback("work.on_success"), on_failure=Callback("work.on_failure")
        )
        wait_until(lambda: notes("began"))
        start_ready(name="finisher", **TIMING)
        freeze(sleeper)
        wait_until(lambda: ledger.status(job) == "finished")
        wait_until(lambda: rq.Worker.find_by_key(keys.worker("finisher"), redis).get_state() == "idle")
        assert notes("wrote") + notes("success") == ["wrote finisher", "success finisher"]
        return sleeper, job, look(but="sleeper")

    return fall_asleep


def test_a_machine_that_froze_whole_changes_nothing_when_it_wakes(fall_asleep, redis, notes, wait_until, ledger, look):
    """INV-04, INV-06, FM-012: record, results, registries, expiries and the finisher's counters stay as they are."""
    sleeper, job, before = fall_asleep("work.sleep_through", lambda worker: worker.freeze_all())
    horse = sleeper.horse
    notes.say_go()
    sleeper.thaw_all()
    wait_until(lambda: sleeper.horse != horse)
    time.sleep(2 * TIMING["lease_ms"] / 1000)  # whatever it still does, it does within this
    assert look(but="sleeper") == before
    assert notes("wrote") + notes("success") + notes("failure") == ["wrote finisher", "success finisher"]
    assert ledger.number(job, "hf_executions") == 2
    assert job.return_value(refresh=True) == "finisher"


def test_a_horse_whose_parent_froze_is_stopped_before_another_may_begin(
    start_worker, start_ready, redis, notes, wait_until, ledger, is_alive
):
    """INV-07, FM-042: its own guard keeps the stop-by moment, although nobody renews or watches."""
    timing = TIMING | {"lease_ms": 2_000, "margin_ms": 800}  # a slow machine looks late, too
    sleeper = start_worker(name="sleeper", **timing)
    job = rq.Queue(connection=redis).enqueue("work.sleep_through", notes.path)
    wait_until(lambda: notes("began"))
    start_ready(name="finisher", **timing)
    horse = sleeper.horse
    sleeper.freeze()
    began = time.monotonic()
    wait_until(lambda: not is_alive(horse), every=0.001)
    print(f"the guard acted {1000 * (time.monotonic() - began):.0f} ms after the freeze")
    assert ledger.moves(job, "reclaim") == []
    wait_until(lambda: ledger.status(job) == "finished")
    assert notes("woke") == []


def test_a_parent_that_wakes_beside_its_dead_horse_goes_on_with_other_work(
    fall_asleep, redis, wait_until, ledger, look, notes
):
    """INV-04, FM-012: it finds its horse dead and its lease gone, and takes the next job as if nothing were."""
    sleeper, job, before = fall_asleep("work.sleep_through", lambda worker: worker.freeze())
    sleeper.thaw()
    wait_until(lambda: "no longer ours" in sleeper.log)
    time.sleep(TIMING["lease_ms"] / 1000)
    assert look(but="sleeper") == before
    assert (ledger.number(job, "hf_crashes"), ledger.number(job, "hf_failures")) == (1, 0)
    other = rq.Queue(connection=redis).enqueue("work.say", 1)
    wait_until(lambda: other.get_status() == "finished")


def test_a_horse_beyond_the_reach_of_its_guard_is_refused_by_the_fence(
    fall_asleep, redis, notes, wait_until, ledger, look, is_alive
):
    """INV-04, FM-012, FM-015: C code held the guard up; meta, callbacks and settle of the late one are void."""
    sleeper, _, before = fall_asleep("work.sleep_unguarded", lambda worker: worker.freeze())
    horse = sleeper.horse
    wait_until(lambda: notes("guard"))
    assert is_alive(horse)
    notes.say_go()
    wait_until(lambda: notes("refused"))
    assert notes("refused") == ["refused sleeper LeaseEnded"]
    wait_until(lambda: not is_alive(horse))
    assert look(but="sleeper") == before
    sleeper.thaw()
    time.sleep(TIMING["lease_ms"] / 1000)
    assert look(but="sleeper") == before
    assert notes("wrote") + notes("success") + notes("failure") == ["wrote finisher", "success finisher"]


def test_a_pause_shorter_than_the_lease_costs_nothing(start_worker, start_ready, redis, notes, wait_until, ledger):
    """INV-05: a stop of half a lease, again and again; the job is finished by the one who began it."""
    sleeper = start_worker(name="sleeper", lease_ms=2_000, renew_ms=200, margin_ms=200, reap_ms=50)
    job = rq.Queue(connection=redis).enqueue("work.held", notes.path)
    wait_until(lambda: notes("began"))
    start_ready(name="other", lease_ms=2_000, renew_ms=200, margin_ms=200, reap_ms=50)
    for _ in range(2):
        sleeper.freeze_all()
        time.sleep(1)
        renewed = len(ledger.moves(job, "renew"))
        sleeper.thaw_all()
        wait_until(lambda so_far=renewed: len(ledger.moves(job, "renew")) > so_far)
    notes.say_go()
    wait_until(lambda: ledger.status(job) == "finished")
    assert ledger.number(job, "hf_executions") == 1
    sleeper.send(signal.SIGTERM)
    assert sleeper.wait() == 0
