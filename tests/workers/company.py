"""What jobs do that are in a worker's hands together with others. Imported by workers, by name, never by the tests."""

import os
import signal
import threading
import time

from rq import get_current_job
from rq.command import send_command
from work import die, note, noted

from holdfast.jobs.store import keys


def others_in_hand():
    """Name the jobs that wait behind this one, in the hands of whoever has it."""
    job = get_current_job()
    entries = job.connection.zrange(keys.leases(job.origin), 0, -1)
    ids = {entry.decode().split(":")[0] for entry in entries} - {job.id}
    records = {job_id: job.connection.hmget(keys.job(job_id), "worker_name", "args") for job_id in ids}
    mine = os.environ["RQ_WORKER_ID"].encode()
    return sorted(job_id for job_id, (worker, _) in records.items() if worker == mine and job_id > job.id)


def quick(path):
    """Leave a trace and be gone."""
    note(path, f"quick {get_current_job().id} {os.getpid()}")
    return os.getpid()


def litter(path):
    """Leave a thread behind that never ends: the horse cannot run another job."""
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return quick(path)


def once(path, deed):
    """Do that once, and only while others wait behind: as the first of several such jobs that has some."""
    behind = [] if noted(path, "deed") else others_in_hand()
    if not behind:
        return quick(path)
    job = get_current_job()
    note(path, f"deed {job.id} {' '.join(behind)}")
    match deed:
        case "freeze":
            # The parent first: it must not see its horse stand still.
            os.kill(os.getppid(), signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        case "send the worker home":
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.5)
        case "stop another":
            send_command(job.connection, os.environ["RQ_WORKER_ID"], "stop-job", job_id=behind[-1])
            time.sleep(0.5)
        case "be stopped":
            send_command(job.connection, os.environ["RQ_WORKER_ID"], "stop-job", job_id=job.id)
            time.sleep(60)
        case "have the horse killed":
            send_command(job.connection, os.environ["RQ_WORKER_ID"], "kill-horse")
            time.sleep(60)
        case "nap":
            time.sleep(3)
        case _:
            die(deed)
    note(path, f"done {job.id}")
    return os.getpid()
