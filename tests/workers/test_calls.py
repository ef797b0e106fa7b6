"""How a job's function is called: by an app's or a tracer's own perform() where there is one; and what is sent then."""

import asyncio
import functools
import sys
from types import SimpleNamespace

import pytest
from rq.job import Job

from holdfast.workers.calls import execute, flush_reports


@pytest.fixture
def job(fake):
    return Job.create("builtins.len", ("four",), connection=fake)


def test_a_job_is_run_without_a_write_of_rqs(job, fake):
    """RQ's perform() would PERSIST the record, without a look at the lease."""
    fake.set(job.key, "x", ex=100)
    assert execute(job) == 4
    assert fake.ttl(job.key) > 0


def test_a_job_class_with_a_perform_of_its_own_is_heeded(fake):
    """An app wraps all its jobs so."""

    class Loud(Job):
        def perform(self):
            return f"loud {super().perform()}"

    assert execute(Loud.create("builtins.len", ("four",), connection=fake)) == "loud 4"


def test_a_tracer_that_wraps_perform_sees_the_job(job, monkeypatch):
    """Tracers replace rq.job.Job.perform when they are switched on."""
    seen = []
    original = Job.perform

    @functools.wraps(original)
    def traced(self):
        seen.append(self.id)
        return original(self)

    monkeypatch.setattr(Job, "perform", traced)
    assert execute(job) == 4
    assert seen == [job.id]


def test_what_an_async_job_leaves_unfinished_may_clean_up(fake, monkeypatch):
    """A task that nobody awaited, a generator that was left in its middle: both may hold a connection."""
    cleaned = []

    async def numbers():
        try:
            while True:
                yield 1
        finally:
            cleaned.append("generator")

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append("task")

    async def deed():
        left.append(asyncio.create_task(wait()))
        left.append(numbers())
        await asyncio.sleep(0)
        return await anext(left[1])

    left = []
    monkeypatch.setattr("shutil.deed", deed, raising=False)
    assert execute(Job.create("shutil.deed", connection=fake)) == 1
    assert sorted(cleaned) == ["generator", "task"]


def test_what_an_error_tracker_gathered_is_sent_before_a_horse_ends(monkeypatch):
    """It sends in a thread, which a horse does not wait for."""
    asked = []
    monkeypatch.setitem(sys.modules, "sentry_sdk", SimpleNamespace(flush=asked.append))
    flush_reports()
    assert asked == [2.0]


def test_without_one_nothing_is_imported(monkeypatch):
    """An app without Sentry pays nothing."""
    monkeypatch.delitem(sys.modules, "sentry_sdk", raising=False)
    flush_reports()
    assert "sentry_sdk" not in sys.modules
