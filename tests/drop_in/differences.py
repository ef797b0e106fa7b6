"""In what RQ's own tests are not ours, and why. A test of those that are run, and is not here, passes."""

_KILLED = "a job whose horse died is run again, with its crashes counted; RQ fails it at the first"
_NOT_CALLED = "replaces RQ's execute_job() or perform_job() by a mock; our worker claims and runs without calling them"
_NO_SCHEDULER = "looks into worker.scheduler; every worker of ours promotes what is due by itself, with or without it"
_NO_THREAD = "looks into worker.pubsub_thread; ours hears commands in its one loop, and has no thread"

#: By test, as `file::class::name`.
DIFFERENCES = {
    "test_commands.py::TestCommands::test_pubsub_thread_exits_other_error": _NO_THREAD,
    "test_commands.py::TestCommands::test_pubsub_thread_survives_connection_error": _NO_THREAD,
    "test_dependencies.py::TestDependencies::test_allow_failures_when_work_horse_killed": _KILLED,
    "test_executions.py::TestRegistry::test_execution_added_to_started_job_registry": (
        "wants RQ's expiry on the record of an execution; ours stands until its lease ends or is reclaimed"
    ),
    "test_intermediate_queue.py::TestIntermediateQueue::test_cleanup_intermediate_queue": _NOT_CALLED,
    "test_intermediate_queue.py::TestIntermediateQueue::test_cleanup_intermediate_queue_in_maintenance": _NOT_CALLED,
    "test_intermediate_queue.py::TestIntermediateQueue::test_no_cleanup_while_in_started_queue": _NOT_CALLED,
    "test_scheduler.py::TestWorker::test_work": _NO_SCHEDULER,
    "test_scheduler.py::TestWorker::test_work_burst": _NO_SCHEDULER,
    "test_scheduler.py::TestWorker::test_work_burst_scheduler_cleans_up_on_error": _NO_SCHEDULER,
    "test_scheduler.py::TestWorker::test_work_with_serializer": _NO_SCHEDULER,
    "test_worker.py::TestWorker::test_cancel_running_parent_job": (
        "wants the result of a job that was canceled while it ran; ours ends with the cancel, and keeps none"
    ),
    "test_worker.py::TestWorker::test_horse_fails": _NOT_CALLED,
    "test_worker.py::TestWorker::test_job_dependency_race_condition": _NOT_CALLED,
}

#: Further ones with our Queue in place of RQ's.
DIFFERENCES_OF_QUEUE: dict[str, str] = {}
