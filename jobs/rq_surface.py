"""Every name of RQ's that we lean on beyond its documented API, in one place, with the reason.

Nothing else in jobs/, recovery/, workers/ and console/ imports from RQ. What must be spelled where it is used is listed
here all the same: private attributes of RQ's objects, what subclasses of ours use of their own selves, and names that
stand in a text. tests/house/ finds each use, and holds the lists to the installed RQ: a release that moves a name fails
there and nowhere else. What is public on an object that has one of RQ's types, as `job.timeout`, is mypy's to find.
RQ's loggers are apps' to set up, so their names stand where we log; a test holds them to RQ's, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq import Worker as RQWorker
from rq.connections import get_connection_kwargs  # the pool's arguments without redis-py's run-time state
from rq.defaults import (
    CALLBACK_TIMEOUT,  # what a callback gets that names none
    DEFAULT_RESULT_TTL,
    UNSERIALIZABLE_RETURN_VALUE_PAYLOAD,  # what stands for a return value that cannot be pickled
)
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT as DATE_FORMAT
from rq.defaults import DEFAULT_LOGGING_FORMAT as LOG_FORMAT
from rq.exceptions import (
    AbandonedJobError,
    DeserializationError,
    DuplicateJobError,
    InvalidJobOperation,
    NoSuchJobError,
)
from rq.job import (
    Job,
    JobStatus,
    _job_stack,  # where get_current_job() looks; a push gives the list of its thread
)
from rq.job import Retry as RQRetry
from rq.logutils import blue, green
from rq.queue import (
    EnqueueArgs,  # what Queue.parse_args() gives
    EnqueueData,
    Queue,
)
from rq.repeat import Repeat as RQRepeat
from rq.serializers import resolve_serializer
from rq.timeouts import (
    JobTimeoutException,
    UnixSignalDeathPenalty,  # what a worker ends jobs with, unless the app names another
)
from rq.utils import (
    now,  # what a job's created_at is
    resolve_function_reference,  # how a job names its function
    utcparse,
)
from rq.worker import DequeueStrategy, WorkerStatus
from rq.worker_registration import register as list_worker  # puts a worker in the sets that tools read

if TYPE_CHECKING:
    from rq.cli.helpers import CliConfig

job_stack = _job_stack


def command_line_config() -> type[CliConfig]:
    """Give what RQ's command line makes of its options. Imported only where that runs already: no producer needs it."""
    from rq.cli.helpers import CliConfig  # noqa: PLC0415

    return CliConfig


#: What RQ's worker does in its own loop by methods that an app may override: ours does all of it in another way.
NEVER_CALLED = frozenset(
    {
        "check_for_suspension",
        "clean_registries",
        "cleanup_execution",
        "dequeue_job_and_maintain_ttl",
        "execute_job",
        "fork_work_horse",
        "get_heartbeat_ttl",
        "get_redis_server_version",
        "handle_execution_ended",
        "handle_job_failure",
        "handle_job_retry",
        "handle_job_success",
        "handle_payload",
        "handle_warm_shutdown_request",
        "increment_failed_job_count",
        "increment_successful_job_count",
        "increment_total_working_time",
        "kill_horse",
        "main_work_horse",
        "maintain_heartbeats",
        "monitor_work_horse",
        "perform_job",
        "prepare_execution",
        "prepare_job_execution",
        "reorder_queues",
        "request_force_stop",
        "run_maintenance_tasks",
        "set_current_job_id",
        "set_current_job_working_time",
        "set_shutdown_requested_date",
        "setup_work_horse_signals",
        "stop_scheduler",
        "wait_for_horse",
    }
)
#: What RQ's queue calls of a job, in `_persist_job`, and ours does not: its record is written by the enqueue's script.
NOT_CALLED_TO_ENQUEUE = frozenset({"cleanup", "save", "set_status"})
#: What RQ's worker calls of a job, and ours does not: it claims and settles by scripts.
NOT_CALLED_TO_RUN = NOT_CALLED_TO_ENQUEUE | {
    "execute_success_callback",
    "get_retry_interval",
    "heartbeat",
    "prepare_for_execution",
    "retry",
}

#: By which attributes RQ's classes say where their keys are, and which family of jobs/store/keys.py each is.
WHERE_KEYS_ARE = {
    "redis_queue_namespace_prefix": "queue",
    "redis_queues_keys": "queues",
    "redis_job_namespace_prefix": "job",
    "redis_worker_namespace_prefix": "worker",
    "redis_workers_keys": "workers",
}

