"""What an app may bring of its own, for RQ's options to name: classes, handlers. Imported as `work` is."""

from redis import Redis
from rq import Queue, Retry, get_current_job
from work import note


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
