"""The promoter puts scheduled jobs in line when they are due, in their order, batch by batch."""

from datetime import timedelta

from holdfast.jobs import events
from holdfast.jobs.store import keys
from holdfast.jobs.store import outcomes as out
from holdfast.jobs.store.upkeep import BATCH
from holdfast.recovery.promoter import Promoter


def test_it_goes_on_while_there_may_be_more(scripted, tell, told, keep_at):
    """INV-12, FM-041: after a night without workers, all that came due is put in line in one turn."""
    upkeep = scripted(out.Promoted(BATCH, BATCH), out.Promoted(BATCH - 3, BATCH), out.Promoted(7, 7))
    assert keep_at(Promoter(upkeep, tell, every_ms=500)) == 500
    assert upkeep.asked == ["500", "500 goes on", "500 goes on"]
    assert told == [events.Promoted(BATCH), events.Promoted(BATCH - 3), events.Promoted(7)]


def test_it_does_one_batch_at_a_time(scripted, tell, told):
    """LIV-02, INV-05: seconds of due jobs are no reason to renew no lease, and to hear of no signal."""
    promoter = Promoter(scripted(out.Promoted(BATCH, BATCH)), tell, every_ms=500)
    assert promoter.run_once() == 0
    assert told == [events.Promoted(BATCH)]


def test_dirt_in_the_scheduled_set_does_not_end_its_turn_early(scripted, tell, told, keep_at):
    """INV-12: a batch of entries without a job behind them, and a real one after those."""
    upkeep = scripted(out.Promoted(0, BATCH), out.Promoted(1, 1))
    keep_at(Promoter(upkeep, tell, every_ms=500))
    assert told == [events.Promoted(1)]


def test_when_another_did_it_just_now_it_waits_for_the_rest_of_that_interval(scripted, tell, told):
    """LIV-02: a due job waits one interval of the fleet, whoever's it is."""
    assert Promoter(scripted(out.NotDue(77)), tell, every_ms=500).run_once() == 77
    assert told == []


def test_a_thousand_due_jobs_hold_the_server_only_briefly_at_a_time(fleet, tell, told, keep_at):
    """INV-12, FM-031, FM-041: in bounded batches, and in the order in which they were due."""
    queue = fleet.queue()
    jobs = [queue.enqueue_in(timedelta(hours=1), "shop.fulfil", number) for number in range(1_100)]
    past_s = fleet.redis.time()[0] - 10_000
    order = [*jobs[550:], *jobs[:550]]
    fleet.redis.zadd(keys.scheduled("default"), {job.id: past_s + place for place, job in enumerate(order)})
    upkeep = fleet.timed(lambda answer: answer.seen)
    fleet.watch_slowness()
    keep_at(Promoter(upkeep, tell, every_ms=1_000))
    print(f"batches of {max(upkeep.sizes)}: {max(upkeep.took_ms):.1f} ms at most for the client")
    print(f"the server was held {fleet.slowest_script_ms():.1f} ms at most; the goal is 10 ms")
    assert upkeep.sizes == [BATCH] * (1_100 // BATCH) + [0]
    line = [job_id.decode() for job_id in fleet.redis.lrange(keys.queue("default"), 0, -1)]
    assert line == [job.id for job in order]
    assert fleet.redis.zcard(keys.scheduled("default")) == 0


def test_what_is_not_due_is_left_where_it_is(fleet, tell):
    """INV-12: also when it stands right behind what is."""
    queue = fleet.queue()
    later = queue.enqueue_in(timedelta(hours=1), "shop.fulfil")
    due = queue.enqueue_in(timedelta(hours=1), "shop.fulfil")
    fleet.redis.zadd(keys.scheduled("default"), {due.id: 1})
    Promoter(fleet.upkeep, tell, every_ms=1_000).run_once()
    assert fleet.redis.lrange(keys.queue("default"), 0, -1) == [due.id.encode()]
    assert fleet.redis.zrange(keys.scheduled("default"), 0, -1) == [later.id.encode()]


def test_a_scheduled_id_without_a_job_is_dropped_with_a_note(fleet, tell, told):
    """INV-02, INV-12, FM-027: its record expired or was deleted; the one behind it runs, and a person can see why."""
    due = fleet.queue().enqueue_in(timedelta(hours=1), "shop.fulfil")
    fleet.redis.zadd(keys.scheduled("default"), {"ghost": 1, due.id: 2})
    Promoter(fleet.upkeep, tell, every_ms=1_000).run_once()
    assert told == [events.Promoted(1)]
    [note] = fleet.redis.lrange(keys.ghosts(), 0, -1)
    assert note.decode().endswith("default ghost")
