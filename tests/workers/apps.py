"""What an app may bring of its own, for RQ's options to name: classes, handlers. Imported as `work` is."""

import errno
import inspect
import os

import rq
from redis import Redis
from rq import Queue, Retry, get_current_job
from work import note, noted

from holdfast.workers import Worker


class OwnQueue(Queue):
    """A queue class."""


class OwnRedis(Redis):
    """A client class."""


def tell_client():
    return type(get_current_job().connection).__name__


def ask_for_ever():
    return Retry(max=1)


def handle_too(job, kind, error, trace):
    """Be told first, and let the next be told."""
    note(job.args[0], f"handled too {kind.__name__}")


def break_handling(job, kind, error, trace):
    raise RuntimeError("the handler broke")


def recorder(base):
    """Make a worker class that notes each call of a method of RQ's."""

    def noting(name):
        def method(self, *args, **options):
            note(os.environ["NOTES"], name)
            return getattr(super(kind, self), name)(*args, **options)

        return method

    found = ((name, inspect.getattr_static(rq.Worker, name)) for name in dir(rq.Worker) if not name.startswith("__"))
    kind = type("Recorder", (base,), {name: noting(name) for name, each in found if inspect.isfunction(each)})
    return kind


Recorder, StockRecorder = recorder(Worker), recorder(rq.Worker)


class CarefulJob(rq.job.Job):
    """A job with what an app may have written for RQ's worker, and one thing that ours calls too."""

    def cleanup(self, *args, **options):
        note(os.environ["NOTES"], "cleanup")
        super().cleanup(*args, **options)

    def perform(self):
        note(os.environ["NOTES"], "perform")
        return super().perform()


class Hopeful(Worker):
    """A worker with what an app may have written for RQ's."""

    def perform_job(self, job, queue):
        note(os.environ["NOTES"], "perform_job")
        return super().perform_job(job, queue)

    def run_maintenance_tasks(self):
        note(os.environ["NOTES"], "run_maintenance_tasks")
        super().run_maintenance_tasks()

    def register_death(self):
        note(os.environ["NOTES"], "register_death")
        super().register_death()


class Stillborn(Worker):
    """A worker half of whose deploy is missing: until it is let go, each horse dies before it begins anything."""

    def _serve(self, bit, order):
        note(os.environ["NOTES"], f"foal {os.getpid()}")
        if not noted(os.environ["NOTES"], "go"):
            raise RuntimeError("half deployed")
        return super()._serve(bit, order)


class Forkless(Worker):
    """A worker on a machine that has no process for it, until it is let go."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        os.fork, self._fork = self.fail_to_fork, os.fork

    def fail_to_fork(self):
        note(os.environ["NOTES"], "foal of nobody")
        if not noted(os.environ["NOTES"], "go"):
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self._fork()
