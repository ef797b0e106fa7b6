"""Every name of RQ's that we lean on beyond its documented API, in one place, with the reason.

A test lists them, so that a new RQ release which moves one fails there and nowhere else.
"""

from __future__ import annotations

from rq.connections import get_connection_kwargs  # the pool's arguments without redis-py's run-time state
from rq.defaults import (
    DEFAULT_RESULT_TTL,
    UNSERIALIZABLE_RETURN_VALUE_PAYLOAD,  # what stands for a return value that cannot be pickled
)
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
from rq.worker import WorkerStatus
from rq.worker_registration import register as list_worker  # puts a worker in the sets that tools read

job_stack = _job_stack

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

__all__ = [
    "DEFAULT_RESULT_TTL",
    "NEVER_CALLED",
    "UNSERIALIZABLE_RETURN_VALUE_PAYLOAD",
    "AbandonedJobError",
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
    "UnixSignalDeathPenalty",
    "WorkerStatus",
    "blue",
    "get_connection_kwargs",
    "green",
    "job_stack",
    "list_worker",
    "now",
    "resolve_function_reference",
    "resolve_serializer",
    "utcparse",
]
