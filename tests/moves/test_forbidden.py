"""Who has no right to a key does not take it for empty: what stands in a line or a schedule stays there."""

import pytest
from redis.exceptions import ResponseError

from holdfast.jobs.clock import SystemClock
from holdfast.jobs.store import keys
from holdfast.jobs.store.refusals import is_forbidden
from tests.moves.pool import RealPool


@pytest.fixture
def without(server, real_pool):
    """Give a function that makes the same pool for a user who has no right to one family of keys."""
    admin, clients = real_pool.redis, []

    def make(family):
        others = {key.spelling.replace("{}", "*") for name, key in keys.FAMILIES.items() if name != family}
        rights = [f"~{pattern}" for pattern in sorted(others)]
        admin.execute_command("ACL", "SETUSER", "wk", "reset", "on", ">secret", "+@all", *rights)
        clients.append(server.client(username="wk", password="secret"))
        return RealPool(clients[-1], SystemClock())

    yield make
    for client in clients:
        client.close()
    admin.acl_deluser("wk")


def refused(ask):
    with pytest.raises(ResponseError) as caught:
        ask()
    assert is_forbidden(caught.value), caught.value


@pytest.mark.parametrize("want", [1, 3])
def test_a_claim_leaves_the_jobs_in_line_whose_records_it_may_not_read(real_pool, without, want):
    """INV-01: it took them for jobs without a record, and each look dropped a hundred."""
    for job_id in ("job-1", "job-2"):
        real_pool.enqueue(job_id)
    worker = without("job").worker()
    refused(lambda: worker.claim_some(want))
    assert real_pool.line() == ["job-1", "job-2"]
    assert not real_pool.redis.exists(keys.ghosts())
    assert real_pool.worker().hold().job_id == "job-1"


def test_the_promoter_leaves_what_is_due_where_its_record_may_not_be_read(real_pool, without):
    """INV-12: the job was dropped, with a note that it had no record."""
    real_pool.enqueue()
    real_pool.worker().hold()
    real_pool.redis.zadd(keys.scheduled("default"), {"job-1": 1})
    refused(without("job").promote)
    assert real_pool.redis.zscore(keys.scheduled("default"), "job-1") == 1
    assert not real_pool.redis.exists(keys.ghosts())


@pytest.mark.parametrize(("family", "chore"), [("scheduled", "promote"), ("leases", "reap"), ("wip", "reap")])
def test_a_chore_that_may_not_look_says_so(real_pool, without, family, chore):
    """LIV-02: it found nothing due, for ever, and nobody was told."""
    real_pool.enqueue()
    real_pool.worker().hold()
    refused(getattr(without(family), chore))
