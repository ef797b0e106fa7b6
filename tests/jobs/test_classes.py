"""Classes of an app's own in the place of RQ's: what they cannot say here is refused, or told."""

import inspect

import pytest
import rq
from rq.job import Job

from holdfast.jobs import Queue
from holdfast.jobs.classes import _WHERE, overridden
from holdfast.jobs.errors import SettingsError
from holdfast.jobs.rq_surface import NOT_CALLED_TO_RUN
from holdfast.workers import Worker


class TenantJob(Job):
    """A job whose records are the tenant's."""

    redis_job_namespace_prefix = "acme:rq:job:"


class TenantQueue(Queue):
    """A queue whose line is the tenant's."""

    redis_queue_namespace_prefix = "acme:rq:queue:"


class StockTenantQueue(rq.Queue):
    """One that lists itself for the tenant alone."""

    redis_queues_keys = "acme:rq:queues"


class TenantWorker(Worker):
    """A worker that is the tenant's."""

    redis_worker_namespace_prefix = "acme:rq:worker:"


def worker(kind, redis, *queues, **options):
    return kind(queues or ["default"], connection=redis, **options)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda redis: TenantQueue(connection=redis), "TenantQueue has redis_queue_namespace_prefix='acme:rq:queue:'"),
        (lambda redis: Queue(connection=redis, job_class=TenantJob), "TenantJob has redis_job_namespace_prefix="),
        (lambda redis: worker(Worker, redis, job_class=TenantJob), "TenantJob has redis_job_namespace_prefix="),
        (lambda redis: worker(Worker, redis, queue_class=StockTenantQueue), "StockTenantQueue has redis_queues_keys="),
        (lambda redis: worker(Worker, redis, StockTenantQueue(connection=redis)), "has redis_queues_keys="),
        (lambda redis: worker(TenantWorker, redis), "TenantWorker has redis_worker_namespace_prefix="),
    ],
    ids=["a queue", "its jobs", "a worker's jobs", "its queues' class", "its queues", "a worker"],
)
def test_a_class_with_keys_of_its_own_is_refused(redis, make, said):
    """A tenant's jobs would be put in everybody's line without a word, and run by everybody's workers."""
    with pytest.raises(SettingsError, match=f"{said}.*everybody's. To keep some apart"):
        make(redis)
    assert redis.keys() == []


def test_the_keys_are_where_rqs_classes_say():
    """In the installed RQ, whichever it is; a name that is gone refuses nobody."""
    kinds = (rq.Queue, Job, rq.Worker)
    said = {name: getattr(kind, name) for kind in kinds for name in dir(kind) if name.startswith("redis_")}
    assert said == _WHERE


class AuditedJob(Job):
    """What an app may have written for RQ's own enqueue and worker."""

    def save(self, *args, **options):
        """Do more than RQ."""
        super().save(*args, **options)

    def heartbeat(self, *args, **options):
        """Do more than RQ."""
        super().heartbeat(*args, **options)

    def to_dict(self, *args, **options):
        """Say more than RQ; ours asks for it, too."""
        return {**super().to_dict(*args, **options), "tenant": "acme"}


def test_a_save_that_an_enqueue_does_not_call_is_told_once(fake, caplog):
    """Its place is to_dict(), which is asked for what a record has."""
    jobs = [Queue(name, connection=fake, job_class=AuditedJob).enqueue("shop.fulfil") for name in ("a", "b")]
    Queue(connection=fake)
    (line,) = caplog.messages
    assert line.endswith("test_classes.AuditedJob overrides what an enqueue here does not call: save")
    assert [fake.hget(job.key, "tenant") for job in jobs] == [b"acme"] * 2


def test_what_is_not_called_is_a_method_of_rqs():
    """In the installed RQ; RQ's own class is told nothing."""
    assert all(inspect.isfunction(getattr(Job, name)) for name in NOT_CALLED_TO_RUN)
    assert [overridden(kind, Job, NOT_CALLED_TO_RUN) for kind in (Job, AuditedJob)] == [[], ["heartbeat", "save"]]