#: By which a job object is made and read. Where an app's class has its own of one, we do it as RQ does.
READS_A_JOB = frozenset(
    {"__init__", "restore", "data", "func", "func_name", "instance", "args", "kwargs", "get_result_ttl"}
)

#: Which options of an enqueue make two jobs of one kind. The others are of the call, and may differ within a kind.
OPTIONS_OF_A_KIND = (
    *("timeout", "result_ttl", "ttl", "failure_ttl"),
    *("retry", "repeat", "on_success", "on_failure", "on_stopped", "webhooks"),
)
#: Which options may be objects that app code changes before its next enqueue.
CHANGEABLE_OPTIONS = ("retry", "repeat", "on_success", "on_failure", "on_stopped", "webhooks", "depends_on")

#: Where in its `__dict__` a job object keeps what is asked of it: each has its own, and the rest of a form in common.
STATE_OF_A_CALL = frozenset(
    {"_args", "_data", "_func_name", "_id", "_instance", "_kwargs", "created_at", "description", "meta"}
)
#: Its moments: where it keeps each, and what the record's field is called.
MOMENTS_OF_A_JOB = ("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat")
#: All that is written there by its name.
STATE_OF_A_JOB = STATE_OF_A_CALL.union(
    MOMENTS_OF_A_JOB,
    {"connection", "serializer"},  # a job that nobody has looked at yet has these
    {"_dependency_ids", "webhooks"},  # lists, which two jobs of one form may not share
)

#: What RQ marks as its own and we touch all the same: it gives no other way, or only one with a round trip.
PRIVATE: dict[type, frozenset[str]] = {
    Job: frozenset(
        {
            *(name for name in STATE_OF_A_JOB if name.startswith("_")),
            "_result",  # where a success callback looks for it
            "_status",  # its setter writes it to Redis
        }
    ),
    Queue: frozenset(
        {
            "_default_timeout",  # what a job without a timeout gets
            "_enqueue_job",  # what enqueue_job() calls once the queue is listed
        }
    ),
    RQWorker: frozenset(
        {
            "_install_signal_handlers",  # RQ's work() calls it, and ours in its place
            "_is_horse",  # what is_horse gives, which cannot be set
        }
    ),
    UnixSignalDeathPenalty: frozenset({"_timeout"}),  # it is told of it in its constructor alone
}

#: What our subclasses use of themselves and have from RQ, documented or not.
INHERITED: dict[type, frozenset[str]] = {
    Job: frozenset({"meta", "serializer"}),
    Queue: frozenset(
        {"connection", "is_async", "job_class", "name", "parse_args", "schedule_job", "serializer"},
    ),
    RQWorker: frozenset(
        {
            "bootstrap",
            "connection",
            "death_penalty_class",
            "default_result_ttl",
            "disable_default_exception_handler",
            "handle_exception",
            "handle_work_horse_killed",
            "job_class",
            "log",
            "log_job_description",
            "name",
            "procline",
            "pubsub_channel_name",
            "queue_class",
            "queue_names",
            "queues",
            "register_death",
            "serializer",
            "worker_ttl",
        }
    ),
    UnixSignalDeathPenalty: frozenset({"handle_death_penalty"}),
}

__all__ = [
    "CALLBACK_TIMEOUT",
    "CHANGEABLE_OPTIONS",
    "DATE_FORMAT",
    "DEFAULT_RESULT_TTL",
    "INHERITED",
    "LOG_FORMAT",
    "MOMENTS_OF_A_JOB",
    "NEVER_CALLED",
    "NOT_CALLED_TO_ENQUEUE",
    "NOT_CALLED_TO_RUN",
    "OPTIONS_OF_A_KIND",
    "PRIVATE",
    "READS_A_JOB",
    "STATE_OF_A_CALL",
    "STATE_OF_A_JOB",
    "UNSERIALIZABLE_RETURN_VALUE_PAYLOAD",
    "WHERE_KEYS_ARE",
    "AbandonedJobError",
    "DequeueStrategy",
    "DeserializationError",
    "DuplicateJobError",
    "EnqueueArgs",
    "EnqueueData",
    "InvalidJobOperation",
    "Job",
    "JobStatus",
    "JobTimeoutException",
    "NoSuchJobError",
    "Queue",
    "RQRepeat",
    "RQRetry",
    "RQWorker",
    "UnixSignalDeathPenalty",
    "WorkerStatus",
    "blue",
    "command_line_config",
    "get_connection_kwargs",
    "green",
    "job_stack",
    "list_worker",
    "now",
    "resolve_function_reference",
    "resolve_serializer",
    "utcparse",
]
