"""The reaper takes the jobs of dead workers back, batch by batch, and says what it did."""

import threading
import time

from holdfast.jobs import events
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.upkeep import BATCH
from holdfast.recovery.reaper import Reaper


def taken(number):
    return out.Reclaimed("reclaimed", "default", f"job-{number}", "x", 7, "dead", 12)


def passes(*sizes):
    numbers = iter(range(10_000))
    return [out.Pass(tuple(taken(next(numbers)) for _ in range(size))) for size in sizes]


def test_it_goes_on_until_a_batch_is_not_full(scripted, tell, told, keep_at):
    """LIV-01, FM-035: a rack died with many jobs; the turn is taken once and used to the end."""
    upkeep = scripted(*passes(BATCH, BATCH, BATCH // 2))
    assert keep_at(Reaper(upkeep, tell, every_ms=1_000)) == 1_000
    assert upkeep.asked == ["1000", "1000 goes on", "1000 goes on"]
    assert told == [events.Reclaimed(taken(number)) for number in range(2 * BATCH + BATCH // 2)]


def test_it_does_one_batch_at_a_time(scripted, tell, told):
    """LIV-02, INV-05: seconds of the dead's jobs are no reason to renew no lease, and to hear of no signal."""
    assert Reaper(scripted(*passes(BATCH)), tell, every_ms=1_000).run_once() == 0
    assert len(told) == BATCH


def test_a_batch_that_is_just_full_is_followed_by_one_more_look(scripted, tell, keep_at):
    """LIV-02: exactly a batch may be a batch and one."""
    upkeep = scripted(*passes(BATCH, 0))
    keep_at(Reaper(upkeep, tell, every_ms=1_000))
    assert upkeep.asked == ["1000", "1000 goes on"]


def test_when_another_did_it_just_now_it_waits_for_the_rest_of_that_interval(scripted, tell, told):
    """LIV-02: not for an interval of its own, which would double the wait of the dead one's job."""
    assert Reaper(scripted(out.NotDue(123)), tell, every_ms=1_000).run_once() == 123
    assert told == []


def test_after_an_outage_it_says_that_holders_may_speak_first(scripted, tell, told):
    """INV-05, FM-019: it looks again when they have had their time, and not much later."""
    assert Reaper(scripted(out.Waiting(400)), tell, every_ms=1_000).run_once() == 400
    assert Reaper(scripted(out.Waiting(5_000)), tell, every_ms=1_000).run_once() == 1_000
    assert told == [events.HoldersGraced(400), events.HoldersGraced(5_000)]


def test_an_outage_in_the_middle_of_its_work_ends_its_turn(scripted, tell, told, keep_at):
    """FM-006: what it took is told, the rest waits until holders have spoken."""
    upkeep = scripted(*passes(BATCH), out.Waiting(300))
    assert keep_at(Reaper(upkeep, tell, every_ms=1_000)) == 300
    assert len(told) == BATCH + 1


# -- on a real server


def test_a_thousand_dead_leases_hold_the_server_only_briefly_at_a_time(fleet, tell, told, keep_at):
    """LIV-01, FM-031, FM-035: in bounded batches; every job comes back once, the oldest first."""
    fleet.enqueue(1_200)
    leases = fleet.claim_and_die(1_200)
    upkeep = fleet.timed(lambda answer: len(answer.reclaimed))
    fleet.watch_slowness()
    keep_at(Reaper(upkeep, tell, every_ms=1_000))
    print(f"batches of {max(upkeep.sizes)}: {max(upkeep.took_ms):.1f} ms at most for the client")
    print(f"the server was held {fleet.slowest_script_ms():.1f} ms at most; the goal is 10 ms")
    assert upkeep.sizes == [BATCH] * (1_200 // BATCH) + [0]
    assert {event.taken.job_id for event in told} == {lease.job_id for lease in leases}
    assert fleet.redis.zcard(keys.leases("default")) == fleet.redis.zcard(keys.wip("default")) == 0
    line = [job_id.decode() for job_id in fleet.redis.lrange(keys.queue("default"), 0, -1)]
    deadlines = {lease.job_id: lease.deadline_ms for lease in leases}
    assert [deadlines[job_id] for job_id in line] == sorted(deadlines.values())


def test_the_dead_of_many_queues_share_one_pass(fleet, tell, told, keep_at):
    """LIV-02: a queue with many dead does not hide the single one of another, and empty queues cost little."""
    for number in range(300):
        fleet.redis.sadd(keys.queues.spelling, keys.queue(f"empty-{number}"))
    fleet.enqueue(250, "crowded")
    fleet.enqueue(1, "lonely")
    fleet.claim_and_die(251, "crowded", "lonely")
    upkeep = fleet.timed(lambda answer: len(answer.reclaimed))
    fleet.watch_slowness()
    keep_at(Reaper(upkeep, tell, every_ms=1_000))
    print(f"the server was held {fleet.slowest_script_ms():.1f} ms at most, with 302 queues")
    assert sorted({event.taken.queue for event in told}) == ["crowded", "lonely"]
    assert sum(upkeep.sizes) == 251


def test_of_many_reapers_one_does_the_work_of_an_interval(fleet, tell, server):
    """LIV-02, FM-006: a fleet of twenty asks together; each lease is taken back once, by whoever came first."""
    fleet.enqueue(30)
    fleet.claim_and_die(30)
    answers, together = [], threading.Barrier(20)

    def ask():
        together.wait()
        answers.append(fleet.upkeep.reclaim(every_ms=5_000))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(answer.reclaimed) for answer in answers if isinstance(answer, out.Pass)] == [30]
    waits = [answer.ms for answer in answers if isinstance(answer, out.NotDue)]
    assert len(waits) == 19
    assert all(0 < wait <= 5_000 for wait in waits)


def test_a_reaper_that_dies_in_its_turn_delays_the_next_by_one_interval_only(fleet, tell, told):
    """LIV-02, FM-006: the turn is a key that ends by itself, not a lock that somebody must give back."""
    fleet.upkeep.reclaim(every_ms=150)
    fleet.enqueue(1)
    fleet.claim_and_die(1)
    began, next_one = time.monotonic(), Reaper(fleet.upkeep, tell, every_ms=150)
    while not told:
        time.sleep(next_one.run_once() / 1_000)
        assert time.monotonic() - began < 5, "the turn was never free again"
    assert time.monotonic() - began < 3
