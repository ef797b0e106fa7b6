"""What stock tools see of what our Queue wrote."""

import rq

from holdfast.jobs.rq_surface import Job


def fetch(queue, job):
    """Read a job as any stock tool does."""
    return Job.fetch(job.id, connection=queue.connection)


def line(queue):
    """Give the ids in line, in their order."""
    return rq.Queue(queue.name, connection=queue.connection).job_ids
