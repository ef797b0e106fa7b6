"""Several jobs at a time, in short words."""


def enqueue(pool, *job_ids, **options):
    for job_id in job_ids:
        pool.enqueue(job_id, **options)


def ids(answer):
    return [each.lease.job_id for each in answer] if isinstance(answer, tuple) else answer


def leases(answer):
    return [each.lease for each in answer]


def take(pool, worker, *job_ids):
    """Put jobs in line and in a worker's hands."""
    enqueue(pool, *job_ids)
    taken = worker.claim_some(len(job_ids))
    assert ids(taken) == list(job_ids)
    return leases(taken)
